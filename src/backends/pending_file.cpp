#include "backends/pending_file.h"

#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is declared here only
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"

namespace vgerfs::backends {
namespace {

constexpr mode_t kFileMode = 0600;
/// Write-behind starts after each such part, so that the disk works while the rest is copied.
constexpr std::size_t kWriteBehindBytes = 8 * 1024 * 1024;

std::string random_suffix() {
  std::array<std::byte, 8> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw system_error(errno, "drawing a random name");
  }
  return to_hex(random);
}

}  // namespace

Temporary preferred_temporary() {
  // Where neither /proc nor the capability is there, linkat(2) cannot name a descriptor.
  return ::access("/proc/self/fd", X_OK) == 0 ? Temporary::nameless : Temporary::named;
}

PendingFile::PendingFile(const LocalDirectory& directory, const format::ObjectName& name,
                         ByteView bytes, Temporary temporary)
    : directory_(directory), info_{name, bytes.size(), {}} {
  const std::string relative = name.path();
  if (temporary == Temporary::named) {
    create_named();
  } else {
    const int fd = ::openat(directory.root_fd(), directory_of(name).c_str(),
                            O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode);
    if (fd < 0) {
      // EISDIR is what a kernel or file system says that takes the flag for its parts.
      const int error_number = errno == EISDIR ? EOPNOTSUPP : errno;
      throw directory.failure(error_number, "writing", relative);
    }
    fd_ = std::make_shared<const Fd>(fd);
  }
  try {
    const std::string what = directory.full_path(relative);
    for (std::uint64_t done = 0; done < bytes.size();) {
      const ByteView part =
          bytes.subspan(done, std::min<std::size_t>(kWriteBehindBytes, bytes.size() - done));
      write_all_at(fd_->get(), part, done, what);
      // Only a hint; errors of the disk come with make_durable().
      static_cast<void>(::sync_file_range(fd_->get(), static_cast<off_t>(done),
                                          static_cast<off_t>(part.size()), SYNC_FILE_RANGE_WRITE));
      done += part.size();
    }
    struct stat status {};
    if (::fstat(fd_->get(), &status) != 0) throw directory.failure(errno, "looking up", relative);
    info_.stored_at = modification_time(status);
  } catch (...) {
    if (!temporary_path_.empty()) ::unlinkat(directory.root_fd(), temporary_path_.c_str(), 0);
    throw;
  }
}

PendingFile::~PendingFile() {
  if (!temporary_path_.empty()) ::unlinkat(directory_.root_fd(), temporary_path_.c_str(), 0);
}

void PendingFile::create_named() {
  const std::string path =
      fmt::format("{}/{}{}", directory_of(info_.name), kTemporaryPrefix, random_suffix());
  const int fd = ::openat(directory_.root_fd(), path.c_str(),
                          O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (fd < 0) throw directory_.failure(errno, "writing", info_.name.path());
  fd_ = std::make_shared<const Fd>(fd);
  temporary_path_ = path;
}

void PendingFile::make_durable() {
  if (durable_) return;
  if (::fdatasync(fd_->get()) != 0) throw directory_.failure(errno, "syncing", info_.name.path());
  durable_ = true;
}

void PendingFile::park() {
  make_durable();
  std::string path = temporary_path_;
  if (path.empty() && !published_) {
    path = fmt::format("{}/{}{}", directory_of(info_.name), kTemporaryPrefix, random_suffix());
    if (!try_link(path)) throw directory_.failure(EEXIST, "naming", path);
  }
  const std::lock_guard lock{mutex_};
  temporary_path_ = std::move(path);
  fd_.reset();
}

bool PendingFile::publish() {
  VGERFS_CHECK(durable_);
  if (published_) return true;
  const std::string final_path = info_.name.path();
  if (temporary_path_.empty()) {
    published_ = try_link(final_path);
  } else {
    published_ = try_rename(temporary_path_, final_path);
    const std::lock_guard lock{mutex_};
    if (published_) temporary_path_.clear();
  }
  return published_;
}

bool PendingFile::try_link(const std::string& to) {
  const int root = directory_.root_fd();
  // By descriptor for who may do that (CAP_DAC_READ_SEARCH, or Linux 6.10), else through /proc.
  if (::linkat(fd_->get(), "", root, to.c_str(), AT_EMPTY_PATH) == 0) return true;
  if (errno == ENOENT || errno == EPERM) {
    const std::string from = descriptor_path(fd_->get());
    if (::linkat(AT_FDCWD, from.c_str(), root, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  }
  if (errno == EEXIST) return false;
  throw directory_.failure(errno, "naming", to);
}

bool PendingFile::try_rename(const std::string& from, const std::string& to) {
  const int root = directory_.root_fd();
  if (::renameat2(root, from.c_str(), root, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS) {
    if (::linkat(root, from.c_str(), root, to.c_str(), 0) == 0) {
      ::unlinkat(root, from.c_str(), 0);  // else the sweep finds it
      return true;
    }
    if (errno == EPERM || errno == EOPNOTSUPP) {
      throw Error{
          ErrorCode::unsupported,
          fmt::format("the file system of {} can neither link files nor rename them without "
                      "replacing others",
                      directory_.path())};
    }
  }
  if (errno == EEXIST) return false;
  throw directory_.failure(errno, "naming", to);
}

std::shared_ptr<const Fd> PendingFile::open_for_reading() const {
  std::string path;
  {
    const std::lock_guard lock{mutex_};
    if (fd_) return fd_;
    path = temporary_path_;
  }
  if (path.empty()) return nullptr;
  const int fd = ::openat(directory_.root_fd(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0) return std::make_shared<const Fd>(fd);
  if (errno == ENOENT) return nullptr;
  throw directory_.failure(errno, "opening", info_.name.path());
}

}  // namespace vgerfs::backends
