// What the tests of the local backend share.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backends/local_backend.h"
#include "base/error.h"
#include "base/sha256.h"
#include "support/fixed_random.h"
#include "support/temporary_directory.h"
#include "system_faults.h"

namespace vgerfs::testing {

/// A repository directory without config, and an instance on it.
class LocalBackendTest : public ::testing::Test {
 protected:
  LocalBackendTest() : backend_(backends::create_local_backend(path_)) { clear_system_faults(); }
  ~LocalBackendTest() override { clear_system_faults(); }

  std::unique_ptr<backends::Backend> open(backends::LocalOptions options = {}) const {
    return backends::open_local_backend(path_, options);
  }
  /// Paths of all files below the repository, relative to it; but the one that says when somebody
  /// swept.
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      if (entry.is_directory() || entry.path() == path_ + "/.tmp-swept") continue;
      found.push_back(std::filesystem::relative(entry.path(), path_).string());
    }
    return found;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "repository";
  std::unique_ptr<backends::Backend> backend_;
};

inline Bytes content(std::uint64_t number, std::size_t size = 100) {
  return random_bytes(number, size);
}

inline format::ObjectName name_of(format::ObjectType type, ByteView bytes) {
  return {type, ObjectId{sha256(bytes)}};
}

/// The Error that `action` throws; fails the test if it throws none.
template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error{ErrorCode::usage, "none"};
}

}  // namespace vgerfs::testing
