#include "repo/settled.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>

#include "repo/file_entry.h"

namespace vgerfs::repo {
namespace {

/// For clocks and ticks that are not known: more than the tick of any file system, and some skew.
constexpr std::int64_t kForeignMs = 2000;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kMsPerS = 1000;

/// They stamp every change with the kernel's coarse clock, in nanoseconds or in whole seconds.
constexpr std::array<std::uint32_t, 5> kLocalStamps{
    0xef53,      // ext2, ext3, ext4
    0x58465342,  // xfs
    0x9123683e,  // btrfs
    0x01021994,  // tmpfs
    0xf2f52010,  // f2fs
};

bool stamps_with_our_clock(int fd) noexcept {
  struct ::statfs info {};
  return ::fstatfs(fd, &info) == 0 &&
         std::find(kLocalStamps.begin(), kLocalStamps.end(),
                   static_cast<std::uint32_t>(info.f_type)) != kLocalStamps.end();
}

/// Milliseconds from b to a; far apart is as good as infinite.
std::int64_t ms_between(Timestamp a, Timestamp b) noexcept {
  constexpr std::int64_t kFar = 1'000'000'000;  // s
  const std::int64_t s = std::clamp(a.s, b.s - kFar, b.s + kFar) - b.s;
  return s * kMsPerS + (std::int64_t{a.ns} - std::int64_t{b.ns}) / kNsPerMs;
}

}  // namespace

Timestamp file_clock() {
  struct ::timespec now {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

bool is_settled(int fd, const struct ::stat& attributes, Timestamp opened) {
  const Timestamp changed = ctime_of(attributes);
  const std::int64_t since_write = ms_between(opened, mtime_of(attributes));
  // A ctime in the future: the clock was set back. An mtime in the future may be anybody's doing.
  if (ms_between(opened, changed) > kForeignMs &&
      (since_write > kForeignMs || since_write < -kForeignMs)) {
    return true;
  }
  if (!stamps_with_our_clock(fd)) return false;
  // Without a fraction it may have been cut off: small inodes of ext keep whole seconds.
  return changed.ns == 0 ? opened.s > changed.s : opened > changed;
}

}  // namespace vgerfs::repo
