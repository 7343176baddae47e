// What a source's journal has to say: all that requests changed since its last transaction, taken
// at one moment. How it is written: ingest_journaling.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/ingest_journal.pb.h"
#include "fs/ingest_node.h"

namespace vgerfs::fs {

class IngestSource;

/// A changed inode with the content that it had when its names were taken: an unlink that comes
/// between lets go of the bytes, and this transaction says the name all the same.
struct ChangedInode {
  InodePtr inode;
  std::shared_ptr<FileContent> content;
  std::shared_ptr<const StoredContent> stored;

  /// Tree's mutex held.
  bool was_let_go() const {
    return inode->link_count == 0 && !inode->content && !inode->stored && (content || stored);
  }
};

/// A changed name; nodes are called by their numbers in the journal.
struct ChangedLink {
  std::uint64_t directory = 0;
  std::string name;
  std::uint64_t node = 0;
  bool gone = false;
  bool in_base = false;
};

struct SourceChanges {
  std::optional<proto::JournalHeader> header;  ///< if everything is said
  std::vector<ChangedInode> inodes;
  std::vector<ChangedLink> links;
  proto::JournalTotals totals;
};

/// Takes what changed off the source's lists; with `whole` gives everything that differs from the
/// base, and numbers it anew. `next_number` is what the journal calls its next node. Takes the
/// tree's mutex.
SourceChanges take_changes(IngestSource& source, bool whole, std::uint64_t& next_number);

}  // namespace vgerfs::fs
