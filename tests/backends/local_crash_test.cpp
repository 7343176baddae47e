// The process dies; the machine and its disk live on.
#include <unistd.h>

#include <csignal>

#include <gmock/gmock.h>

#include "backends/local_sweep.h"
#include "in_child.h"
#include "local_backend_test.h"

namespace vgerfs::testing {
namespace {

using backends::Temporary;
using backends::write_object;
using format::ObjectType;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kKilled = -SIGKILL;

class LocalCrash : public LocalBackendTest {
 protected:
  std::size_t count_visible() const {
    std::size_t count = 0;
    for (const ObjectType type : format::kListedTypes) {
      open()->list(type, [&](const backends::ObjectInfo&) { ++count; });
    }
    return count;
  }
};

TEST_F(LocalCrash, KilledBeforeItsBarrierAProcessLeavesNothing) {
  EXPECT_EQ(run_in_child([&] {
              const auto backend = open();
              for (const ObjectType type : format::kListedTypes) {
                write_object(*backend, type, content(1, 100'000));
              }
              ::kill(::getpid(), SIGKILL);
            }),
            kKilled);
  EXPECT_EQ(count_visible(), 0U);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(LocalCrash, NamedTemporariesOfAKilledProcessAreNoObjects) {
  EXPECT_EQ(run_in_child([&] {
              const auto backend = open({.max_open_files = 2, .temporary = Temporary::named});
              for (std::uint64_t i = 0; i < 10; ++i) {
                write_object(*backend, ObjectType::pack, content(i));
                write_object(*backend, ObjectType::index, content(i));
              }
              ::kill(::getpid(), SIGKILL);
            }),
            kKilled);
  EXPECT_EQ(count_visible(), 0U);
  EXPECT_EQ(files().size(), 20U);
  EXPECT_THAT(files(), Each(HasSubstr("/.tmp-")));
  // The next writer is not disturbed, and the sweep finds them when they are old.
  const auto name = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  EXPECT_EQ(count_visible(), 1U);
  const backends::LocalDirectory directory{path_};
  const Timestamp now = system_clock().now();
  EXPECT_EQ(backends::sweep_temporary_files(directory, now), 0U);
  EXPECT_EQ(backends::sweep_temporary_files(directory, {now.s + 90'000, 0}), 20U);
  EXPECT_THAT(files(), ::testing::ElementsAre(name.path()));
}

TEST_F(LocalCrash, KilledAfterItsBarrierAProcessLeavesEverything) {
  EXPECT_EQ(run_in_child([&] {
              const auto backend = open({.max_open_files = 2});
              for (std::uint64_t i = 0; i < 10; ++i) {
                write_object(*backend, ObjectType::pack, content(i));
              }
              backend->barrier();
              write_object(*backend, ObjectType::pack, content(99));
              ::kill(::getpid(), SIGKILL);
            }),
            kKilled);
  EXPECT_EQ(count_visible(), 10U);
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(read_object(*backend_, name_of(ObjectType::pack, content(i)), 1000), content(i));
  }
}

}  // namespace
}  // namespace vgerfs::testing
