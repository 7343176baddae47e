// Makes one file of a tree in a directory of the file system: new, in the place of another, or by
// leaving what is as it should be.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

#include "crypto/random.h"
#include "repo/attribute_writer.h"
#include "repo/chunk_reader.h"
#include "repo/file_failure.h"
#include "repo/tree.h"

namespace vgerfs::repo {

enum class RestoreAction {
  create,   ///< nothing was there
  replace,  ///< something else was there
  keep,     ///< it is there already; at most its attributes are set
  remove,   ///< it is there, and not in the snapshot
};
std::string_view to_string(RestoreAction action) noexcept;

/// Which existing inodes with several names stand for which link group: one each. Thread-safe.
class InodeClaims {
 public:
  /// False if the inode stands for another group already.
  bool claim(const struct ::stat& attributes, std::uint64_t link_group);

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> groups_;  // by inode; guarded by mutex_
};

/// What all restores of one run share. What it refers to must outlive them.
struct RestorerContext {
  ChunkReader& reader;
  const AttributeWriter& attributes;
  RestoreLimits& limits;
  InodeClaims& claims;
  crypto::Random& random;
  bool in_place = false;  // else something in the way is a failure
  bool verify = false;
  bool dry_run = false;
  std::stop_token stop;
  /// Content written, kept or verified, holes included; for those who watch.
  std::atomic<std::uint64_t>& bytes;
};

/// Names are single ones in a directory that the caller holds, and links are never followed:
/// whatever happens to the names meanwhile, nothing outside of that directory is touched.
/// Thread-safe.
class FileRestorer {
 public:
  explicit FileRestorer(RestorerContext context) : context_(std::move(context)) {}

  struct Made {
    RestoreAction action{};
    dev_t device = 0;  // of what is there now; 0 in a dry run
    ino_t inode = 0;
    bool skipped = false;              // a limit: nothing was made
    std::optional<FileError> problem;  // it is there, but not all its attributes are
  };
  /// An entry of any type but a directory. A file that could not be made whole is not left behind.
  /// `path` is for messages. Throws FileError; other errors for a store that is away, interrupted.
  Made restore(int directory, const Entry& entry, const std::string& path) const;

  /// Another name for a file that was made in `first_directory`. Throws FileError.
  RestoreAction link(int directory, const std::string& name, int first_directory,
                     const std::string& first_name, const Made& first) const;

  /// Makes way for a directory: removes what else has its name. Throws FileError.
  void make_way(int directory, const std::string& name) const;

 private:
  std::optional<struct ::stat> look(int directory, const std::string& name) const;
  bool is_same(int directory, const Entry& entry, const struct ::stat& there) const;
  /// False if a limit forbids it.
  bool make(int directory, const std::string& name, const Entry& entry, const std::string& path,
            Made& made) const;
  bool make_file(int directory, const std::string& name, const Entry& entry,
                 const std::string& path, Made& made) const;
  bool make_special(int directory, const std::string& name, const Entry& entry,
                    const std::string& path, Made& made) const;
  void write_content(int fd, const Entry& entry) const;
  /// Throws FileError{different} unless the file's content, as the disk has it, is the entry's.
  void verify_content(int fd, const Entry& entry) const;
  bool keep(int directory, const Entry& entry, const std::string& path, Made& made) const;
  void set_attributes(int fd, Access access, const Entry& entry, const std::string& path,
                      Made& made) const;
  std::string temporary_name() const;
  void check_stop() const;

  const RestorerContext context_;
};

/// For a system call on what is restored: FileError, or the error of a target that takes nothing
/// more.
[[noreturn]] void throw_target_error(int error_number, std::string_view call);

}  // namespace vgerfs::repo
