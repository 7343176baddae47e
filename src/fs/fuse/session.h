// A FUSE session: mounts the views, serves requests until an unmount or stop(), unmounts. No FUSE
// type shows here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fs/mount_root.h"
#include "fs/mount_switches.h"

namespace vgerfs::fs {

struct SessionOptions : MountSwitches {
  std::string source;  // first column of /proc/mounts
  std::function<FsStatistics()> statistics;
};

/// One thread makes, mounts, stops and destroys it; requests are served on threads of its own.
class Session {
 public:
  /// The views must outlive it. Throws Error{unsupported, io}.
  Session(Views views, MountRoot& root, SessionOptions options);
  /// Stops and unmounts.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Mounts on a directory, or takes over an open device if it is named /dev/fd/N. `ended` is
  /// called once, on a thread of the session, when the file system is unmounted from outside.
  /// Returns when the kernel has agreed on the protocol.
  void mount(const std::string& mount_point, std::function<void()> ended);
  /// For tests: serves a descriptor that speaks the kernel's protocol.
  void serve_descriptor(int descriptor, std::function<void()> ended);

  /// Waiting requests end with EINTR from now on; may be called from any thread.
  void interrupt() noexcept;
  /// Answers what was taken and takes no more.
  void stop();
  /// Detaches the mount point; open files of others get ENOTCONN.
  void unmount();

  /// Makes snapshots that this process has committed visible: to be called before whoever asked for
  /// one hears of it.
  void show_commits();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::fs
