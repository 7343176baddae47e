#include "fs/commit_jobs.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <vector>

#include <gmock/gmock.h>

#include "base/error.h"
#include "fs/types.h"
#include "support/error_of.h"

namespace vgerfs::fs {
namespace {

using ::testing::ElementsAre;
using vgerfs::testing::error_of;

bool never() { return false; }

/// Commits that wait until the test lets them go.
class CommitJobsTest : public ::testing::Test {
 protected:
  void commit(const std::string& source, const std::string& trigger) {
    std::unique_lock lock{mutex_};
    begun_.push_back(source + " " + trigger);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    if (failure_) throw Error{*failure_};
  }
  void let_go() {
    const std::lock_guard lock{mutex_};
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_begun(std::size_t count) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return begun_.size() >= count; });
  }
  void TearDown() override { let_go(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  bool open_ = false;
  std::optional<Error> failure_;
  CommitJobs jobs_{
      [this](const std::string& source, const std::string& trigger) { commit(source, trigger); }};
};

TEST_F(CommitJobsTest, WaitsAndThrowsWhatTheCommitThrows) {
  let_go();
  jobs_.commit("home", "control", never);
  EXPECT_THAT(begun_, ElementsAre("home control"));
  failure_ = Error{ErrorCode::no_space, "full"};
  EXPECT_EQ(error_of([&] { return jobs_.commit("home", "control", never), 0; }), "no_space");
}

TEST_F(CommitJobsTest, AnInterruptedCallerLeavesAndTheCommitGoesOn) {
  try {
    jobs_.commit("home", "control", [] { return true; });
    FAIL() << "it waited for the commit";
  } catch (const FsError& error) {
    EXPECT_EQ(error.error_number(), EINTR);
  }
  wait_for_begun(1);
  let_go();
}

TEST_F(CommitJobsTest, WhoComesDuringACommitGetsTheNextOne) {
  // The one that runs may have looked already at what the second caller wrote.
  auto first = std::async(std::launch::async, [&] { jobs_.commit("home", "control", never); });
  wait_for_begun(1);
  std::vector<std::future<void>> later;
  std::atomic<int> waiting = 0;
  later.reserve(3);
  for (int i = 0; i < 3; ++i) {
    later.push_back(std::async(std::launch::async, [&] {
      jobs_.commit("home", "umount", [&] { return ++waiting, false; });
    }));
  }
  while (waiting < 3) std::this_thread::yield();
  let_go();
  first.get();
  for (auto& each : later) each.get();
  EXPECT_THAT(begun_, ElementsAre("home control", "home umount")) << "the three share one commit";
}

TEST_F(CommitJobsTest, SourcesDoNotWaitForEachOther) {
  auto home = std::async(std::launch::async, [&] { jobs_.commit("home", "control", never); });
  auto etc = std::async(std::launch::async, [&] { jobs_.commit("etc", "control", never); });
  wait_for_begun(2);
  let_go();
  home.get();
  etc.get();
}

}  // namespace
}  // namespace vgerfs::fs
