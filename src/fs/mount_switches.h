// What mount(8) and a mount's user switch on and off: from the command line to the kernel.
#pragma once

namespace vgerfs::fs {

struct MountSwitches {
  bool read_only = false;
  bool allow_other = false;
  bool dev = false;
  bool suid = false;
  bool noexec = false;
  bool noatime = false;
};

}  // namespace vgerfs::fs
