// Whether a file could change once more without its times telling. If so, they are no fingerprint.
#pragma once

#include <sys/stat.h>

#include "base/clock.h"

namespace vgerfs::repo {

/// What this kernel stamps changes of local files with. A stamp given later is never below it.
Timestamp file_clock();

/// `attributes`: those of the open file `fd` before its content was read; `opened`: what the file
/// clock said after that and before the content was read. True if every later change gets a ctime
/// that differs.
///
/// A file system that stamps with this kernel's clock cannot give the same ctime again once the
/// clock has passed it: one tick, some milliseconds. Others (network file systems, FUSE) have
/// clocks and ticks that are not known here: they get two seconds, as does what says its type to
/// nobody. Does not see what a program stores through a shared mapping after its first store: the
/// kernel stamps that one only (docs/adr/0003).
bool is_settled(int fd, const struct ::stat& attributes, Timestamp opened);

}  // namespace vgerfs::repo
