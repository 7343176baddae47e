// Whatever call of the store fails, and however: what must hold afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "repo/damage.h"
#include "repo/maintenance_world.h"
#include "support/test_seed.h"

namespace vgerfs::testing {

/// How a call goes wrong. What was not synced when a process ends is gone. That a process dies
/// after a call is the same as that it dies before the next.
struct Way {
  const char* name;
  Fault fault;
  ErrorCode code = ErrorCode::unavailable;
  bool torn = false;  ///< or it is there, as chance wants
};

inline constexpr Way kWays[] = {
    {"Unavailable", Fault::fail},
    {"Broken", Fault::fail, ErrorCode::io},
    {"ReplyLost", Fault::lose_reply},
    {"Killed", Fault::kill},
    {"Torn", Fault::kill, ErrorCode::unavailable, true},
};

inline void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

/// A test of an operation for each way to fail.
class Crash : public ::testing::TestWithParam<Way>, protected MaintenanceWorld {
 protected:
  static void SetUpTestSuite() { keep_temporary_directories_in_memory(); }

  /// A dead client's lease counts so long: its ttl and a quarter.
  static constexpr std::chrono::minutes kLeaseEnds{80};

  /// Says in `expected` and `possible` what it does before and after it does it.
  using Operation = std::function<void(repo::Repository&)>;

  /// Runs `operation` on a store whose n-th call fails, for n = 1, 2, … (1, 6, … when tests are to
  /// be small) until it is through without meeting the fault; each time from the world as it is
  /// now. `afterwards` runs when all is well again, and does more with what is there.
  void at_every_call(const Operation& operation, std::uint64_t least_calls,
                     const std::function<void(repo::Repository&)>& afterwards = {},
                     const repo::Credential& credential = TestRepository::full_key()) {
    const Way& way = GetParam();
    const auto objects = test.store().copy();
    const Timestamp begun = clock.now();
    const auto promised = expected;
    test.open(credential, "warm", accept_rollback_);  // clients have been here before
    std::uint64_t nth = 0;
    for (bool reached = true; reached && !HasFailure();) {
      nth += nth == 0 ? 1 : test_size<std::uint64_t>(1, 9);
      const std::string what = fmt::format("{} at call {}", way.name, nth);
      test.store().replace_all(objects);
      clock.set(begun);
      expected = promised;
      possible.clear();
      possible_new.clear();
      const std::string client = copy_of_warm_client();
      {
        const auto victim = test.open(credential, client, accept_rollback_);
        FaultyBackend& store = test.faulty();
        const std::uint64_t before = store.calls();
        store.order({.fault = way.fault, .nth = nth, .code = way.code});
        try {
          operation(*victim);
        } catch (const Error&) {
          // Which code is the operation's business; most say what the store said.
        } catch (const Killed&) {
        }
        reached = store.calls() >= before + nth;
      }
      if (way.torn && test.crash(nth) == 0) continue;  // as if killed
      verify_failed_(what);
      clock.advance(kLeaseEnds);
      try {
        const auto again = test.open(credential, client, accept_rollback_);
        operation(*again);
        if (afterwards) afterwards(*again);
      } catch (const Error& error) {
        ADD_FAILURE() << what << ", then run again: " << to_string(error.code()) << ": "
                      << error.what();
      }
      verify(what + ", then run again");
    }
    EXPECT_GT(nth, least_calls) << "it has more steps than that";
  }

  /// From "is there" or "is not there" to "who knows".
  void doubt(const SnapshotId& id, const Files& files) {
    expected.erase(id);
    possible[id] = files;
  }
  void pass(std::chrono::hours hours) { clock.advance(hours); }
  /// For operations that begin in a world where something is lost: what must hold when they fail.
  void begin_damaged(std::function<void(const std::string& what)> verify_failed) {
    accept_rollback_ = true;
    verify_failed_ = std::move(verify_failed);
  }
  PackId data_pack() { return PackId{largest(test.store()).id.bytes()}; }

 private:
  std::string copy_of_warm_client() {
    const std::string name = fmt::format("victim{}", ++victims_);
    std::filesystem::copy(test.directory() + "/warm", test.directory() + "/" + name,
                          std::filesystem::copy_options::recursive);
    return name;
  }

  int victims_ = 0;
  bool accept_rollback_ = false;
  std::function<void(const std::string&)> verify_failed_ = [this](const std::string& what) {
    verify(what);
  };
};

}  // namespace vgerfs::testing
