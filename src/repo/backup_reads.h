// The files of a backup that must be read: several at once, each inode once.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "repo/backup_tally.h"
#include "repo/file_capture.h"
#include "repo/hard_links.h"
#include "repo/tree_assembler.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {

/// Reads files in threads of its own and fills their places in the tree. One thread uses it.
class BackupReads {
 public:
  struct File {
    TreeAssembler::Place* place = nullptr;
    std::string path;
    std::uint64_t path_hash = 0;
    BackupTally::Change change = BackupTally::Change::is_new;
    std::shared_ptr<const Fd> directory;
    struct ::stat seen {};
  };
  /// Opens the directory of a path anew. Throws FileError.
  using OpenDirectoryOf = std::function<std::shared_ptr<const Fd>(const std::string& path)>;

  /// All that is given or referred to must outlive it. `threads` 0: one per CPU.
  BackupReads(const CaptureContext& capture, unsigned threads, TreeAssembler& assembler,
              BackupTally& tally, OpenDirectoryOf open_directory_of);

  /// The file's place is filled or dropped in a later `collect`, or now. May wait while the queue
  /// is full.
  void read(File file);
  /// Files whose places wait.
  std::size_t outstanding() const noexcept { return pool_.outstanding(); }
  /// Fills the places of what is done; waits so long for something to be. Throws what the sink
  /// threw; interrupted.
  void collect(std::chrono::milliseconds timeout);

 private:
  using Links = HardLinks<File>;
  struct Task {
    std::shared_ptr<const Fd> directory;  // may be the last to hold it
    std::string name;
    struct ::stat seen {};
    std::uint64_t ticket = 0;
  };
  struct Result {
    std::uint64_t ticket = 0;
    CapturedFile file;
    std::optional<FileError> failure;
  };
  using Pool = WorkerPool<Task, Result>;

  static Pool::Worker make_worker(CaptureContext context, std::stop_token stop);
  void submit(File file);
  void finish(Result result);
  void finish(File& file, Entry entry, std::optional<std::uint64_t> stat_hash);
  void fail(const File& file, const FileError& error);
  /// The inode's next waiting name takes its turn.
  void try_next_link(const Links::Inode& inode);

  TreeAssembler& assembler_;
  BackupTally& tally_;
  const OpenDirectoryOf open_directory_of_;
  Links links_;
  std::unordered_map<std::uint64_t, File> pending_;  // by ticket
  std::uint64_t next_ticket_ = 0;
  Pool pool_;  // last: its threads end first
};

}  // namespace vgerfs::repo
