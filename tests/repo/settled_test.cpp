#include "repo/settled.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "repo/file_entry.h"

namespace vgerfs::repo {
namespace {

constexpr Timestamp kChanged{1'700'000'000, 123'456'789};

/// A moment after `kChanged`, or before it.
Timestamp after_ms(std::int64_t ms, Timestamp from = kChanged) {
  const std::int64_t ns = from.ns + ms % 1000 * 1'000'000;
  const std::int64_t carry = ns < 0 ? -1 : ns / 1'000'000'000;
  return {from.s + ms / 1000 + carry, static_cast<std::uint32_t>(ns - carry * 1'000'000'000)};
}

struct ::stat changed_at(Timestamp changed, Timestamp written) {
  struct ::stat attributes {};
  attributes.st_ctim = {changed.s, static_cast<long>(changed.ns)};
  attributes.st_mtim = {written.s, static_cast<long>(written.ns)};
  return attributes;
}

struct ::stat changed_at(Timestamp when) {
  return changed_at(when, when);
}

/// A file on tmpfs, whose stamps come from this kernel's clock.
class OnTmpfs : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/dev/shm/vgerfs-test-XXXXXX";
    fd_ = Fd{::mkstemp(path.data())};
    if (!fd_) GTEST_SKIP() << "no tmpfs at /dev/shm";
    ::unlink(path.c_str());
  }
  bool settled(const struct ::stat& attributes, Timestamp opened) const {
    return is_settled(fd_.get(), attributes, opened);
  }
  Fd fd_;
};

TEST_F(OnTmpfs, AFileIsSettledOnceTheClockHasPassedItsChange) {
  EXPECT_FALSE(settled(changed_at(kChanged), after_ms(-4)));
  EXPECT_FALSE(settled(changed_at(kChanged), kChanged)) << "the same tick";
  EXPECT_TRUE(settled(changed_at(kChanged), {kChanged.s, kChanged.ns + 1}));
  EXPECT_TRUE(settled(changed_at(kChanged), after_ms(4)));
}

TEST_F(OnTmpfs, AChangeWithoutAFractionMayHaveComeAnywhereInItsSecond) {
  const Timestamp whole{kChanged.s, 0};
  EXPECT_FALSE(settled(changed_at(whole), {whole.s, 999'999'999}));
  EXPECT_TRUE(settled(changed_at(whole), {whole.s + 1, 0}));
}

TEST_F(OnTmpfs, OnlyTheChangeTimeCountsBecauseNobodyCanSetIt) {
  EXPECT_TRUE(settled(changed_at(kChanged, after_ms(3'600'000)), after_ms(4)));
  EXPECT_FALSE(settled(changed_at(kChanged, after_ms(-3'600'000)), kChanged));
}

TEST_F(OnTmpfs, AChangeAfterTheClockGetsALaterStamp) {
  for (int i = 0; i < 200; ++i) {
    struct ::stat before {};
    struct ::stat after {};
    ASSERT_EQ(::pwrite(fd_.get(), "a", 1, 0), 1);
    ASSERT_EQ(::fstat(fd_.get(), &before), 0);
    const Timestamp opened = file_clock();
    ASSERT_EQ(::pwrite(fd_.get(), "b", 1, 0), 1);
    ASSERT_EQ(::fstat(fd_.get(), &after), 0);
    EXPECT_GE(ctime_of(after), opened);
    if (settled(before, opened)) {
      EXPECT_NE(ctime_of(after), ctime_of(before));
    }
  }
}

/// proc stands for all file systems whose clock is not known.
class Elsewhere : public ::testing::Test {
 protected:
  bool settled(const struct ::stat& attributes, Timestamp opened) const {
    return is_settled(fd_.get(), attributes, opened);
  }
  Fd fd_ = open_file("/proc/self/stat", O_RDONLY);
};

TEST_F(Elsewhere, AFileIsSettledAfterTwoSeconds) {
  EXPECT_FALSE(settled(changed_at(kChanged), after_ms(4)));
  EXPECT_FALSE(settled(changed_at(kChanged), after_ms(2000)));
  EXPECT_TRUE(settled(changed_at(kChanged), after_ms(2001)));
}

TEST_F(Elsewhere, BothTimesCountUnlessSomebodySetOneFarIntoTheFuture) {
  EXPECT_FALSE(settled(changed_at(kChanged, after_ms(4000)), after_ms(4000)));
  EXPECT_TRUE(settled(changed_at(kChanged, after_ms(3'600'000)), after_ms(4000)));
  EXPECT_FALSE(settled(changed_at(after_ms(3'600'000), kChanged), after_ms(4000)))
      << "the clock was set back";
}

}  // namespace
}  // namespace vgerfs::repo
