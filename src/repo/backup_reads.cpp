#include "repo/backup_reads.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/file_hash.h"

namespace vgerfs::repo {
namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

BackupReads::Pool::Worker BackupReads::make_worker(CaptureContext context, std::stop_token stop) {
  context.stop = std::move(stop);
  const auto capture = std::make_shared<FileCapture>(context);
  return [capture](Task& task) {
    Result result;
    result.ticket = task.ticket;
    try {
      result.file = capture->capture(task.directory->get(), task.name.c_str(), task.seen);
    } catch (const FileError& error) {
      result.failure = error;
    }
    return result;
  };
}

BackupReads::BackupReads(const CaptureContext& capture, unsigned threads, TreeAssembler& assembler,
                         BackupTally& tally, OpenDirectoryOf open_directory_of)
    : assembler_(assembler),
      tally_(tally),
      open_directory_of_(std::move(open_directory_of)),
      pool_(Pool::Options{.thread_name = "vgerfs-read", .threads = threads}, capture.stop,
            [capture](std::stop_token stop) { return make_worker(capture, std::move(stop)); }) {}

void BackupReads::read(File file) {
  if (file.seen.st_nlink > 1) {
    // A name that waits needs no descriptor, and many may wait.
    auto directory = std::exchange(file.directory, nullptr);
    switch (links_.meet(file.seen, file)) {
      case Links::Found::waiting: return;
      case Links::Found::entry: {
        Links::Known known = links_.take(Links::inode_of(file.seen));
        finish(file, std::move(known.entry), known.stat_hash);
        return;
      }
      case Links::Found::nothing: file.directory = std::move(directory); break;
    }
  }
  submit(std::move(file));
}

void BackupReads::submit(File file) {
  const std::uint64_t ticket = next_ticket_++;
  const auto bytes = static_cast<std::uint64_t>(std::max<off_t>(file.seen.st_size, 0));
  Task task{.directory = std::move(file.directory),
            .name = name_of(file.path),
            .seen = file.seen,
            .ticket = ticket};
  pending_.emplace(ticket, std::move(file));
  pool_.submit(std::move(task), bytes);
}

void BackupReads::collect(std::chrono::milliseconds timeout) {
  for (Result& result : pool_.take(timeout)) finish(std::move(result));
}

void BackupReads::finish(Result result) {
  const auto found = pending_.find(result.ticket);
  VGERFS_CHECK(found != pending_.end());
  File file = std::move(found->second);
  pending_.erase(found);
  const bool linked = file.seen.st_nlink > 1;
  const Links::Inode inode = Links::inode_of(file.seen);
  if (result.failure) {
    fail(file, *result.failure);
    if (linked) try_next_link(inode);  // what failed may have been this name only
    return;
  }
  if (result.file.problem) tally_.fail(file.path, *result.file.problem);
  std::optional<std::uint64_t> hash;
  if (result.file.settled) hash = stat_hash(result.file.attributes);
  if (linked) {
    if (Links::inode_of(result.file.attributes) == inode) {
      for (File& other : links_.done(inode, {result.file.entry, hash}))
        finish(other, result.file.entry, hash);
    } else {
      try_next_link(inode);  // another file has taken this name meanwhile
    }
  }
  finish(file, std::move(result.file.entry), hash);
}

void BackupReads::finish(File& file, Entry entry, std::optional<std::uint64_t> stat_hash) {
  entry.set_name(name_of(file.path));
  if (stat_hash) {
    tally_.fingerprints.add(file.path_hash, *stat_hash);
    tally_.has_new_fingerprints = true;
  }
  tally_.count(entry, file.change);
  assembler_.fill(*file.place, std::move(entry));
}

void BackupReads::fail(const File& file, const FileError& error) {
  tally_.fail(file.path, error);
  assembler_.drop(*file.place);
}

void BackupReads::try_next_link(const Links::Inode& inode) {
  while (auto next = links_.failed(inode)) {
    try {
      next->directory = open_directory_of_(next->path);
    } catch (const FileError& error) {
      fail(*next, error);
      continue;
    }
    submit(std::move(*next));
    return;
  }
}

}  // namespace vgerfs::repo
