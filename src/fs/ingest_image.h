// The state of a source's session as the records of its journal say it: what a resume puts back
// into the view. The records are sealed, but whoever has a client's disk and key can write them:
// nothing is taken from them unseen.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/error.h"
#include "fs/ingest_journal.pb.h"
#include "fs/ingest_node.h"
#include "repo/block.h"

namespace vgerfs::fs {

struct ImageLink {
  std::uint64_t node = 0;
  bool gone = false;
  bool in_base = false;
};

struct ImageNode {
  InodePtr inode;
  std::shared_ptr<FileContent> content;                 // files
  std::map<std::string, ImageLink, std::less<>> links;  // directories
};

/// One thread.
class IngestImage {
 public:
  /// The records in the order in which they were written. Throws corrupt.
  void apply(const proto::JournalRecord& record);

  const proto::JournalHeader& header() const noexcept { return header_; }
  const proto::JournalTotals& totals() const noexcept { return totals_; }
  /// The root of a snapshot that may have been published.
  const std::optional<repo::Entry>& committing() const noexcept { return committing_; }

  void visit(const std::function<void(std::uint64_t number, const Inode& inode)>& each) const;
  /// Throws corrupt if there is none of this number.
  ImageNode& node(std::uint64_t number);

 private:
  void apply_node(const proto::JournalNode& said);
  void apply_attributes(const proto::JournalNode& said, ImageNode& node);
  void apply_link(const proto::JournalLink& said);

  NamePool names_;
  proto::JournalHeader header_;
  proto::JournalTotals totals_;
  std::optional<repo::Entry> committing_;
  std::unordered_map<std::uint64_t, ImageNode> nodes_;
};

/// Throws corrupt.
proto::JournalRecord decode_journal_record(ByteView payload);

/// The block as an index entry describes it. Throws corrupt.
repo::BlockEntry block_entry_of(const proto::JournalBlock& block);

/// What a journal that cannot be gone on with is refused with.
Error damaged_journal(std::string_view what);

}  // namespace vgerfs::fs
