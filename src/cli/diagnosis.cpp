#include "cli/diagnosis.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/quantity.h"
#include "repo/leases.h"

namespace vgerfs::cli {
namespace {

using Grade = Diagnosis::Grade;

constexpr std::int64_t kFirstDay_s = 1'767'225'600;  // 2026-01-01: no clock showed less since
constexpr std::int64_t kClockDifference_s = 600;
constexpr std::uint64_t kLittleSpace = std::uint64_t{1} << 30;
constexpr ::rlim_t kFewFiles = 1024;

std::string reason(int error_number) { return std::generic_category().message(error_number); }

void diagnose_clock(Diagnoses& found, const Io& io) {
  const Timestamp now = io.clock->now();
  if (now.s < kFirstDay_s) {
    found.push_back({"clock", Grade::error, fmt::format("it is not {}", iso_time(now)),
                     "set the clock: snapshots are kept and removed by their times"});
    return;
  }
  struct ::timex state {};
  const bool unsynchronised = ::adjtimex(&state) == TIME_ERROR;
  found.push_back(
      {"clock", unsynchronised ? Grade::note : Grade::ok, iso_time(now),
       unsynchronised ? "nothing keeps this clock right: see timedatectl(1), set-ntp" : ""});
}

void diagnose_limits(Diagnoses& found) {
  struct ::rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kFewFiles) {
    found.push_back({"limits", Grade::warning,
                     fmt::format("at most {} open files are allowed", files.rlim_cur),
                     fmt::format("allow {} or more: ulimit -n, or LimitNOFILE=", kFewFiles)});
  }
}

/// The directory or the nearest one above it that is there.
std::string existing(std::filesystem::path path) {
  std::error_code ignored;
  while (!std::filesystem::exists(path, ignored) && path.has_relative_path())
    path = path.parent_path();
  return path.string();
}

void diagnose_space(Diagnoses& found, const std::string& subject, const std::string& path) {
  struct ::statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0) {
    found.push_back({subject, Grade::warning, fmt::format("{}: {}", path, reason(errno)), ""});
    return;
  }
  const std::uint64_t free = std::uint64_t{space.f_bavail} * space.f_frsize;
  if ((space.f_flag & ST_RDONLY) != 0) {
    found.push_back({subject, Grade::warning, fmt::format("{} is mounted read-only", path),
                     "nothing can be stored there"});
  } else if (free < kLittleSpace) {
    found.push_back({subject, Grade::warning,
                     fmt::format("{} has only {} free", path, format_size(free)),
                     "make room; `vgerfs-admin compact` gives back what no snapshot needs"});
  } else if (space.f_files > 0 && space.f_favail < 1000) {
    found.push_back({subject, Grade::warning,
                     fmt::format("{} has room for only {} more files", path, space.f_favail),
                     "make room"});
  }
}

void diagnose_directory(Diagnoses& found, const std::string& subject, const std::string& path,
                        const Io& io) {
  const std::size_t before = found.size();
  const std::string there = existing(path);
  struct ::stat attributes {};
  if (::stat(there.c_str(), &attributes) != 0 || ::access(there.c_str(), W_OK | X_OK) != 0) {
    found.push_back({subject, Grade::error, fmt::format("{}: {}", there, reason(errno)),
                     fmt::format("give this user a directory: --{}-dir, or VGERFS_{}_DIR", subject,
                                 subject == "cache" ? "CACHE" : "STATE")});
    return;
  }
  if (there == path && attributes.st_uid != io.uid) {
    found.push_back(
        {subject, Grade::warning,
         fmt::format("{} belongs to user {}, not to {}", path, attributes.st_uid, io.uid),
         "who owns it can hide a rollback and learn what is backed up"});
  } else if (there == path && (attributes.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    found.push_back({subject, Grade::warning, fmt::format("others may write to {}", path),
                     fmt::format("chmod go-w {}", path)});
  }
  struct ::statfs system {};
  if (subject == "state" && ::statfs(there.c_str(), &system) == 0 && system.f_type == TMPFS_MAGIC) {
    found.push_back({subject, Grade::warning, fmt::format("{} lies in memory", path),
                     "after a reboot a rollback is not noticed, and uncommitted sessions are gone: "
                     "choose another place (--state-dir)"});
  }
  diagnose_space(found, subject, there);
  if (found.size() == before) found.push_back({subject, Grade::ok, path, ""});
}

bool is_in_path(const std::string& program, const Io& io) {
  const std::string path = io.environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    if (::access((path.substr(start, end - start) + '/' + program).c_str(), X_OK) == 0) return true;
    start = end + 1;
  }
  return false;
}

bool allows_other_users() {
  std::ifstream file{"/etc/fuse.conf"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("user_allow_other")) return true;
  }
  return false;
}

void diagnose_fuse(Diagnoses& found, const Io& io) {
  const std::size_t before = found.size();
  const Fd device{::open("/dev/fuse", O_RDWR | O_CLOEXEC)};
  if (!device) {
    found.push_back({"fuse", Grade::warning, fmt::format("/dev/fuse: {}", reason(errno)),
                     errno == ENOENT ? "mounts do not work here: modprobe fuse; in a container the "
                                       "device has to be handed in"
                                     : "mounts do not work for this user"});
  }
  if (io.uid != 0 && !is_in_path("fusermount3", io)) {
    found.push_back({"fuse", Grade::warning, "there is no fusermount3",
                     "only root can mount: install the package fuse3"});
  }
  if (io.uid != 0 && !allows_other_users()) {
    found.push_back({"fuse", Grade::note, "/etc/fuse.conf lacks user_allow_other",
                     "mounts of this user are for this user only"});
  }
  if (::access("/sbin/mount.fuse.vgerfs", X_OK) != 0 ||
      ::access("/sbin/umount.fuse.vgerfs", X_OK) != 0) {
    found.push_back(
        {"fuse", Grade::note, "the helpers of mount(8) and umount(8) are not in /sbin",
         "fstab, mount -t fuse.vgerfs and a commit at umount need them: cmake --install"});
  }
  if (found.size() == before) found.push_back({"fuse", Grade::ok, "/dev/fuse can be opened", ""});
}

void diagnose_lease(Diagnoses& found, const repo::ListedLease& listed, const Io& io,
                    const std::string& host) {
  const std::string id = listed.id.short_hex();
  if (!repo::is_live(listed, io.clock->now())) {
    found.push_back({"leases", Grade::note, fmt::format("lease {} is over", id),
                     "vgerfs-admin lock break --expired"});
    return;
  }
  if (!listed.lease) {
    found.push_back(
        {"leases", Grade::warning, fmt::format("lease {} cannot be read: {}", id, listed.reason),
         fmt::format("it stops maintenance for a day; vgerfs-admin lock break {}", id)});
    return;
  }
  const repo::Lease& lease = *listed.lease;
  const bool maintenance = lease.kind == repo::LeaseKind::exclusive;
  const std::string who =
      fmt::format("{} of {} (process {}), since {}", maintenance ? "maintenance" : "a session",
                  printable(lease.host), lease.pid, iso_time({lease.created_s, 0}));
  const auto pid = static_cast<::pid_t>(lease.pid);
  if (lease.host == host && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) {
    found.push_back(
        {"leases", Grade::warning, fmt::format("{}: that process is gone", who),
         fmt::format("if it was on this machine: vgerfs-admin lock break --force {}", id)});
  } else {
    found.push_back({"leases", Grade::ok, who, ""});
  }
}

}  // namespace

std::string_view to_string(Diagnosis::Grade grade) noexcept {
  switch (grade) {
    case Grade::ok: return "ok";
    case Grade::note: return "note";
    case Grade::warning: return "warning";
    case Grade::error: return "error";
  }
  return "unknown";
}

void diagnose_machine(Diagnoses& found, const Io& io, const repo::ClientDirectories& directories) {
  diagnose_clock(found, io);
  diagnose_limits(found);
  diagnose_directory(found, "cache", directories.cache, io);
  diagnose_directory(found, "state", directories.state, io);
  diagnose_fuse(found, io);
}

void diagnose_store(Diagnoses& found, repo::Repository& repository) {
  const std::size_t before = found.size();
  backends::Backend& store = repository.backend();
  const std::string location = store.location();
  if (!store.capabilities().store_clock) {
    found.push_back({"store", Grade::warning, "it does not show when objects were stored",
                     "compact counts from when this client first saw them, by its own clock"});
  }
  struct ::stat attributes {};
  if (store.capabilities().local_directory && ::stat(location.c_str(), &attributes) == 0) {
    if (::access(location.c_str(), W_OK | X_OK) != 0) {
      found.push_back({"store", Grade::warning, fmt::format("{}: {}", location, reason(errno)),
                       "this user can read it, but not add to it"});
    }
    if ((attributes.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      found.push_back({"store", Grade::warning, fmt::format("others may write to {}", location),
                       fmt::format("they could destroy it: chmod go-w {}", location)});
    }
    diagnose_space(found, "store", location);
  }
  if (found.size() == before) found.push_back({"store", Grade::ok, location, ""});
}

void diagnose_repository(Diagnoses& found, repo::Repository& repository, const Io& io) {
  for (const RecordId& id : repository.unreadable_records()) {
    found.push_back({"records", Grade::error,
                     fmt::format("index record {} cannot be read", id.short_hex()),
                     "vgerfs-admin check tells what it hurts, rebuild-index makes it anew"});
  }
  const auto list = repository.snapshots();
  for (const repo::UnreadableSnapshot& each : list->unreadable) {
    found.push_back(
        {"snapshots", Grade::error,
         fmt::format("snapshot {} cannot be read: {}", each.id.short_hex(), each.reason),
         "it stops compact until it is put back from a copy of the repository, or `vgerfs-admin "
         "delete` gives it up"});
  }
  const std::int64_t latest_s = io.clock->now().s + kClockDifference_s;
  for (const repo::ListedSnapshot& listed : list->snapshots) {
    const bool by_store = listed.stored_at && listed.stored_at->s > latest_s;
    if (!by_store && listed.snapshot->time.s <= latest_s) continue;
    found.push_back(
        {"times", Grade::warning,
         fmt::format("snapshot {} is of the future, {}", listed.snapshot->id.short_hex(),
                     by_store ? "by the store's clock" : "by its writer's clock"),
         "compare the clocks of this machine, the store and that writer"});
  }
  for (const repo::ListedLease& listed : repo::list_leases(repository))
    diagnose_lease(found, listed, io, repository.options().host);
  if (repository.can_read()) {
    found.push_back(
        {"snapshots", Grade::ok,
         fmt::format("{} can be read", format_count(list->snapshots.size(), "snapshot")), ""});
  }
  // Opening it has compared.
  found.push_back({"rollback", Grade::ok, "everything that this client has seen is there", ""});
}

}  // namespace vgerfs::cli
