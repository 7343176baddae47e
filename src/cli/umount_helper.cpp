#include "cli/umount_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/exit_code.h"
#include "cli/location.h"
#include "cli/mount_point.h"
#include "cli/mount_status_json.h"
#include "cli/mount_table.h"
#include "cli/output.h"

namespace vgerfs::cli {
namespace {

constexpr std::size_t kMaxStatusBytes = std::size_t{4} << 20;
/// How long to wait for the daemon's end, so that who comes next finds its locks free.
constexpr int kMaxGoodbyeMs = 30'000;

struct UmountCommand {
  std::string mount_point;
  std::optional<std::string> mount_namespace;  // a process or a file
  bool lazy = false;
  bool force = false;
};

UmountCommand parse(std::span<const char* const> arguments) {
  UmountCommand command;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    const bool has_value = word == "-N" || word == "-t" || word == "-O";
    if (has_value && i + 1 == arguments.size()) {
      throw Error{ErrorCode::usage, fmt::format("{} needs a value", word)};
    }
    if (word == "-N") {
      command.mount_namespace = arguments[++i];
    } else if (has_value) {
      ++i;
    } else if (word.size() > 1 && word[0] == '-') {
      for (const char flag : word.substr(1)) {
        if (std::string_view{"flnrv"}.find(flag) == std::string_view::npos) {
          throw Error{ErrorCode::usage, fmt::format("unknown argument {}", word),
                      "umount.fuse.vgerfs DIR [-f -l -n -r -v]"};
        }
        command.lazy |= flag == 'l';
        command.force |= flag == 'f';
      }
    } else if (command.mount_point.empty()) {
      command.mount_point = absolute_path(word, working_directory());
    } else {
      throw Error{ErrorCode::usage, fmt::format("one mount point at a time: {}", word)};
    }
  }
  if (command.mount_point.empty()) throw Error{ErrorCode::usage, "a mount point is needed"};
  return command;
}

void enter_namespace(const std::string& name) {
  const std::string path = name.starts_with('/') ? name : fmt::format("/proc/{}/ns/mnt", name);
  const Fd fd = open_file(path, O_RDONLY);
  if (::setns(fd.get(), CLONE_NEWNS) != 0) throw system_error(errno, "entering " + path);
}

std::string control_path(const UmountCommand& command, std::string_view name) {
  return fmt::format("{}/.vgerfs/{}", command.mount_point, name);
}

ParsedMountStatus read_status(const UmountCommand& command) {
  try {
    const Bytes text = read_whole_file(control_path(command, "status.json"), kMaxStatusBytes);
    return parse_status_json(std::string{text_of(text)});
  } catch (const Error&) {
    return {};  // it only makes messages better and waits shorter
  }
}

/// Commits every source. Nothing to do in a read-only mount, and nobody to ask where the daemon is
/// gone.
void commit_all(const UmountCommand& command) {
  const std::string path = control_path(command, "commit");
  const Fd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd) {
    if (errno == ENOENT || errno == ENOTCONN) return;
    throw system_error(errno, path);
  }
  constexpr std::string_view kLine = "* umount\n";
  ssize_t written = -1;
  do {
    written = ::write(fd.get(), kLine.data(), kLine.size());
  } while (written < 0 && errno == EINTR);
  if (written >= 0) return;
  const Error cause = system_error(
      errno, fmt::format("{}: the commit failed, so it stays mounted", command.mount_point));
  std::string message = cause.message();
  for (const auto& [source, reason] : read_status(command).errors) {
    message += fmt::format("; source {}: {}", source, reason);
  }
  throw Error{cause.code(), std::move(message),
              "umount -l detaches it all the same; the next mount goes on with what was received"};
}

void wait_for_end(long pid) {
  if (pid <= 1) return;
  const Fd process{static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))};
  if (!process) return;
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, kMaxGoodbyeMs) < 0 && errno == EINTR) continue;
}

}  // namespace

int run_umount(std::span<const char* const> arguments, const Io& io) {
  const UmountCommand command = parse(arguments);
  if (command.mount_namespace) enter_namespace(*command.mount_namespace);
  Output output{"umount.fuse.vgerfs", {}, io};
  long pid = 0;
  if (!command.force) {
    pid = read_status(command).pid;
    try {
      commit_all(command);
    } catch (const Error& error) {
      if (!command.lazy) throw;
      output.warning(error.message());
    }
  }
  detach(command.mount_point, (command.lazy ? MNT_DETACH : 0) | (command.force ? MNT_FORCE : 0));
  remove_from_mount_table(command.mount_point);
  // A detached mount that is in use goes on for as long as that; nobody waits for it.
  if (!command.lazy && !command.force) wait_for_end(pid);
  return static_cast<int>(MountExitCode::ok);
}

}  // namespace vgerfs::cli
