// Runs a part of a test in a child process: for kill -9, other users and own mounts.
#pragma once

#include <functional>
#include <string>

namespace vgerfs::testing {

/// How the child ended: exit code, or minus the signal. Failed expectations in it print and give
/// exit code 1.
int run_in_child(const std::function<void()>& body);

/// Why this process cannot make mounts of its own; empty if it can.
std::string why_no_private_mounts();

/// Takes the calling process (a child!) into a mount namespace of its own.
void enter_private_mounts();

/// Mounts a tmpfs of so many bytes.
void mount_tmpfs(const std::string& path, std::size_t bytes);

}  // namespace vgerfs::testing
