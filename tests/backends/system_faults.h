// System calls of this test program that fail on order and are recorded. Linking system_faults.cpp
// replaces the C library's functions in the whole program.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vgerfs::testing {

enum class SystemCall { pwrite, fdatasync, fsync, linkat, renameat2, unlinkat, open_nameless };

/// Lets the nth call from now, and `times` - 1 after it, fail with the given errno, without effect.
void fail_system_call(SystemCall call, int error_number, int nth = 1, int times = 1);
inline constexpr int kForEver = 1'000'000;

/// Runs `action` right before the next such call, in the thread that makes it: what another thread
/// could do there.
void before_system_call(SystemCall call, std::function<void()> action);

/// The successful calls since the last clear, but for pwrite: "fdatasync", "link data/ab/…" and
/// "rename …" with the target, "fsync NAME" with the last part of the path.
std::vector<std::string> system_call_trace();

/// Drops all orders and the trace.
void clear_system_faults();

}  // namespace vgerfs::testing
