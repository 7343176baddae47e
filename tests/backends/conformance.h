// What the storage port demands (src/backends/backend.h), as one suite for all stores.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backends/backend.h"
#include "base/bytes.h"
#include "base/error.h"
#include "format/object_name.h"

namespace vgerfs::testing {

/// One place that several instances can open.
class Store {
 public:
  virtual ~Store() = default;
  virtual std::unique_ptr<backends::Backend> open() = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<Store>()> make;
  std::size_t many = 300;  ///< objects for a long listing; each costs a real store an fdatasync

  friend std::ostream& operator<<(std::ostream& out, const StoreKind& kind) {
    return out << kind.name;
  }
};

std::vector<StoreKind> all_stores();

class BackendConformance : public ::testing::TestWithParam<StoreKind> {
 protected:
  std::unique_ptr<Store> store_ = GetParam().make();
  std::unique_ptr<backends::Backend> backend_ = store_->open();
  std::unique_ptr<backends::Backend> other_ = store_->open();
};

/// Bytes that differ for each number.
Bytes content(std::uint64_t number, std::size_t size = 100);
format::ObjectName name_of(format::ObjectType type, ByteView bytes);
/// The whole object as it is stored.
Bytes stored(backends::Backend& backend, const format::ObjectName& name);
std::set<format::ObjectName> listed(backends::Backend& backend, format::ObjectType type);

/// The code of the Error that `action` throws; fails the test if it throws none.
template <class Action>
ErrorCode code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorCode::io;
}

}  // namespace vgerfs::testing
