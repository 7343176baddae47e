// read_object and write_object, against a store that lies.
#include "backends/backend.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "support/fixed_random.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {
namespace {

using backends::read_object;
using backends::write_object;
using format::config_name;
using format::ObjectName;
using format::ObjectType;

ErrorCode code_of_read(backends::Backend& backend, const ObjectName& name, std::uint64_t max) {
  try {
    read_object(backend, name, max);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::usage;
}

TEST(WriteObject, NamesTheBytesByTheirHash) {
  MemoryBackend backend;
  const Bytes bytes = random_bytes(1, 1000);
  const ObjectName name = write_object(backend, ObjectType::index, bytes);
  EXPECT_EQ(name.type, ObjectType::index);
  EXPECT_EQ(name.id.bytes(), sha256(bytes));
  EXPECT_EQ(read_object(backend, name, 1000), bytes);
  EXPECT_EQ(write_object(backend, ObjectType::config, bytes), config_name());
}

TEST(ReadObject, RefusesChangedBytes) {
  MemoryBackend backend;
  const Bytes bytes = random_bytes(1, 1000);
  const ObjectName name = write_object(backend, ObjectType::index, bytes);
  backend.barrier();
  for (const std::size_t at : {0U, 500U, 999U}) {
    Bytes flipped = bytes;
    flipped[at] ^= std::byte{1};
    backend.store()->overwrite(name, flipped);
    EXPECT_EQ(code_of_read(backend, name, 1000), ErrorCode::corrupt);
  }
  backend.store()->overwrite(name, Bytes(bytes.begin(), bytes.end() - 1));
  EXPECT_EQ(code_of_read(backend, name, 1000), ErrorCode::corrupt);
  backend.store()->overwrite(name, {});
  EXPECT_EQ(code_of_read(backend, name, 1000), ErrorCode::corrupt);
}

TEST(ReadObject, RefusesTooManyBytesBeforeItReadsThem) {
  MemoryBackend backend;
  for (const ObjectType type : {ObjectType::snapshot, ObjectType::config}) {
    const ObjectName name = write_object(backend, type, random_bytes(1, 1001));
    EXPECT_EQ(code_of_read(backend, name, 1000), ErrorCode::corrupt);
    EXPECT_NO_THROW(read_object(backend, name, 1001));
  }
}

TEST(ReadObject, AnAbsentObjectIsNotFound) {
  MemoryBackend backend;
  EXPECT_EQ(code_of_read(backend, config_name(), 10), ErrorCode::not_found);
}

}  // namespace
}  // namespace vgerfs::testing
