// What the programs tell scripts by their exit status. Stable: documented in vgerfs-admin(1) and
// vgerfs(8).
#pragma once

#include "base/error.h"

namespace vgerfs::cli {

/// Exit status of vgerfs-admin.
enum class ExitCode : int {
  ok = 0,
  failed = 1,           ///< any failure without a code of its own
  usage = 2,            ///< the command line or the configuration is wrong
  partial = 3,          ///< done, but some files could not be read or changed meanwhile
  no_repository = 10,   ///< there is no repository at this place
  busy = 11,            ///< locked by another process or session
  wrong_key = 12,       ///< no key slot opens with this credential
  unsupported = 13,     ///< a newer format, or a facility that this system lacks
  corrupt = 14,         ///< stored bytes are damaged
  rollback = 15,        ///< the store shows less than was seen before
  no_space = 16,        ///< the store or a local disk is full
  store_unusable = 17,  ///< the store is read-only or vanished
  interrupted = 130,    ///< stopped by SIGINT or SIGTERM
};

/// Exit status of the mount and umount helpers: what mount(8) and umount(8) define and pass on.
enum class MountExitCode : int {
  ok = 0,
  usage = 1,    ///< wrong invocation, or this user may not
  system = 2,   ///< this machine lacks something: space, a facility, a working system call
  locked = 16,  ///< another process holds the session or the mount
  failed = 32,  ///< the mount failed: repository, key or store
};

ExitCode exit_code(ErrorCode code) noexcept;
MountExitCode mount_exit_code(ErrorCode code) noexcept;

}  // namespace vgerfs::cli
