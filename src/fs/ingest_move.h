// A rename from one source to another: the files and trees go by reference, nothing is read or sent
// again.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "fs/ingest_context.h"
#include "fs/ingest_source.h"

namespace vgerfs::fs {

/// Has both sources alone as long as it lives, with sessions running. Order: prepare, move, finish.
class CrossSourceMove {
 public:
  CrossSourceMove(IngestContext& context, IngestSource& from, IngestSource& to);
  /// Without the tree's mutex.
  ~CrossSourceMove();
  CrossSourceMove(const CrossSourceMove&) = delete;
  CrossSourceMove& operator=(const CrossSourceMove&) = delete;

  bool is_between(const Inode& from, const Inode& to) const noexcept {
    return from.source == &from_ && to.source == &to_;
  }

  /// Makes what lies at and below the inode usable by the other source: its chunks are in the
  /// store, its trees where that source reads them. Without the tree's mutex. Throws FsError{EXDEV}
  /// if a hard link would then join two sources.
  void prepare(const InodePtr& inode);
  /// Tree's mutex held.
  void move(const InodePtr& inode, Inode& from, std::string_view name, Inode& to,
            std::string_view new_name, bool in_base);
  /// What was durable in the one session is durable in the other. Without the tree's mutex.
  void finish();

 private:
  void gather(const InodePtr& inode);  // tree's mutex held
  void visit_base(const InodePtr& directory);
  void check_links() const;  // tree's mutex held
  void copy_metadata();
  void change_epochs();

  IngestContext& context_;
  IngestSource& from_;
  IngestSource& to_;
  std::unique_ptr<GateClosed> first_;  // by name, so that two moves cannot wait for each other
  std::unique_ptr<GateClosed> second_;
  std::vector<InodePtr> moved_;  // all in memory at and below the inode
  std::unordered_set<Inode*> is_moved_;
  std::vector<InodePtr> held_;  // hard links that were looked up
  TotalsChange totals_;
};

}  // namespace vgerfs::fs
