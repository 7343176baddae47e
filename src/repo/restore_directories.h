// The directories of a restore: from the target down to where the walk stands, and those that the
// walk has left but whose files are still under way.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "repo/attribute_writer.h"
#include "repo/file_restorer.h"
#include "repo/restore.h"
#include "repo/restore_report.h"
#include "repo/scan.h"

namespace vgerfs::repo {

/// A directory until it has its attributes.
struct RestoredDirectory {
  std::shared_ptr<RestoredDirectory> parent;
  Entry entry;  // without its subtree
  std::string path;
  bool wants_attributes = true;
  bool closed = false;           // the walk has left it
  std::size_t pending = 0;       // what in it is not done
  std::shared_ptr<const Fd> fd;  // once closed
};

/// A file to be made.
struct RestoreTask {
  std::shared_ptr<const Fd> directory;  // null: absent, in a dry run
  Entry entry;
  std::string path;
  std::shared_ptr<RestoredDirectory> parent;  // the owner's business
};

/// A directory is made when something in it is wanted and gets its attributes when nothing in it is
/// changed any more. What fails is reported; the others go on. One thread.
class RestoreDirectories {
 public:
  /// All must outlive it.
  RestoreDirectories(const RestoreOptions& options, const AttributeWriter& attributes,
                     const FileRestorer& restorer, RestoreReport& report)
      : options_(options), attributes_(attributes), restorer_(restorer), report_(report) {}

  /// Makes and opens the target of what is restored from `entry`: the walk stands there. Throws
  /// exists if it is not empty and must be.
  void open_target(const Entry& entry);
  /// The walk steps into an entry; it is made at once if it is wanted itself.
  void enter(const Entry& entry, std::string path, bool is_selected);
  void leave();

  const std::string& path() const { return frames_.back().directory->path; }
  /// Whether what is in it is wanted unless something says otherwise.
  bool is_selected() const { return frames_.back().is_selected; }
  /// It could not be made: nothing can be in it.
  bool is_broken() const { return frames_.back().is_broken; }
  /// The directory where the walk stands, for reading it; null if it is absent in a dry run or
  /// could not be made. Throws FileError.
  std::shared_ptr<const Fd> current();
  /// Makes the directories down to here that are not made yet. False if one cannot be.
  bool make();

  /// A file where the walk stands. The directory waits for it until `done`.
  RestoreTask begin(const Entry& entry, std::string path);
  void done(const RestoreTask& task);
  /// So many wait that the walk should, too: each has a descriptor.
  bool are_too_many_held() const noexcept;

  /// A directory that was made, found again by its path; null if it is absent in a dry run. Throws
  /// FileError.
  std::shared_ptr<const Fd> find(const std::string& path);

 private:
  struct Frame {
    std::shared_ptr<RestoredDirectory> directory;
    bool is_selected = true;
    bool is_made = false;    // else only if something in it is wanted
    bool is_absent = false;  // in a dry run
    bool is_broken = false;  // it could not be made
  };
  bool make(Frame& frame);
  /// Makes or finds it on the disk. Throws FileError.
  RestoreAction make_on_disk(Frame& frame, bool is_parent_absent);
  void finish(std::shared_ptr<RestoredDirectory> directory);

  const RestoreOptions& options_;
  const AttributeWriter& attributes_;
  const FileRestorer& restorer_;
  RestoreReport& report_;
  std::vector<Frame> frames_;
  std::shared_ptr<const Fd> target_;     // null: absent, in a dry run
  std::optional<DirectoryPath> opened_;  // of the frames that are made
  std::size_t held_ = 0;
  std::pair<std::string, std::shared_ptr<const Fd>> last_found_;
};

}  // namespace vgerfs::repo
