// Deletes what writers that crashed have left in a local store. Files without a name need no
// sweeping: the kernel frees them.
#pragma once

#include <cstddef>

#include "backends/local_directory.h"
#include "base/clock.h"

namespace vgerfs::backends {

/// Deletes files with our temporary names that were last changed more than a day before `now`.
/// Touches nothing else. Returns how many were deleted.
std::size_t sweep_temporary_files(const LocalDirectory& directory, Timestamp now);

/// The same, unless some client did so within the last day; for whenever a session starts. What
/// is old is told by the store's clock, which may be another machine's: a client whose clock is
/// wrong must not delete what others are writing. `now`, this client's time, only tells whether a
/// day has passed. A failure is logged: to sweep is no part of anybody's work.
void sweep_when_due(const LocalDirectory& directory, Timestamp now) noexcept;

}  // namespace vgerfs::backends
