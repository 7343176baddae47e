// Reads a directory of the ingest view piece by piece: the base's entries merged with what lies
// over them. What was shown keeps its cookie, whatever vanishes meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fs/ingest_context.h"
#include "repo/tree.h"

namespace vgerfs::fs {

/// One open directory. Thread-safe: one reader at a time.
class DirectoryCursor {
 public:
  /// Null: a list of names that `fill` gives (the sources).
  DirectoryCursor(IngestContext& context, InodePtr directory)
      : context_(context), directory_(std::move(directory)) {}

  const InodePtr& directory() const noexcept { return directory_; }

  /// As IngestFs::read_directory.
  void read(std::uint64_t cookie, bool with_attributes, const DirectorySink& sink);

 private:
  struct BaseName {
    std::string name;
    std::uint64_t number = 0;
    mode_t mode = 0;
  };
  /// More names behind the last; false at the end.
  bool fetch();
  /// False: the reply is full.
  bool offer(std::size_t index, bool with_attributes, const DirectorySink& sink);

  IngestContext& context_;
  const InodePtr directory_;
  std::mutex mutex_;  // held while the base is read, by design: of one handle; guards all below
  // Every name shown so far, so that reading can go back to any cookie: name i has cookie
  // kFirstCookie + i.
  std::vector<std::string> names_;
  std::vector<BaseName>
      portion_;  // the base's names among the last ones, for types without a look-up
  std::unique_ptr<repo::DirectoryReader> reader_;
  std::shared_ptr<repo::ChunkSource> trees_;
  std::uint64_t generation_ = 0;
  bool at_end_ = false;
};

}  // namespace vgerfs::fs
