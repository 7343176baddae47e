#include "server/upload.h"

#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is declared here only
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "server/repository_files.h"

namespace vgerfs::server {
namespace {

constexpr mode_t kFileMode = 0600;
/// Write-behind starts after each such part, so that the disk works while the rest arrives.
constexpr std::uint64_t kWriteBehindBytes = 2ULL << 20;

}  // namespace

Upload::Upload(const DataDirectory& directory, ParkedName name, Reservation reservation)
    : directory_(directory),
      name_(std::move(name)),
      file_(name_.text()),
      reservation_(std::move(reservation)),
      fd_(open_at(directory.uploads(), file_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                  kFileMode)) {}

Upload::~Upload() {
  if (!kept_) discard();
}

void Upload::write(ByteView bytes) {
  reservation_.grow_to(bytes_ + bytes.size());
  hash_.update(bytes);
  write_all_at(fd_.get(), bytes, bytes_, "an upload");
  bytes_ += bytes.size();
  if (bytes_ - written_behind_ < kWriteBehindBytes) return;
  // Only a hint; errors of the disk come with finish().
  static_cast<void>(::sync_file_range(fd_.get(), static_cast<off_t>(written_behind_),
                                      static_cast<off_t>(bytes_ - written_behind_),
                                      SYNC_FILE_RANGE_WRITE));
  written_behind_ = bytes_;
}

void Upload::name_by_content() {
  digest_ = hash_.finish();
  ParkedName named = name_;
  named.object.id = ObjectId{*digest_};
  const std::string file = named.text();
  // Before the sync: it makes the file durable with this name.
  if (::renameat2(directory_.uploads(), file_.c_str(), directory_.uploads(), file.c_str(),
                  RENAME_NOREPLACE) != 0) {
    throw system_error(errno, "naming an upload");
  }
  name_ = std::move(named);
  file_ = file;
}

Sha256Digest Upload::finish() {
  if (::fsync(fd_.get()) != 0) throw system_error(errno, "syncing an upload");
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw system_error(errno, "looking at an upload");
  stored_at_ns_ = modified_ns(status);
  fd_.reset();
  return digest_ ? *digest_ : hash_.finish();
}

bool Upload::link_to(int directory, const std::string& file) const {
  if (::linkat(directory_.uploads(), file_.c_str(), directory, file.c_str(), 0) == 0) return true;
  if (errno == EEXIST) return false;
  throw system_error(errno, "naming " + file);
}

void Upload::discard() noexcept {
  ::unlinkat(directory_.uploads(), file_.c_str(), 0);
  kept_ = true;
}

}  // namespace vgerfs::server
