#include "fs/ingest_journaling.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_changes.h"
#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

constexpr std::size_t kRecordTargetBytes = std::size_t{1} << 20;
/// More plaintext than this is not sealed into the journal but put into the store by a checkpoint.
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{16} << 20;
/// A chunk in the journal for bytes that no chunk of the session has.
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
/// A journal is written anew when it is larger, and more than twice what it was.
constexpr std::uint64_t kRewriteBytes = std::uint64_t{32} << 20;

void add_record(repo::Journal& journal, const proto::JournalRecord& record) {
  std::string encoded;
  if (!record.SerializeToString(&encoded))
    throw Error{ErrorCode::io, "a journal record cannot be encoded"};
  journal.add(bytes_of(encoded));
}

void add_extent(proto::JournalRange& range, std::uint64_t bytes, const ChunkId* chunk,
                std::uint32_t chunk_offset) {
  auto& extent = *range.add_extents();
  extent.set_bytes(bytes);
  if (chunk != nullptr) extent.set_chunk(chunk->raw());
  extent.set_chunk_offset(chunk_offset);
}

}  // namespace

/// One transaction being written.
class SourceJournal::Transaction {
 public:
  Transaction(SourceJournal& owner, bool whole)
      : owner_(owner), source_(owner.source_), context_(source_.context), whole_(whole) {}

  void run() {
    const SourceChanges changes = take_changes(source_, whole_, owner_.next_number_);
    if (changes.header) *record_.mutable_header() = *changes.header;
    for (const ChangedInode& changed : changes.inodes) add_node(changed);
    owner_.blocks_->finish(emit_);
    for (const ChangedLink& link : changes.links) {
      auto& out = *record_.add_links();
      out.set_directory(link.directory);
      out.set_name(link.name);
      out.set_node(link.node);
      out.set_gone(link.gone);
      out.set_in_base(link.in_base);
      count(link.name.size() + 32);
    }
    *record_.mutable_totals() = changes.totals;
    flush();
  }

 private:
  void add_node(const ChangedInode& changed);
  void add_content(proto::JournalNode& first, const std::vector<ContentPiece>& pieces);
  void add_bytes(proto::JournalRange& range, ByteView bytes);
  void keep_chunk(const ChunkId& id);

  /// So many bytes were added to the record; writes it when that is enough.
  void count(std::size_t bytes) {
    record_bytes_ += bytes;
    if (record_bytes_ >= kRecordTargetBytes) flush();
  }
  void flush() {
    add_record(*owner_.journal_, record_);
    record_.Clear();
    record_bytes_ = 0;
  }

  SourceJournal& owner_;
  IngestSource& source_;
  IngestContext& context_;
  const bool whole_;
  proto::JournalRecord record_;
  std::size_t record_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
  bool checkpoint_failed_ = false;
  JournalBlockWriter::Emit emit_ = [this](const proto::JournalBlock& block) {
    proto::JournalRecord record;
    *record.mutable_block() = block;
    add_record(*owner_.journal_, record);
  };
};

void SourceJournal::Transaction::add_node(const ChangedInode& changed) {
  const InodePtr& inode = changed.inode;
  proto::JournalNode& node = *record_.add_nodes();
  std::vector<ContentPiece> pieces;
  std::shared_ptr<const StoredContent>
      at_rest;  // received and said as a whole: its chunks must be durable, too
  for (;;) {
    std::shared_ptr<FileContent> content;
    bool let_go = false;
    {
      const std::lock_guard lock{context_.tree.mutex};
      let_go = changed.was_let_go();
      content = let_go ? changed.content : inode->content;
    }
    std::unique_lock<std::mutex> content_lock;
    if (content) {
      content_lock = std::unique_lock{content->mutex()};
      if (content->detached && !let_go) continue;
    }
    const std::lock_guard lock{context_.tree.mutex};
    if (changed.was_let_go() != let_go || (!let_go && inode->content != content)) continue;
    const auto& stored = content ? content->stored() : let_go ? changed.stored : inode->stored;
    node.set_number(inode->journal_number);
    node.set_dirty(inode->dirty);
    node.set_link_count(inode->link_count);
    auto& entry = *node.mutable_entry();
    entry.set_name("-");
    fill_entry(entry, *inode);
    node.mutable_xattrs()->Swap(entry.mutable_xattrs());
    entry.set_link_group(inode->link_group);
    if (inode->is_directory()) {
      if (inode->directory->base) entry.set_subtree(inode->directory->base->raw());
    } else if (inode->is_file()) {
      node.set_bytes(!let_go ? inode->bytes : content ? content->bytes() : stored->bytes);
      node.set_whole(whole_ || inode->journal_content || (content && content->all_unjournaled()));
      if (node.whole() && stored) {
        fill_content(entry, *stored);
        if (stored->epoch != 0) at_rest = stored;
      }
      if (content) {
        if (node.whole()) content->forget_journal();
        for (const auto& range : content->unjournaled()) {
          for (ContentPiece& piece : content->pieces(range.start, range.end))
            pieces.push_back(std::move(piece));
        }
        content->mark_journaled();
      }
      inode->journal_content = false;
    }
    break;
  }
  if (at_rest) {
    for (const repo::Extent& extent : at_rest->extents) {
      if (extent.chunk) keep_chunk(*extent.chunk);
    }
  }
  const std::size_t bytes = node.ByteSizeLong();
  add_content(node, pieces);
  count(bytes);
}

void SourceJournal::Transaction::add_content(proto::JournalNode& first,
                                             const std::vector<ContentPiece>& pieces) {
  constexpr std::size_t kExtentBytes = 48;  // encoded, about
  const std::uint64_t number = first.number();
  proto::JournalNode* node = &first;
  proto::JournalRange* range = nullptr;
  std::uint64_t end = 0;
  for (const ContentPiece& piece : pieces) {
    const Segment& segment = piece.segment;
    // Ranges that changed never lie in what was there before the session.
    if (segment.kind == SegmentKind::stored) continue;
    record_bytes_ += kExtentBytes;
    if (record_bytes_ >= kRecordTargetBytes) {
      // The list of a huge file goes on in the next record.
      flush();
      node = record_.add_nodes();
      node->set_number(number);
      node->set_ranges_only(true);
      range = nullptr;
    }
    if (range == nullptr || piece.start != end) {
      range = node->add_ranges();
      range->set_start(piece.start);
    }
    end = piece.start + segment.bytes;
    if (piece.in_memory) {
      add_bytes(*range, piece.bytes);
    } else if (segment.kind == SegmentKind::spool) {
      const Bytes record = segment.spool->read();
      add_bytes(*range, ByteView{record}.subspan(segment.spool_offset, segment.bytes));
    } else if (segment.kind == SegmentKind::chunk) {
      if (segment.epoch != 0) keep_chunk(segment.chunk);
      add_extent(*range, segment.bytes, &segment.chunk, segment.chunk_offset);
    } else {
      add_extent(*range, segment.bytes, nullptr, 0);
    }
  }
}

void SourceJournal::Transaction::add_bytes(proto::JournalRange& range, ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(bytes.size(), kChunkBytes));
    const ChunkId id = context_.repository.keyring().chunk_id(repo::ChunkKind::data, part);
    if (!owner_.blocks_->contains(id)) owner_.blocks_->add(id, part, emit_);
    add_extent(range, part.size(), &id, 0);
    bytes = bytes.subspan(part.size());
  }
}

void SourceJournal::Transaction::keep_chunk(const ChunkId& id) {
  const auto is_durable = [&] {
    return context_.repository.index().knows(id, context_.repository.keyring().certificate().author,
                                             context_.repository.options().dedup);
  };
  if (owner_.blocks_->contains(id) || is_durable()) return;
  if (kept_bytes_ >= kCheckpointBytes && !checkpoint_failed_) {
    try {
      source_.session->checkpoint();
      kept_bytes_ = 0;
    } catch (const Error& error) {
      // Durable on this machine is what was asked for: that needs no store.
      checkpoint_failed_ = true;
      log::warning("{}: the journal takes what the store does not: {}", source_.name, error.what());
    }
    if (is_durable()) return;
  }
  const Bytes bytes = context_.repository.reader().get(repo::ChunkKind::data, id);
  kept_bytes_ += bytes.size();
  owner_.blocks_->add(id, bytes, emit_);
}

SourceJournal::SourceJournal(IngestSource& source)
    : source_(source), path_(source.directory + "/journal") {}
SourceJournal::~SourceJournal() = default;

void SourceJournal::write(bool whole) {
  whole = whole || !journal_;
  {
    const std::lock_guard lock{source_.context.tree.mutex};
    if (!whole && source_.changed.empty()) return;
    if (!source_.root) return;
  }
  try {
    if (whole) {
      const auto& keyring = source_.context.repository.keyring();
      journal_ = repo::Journal::create(path_, {source_.context.journal_key, keyring.repository(),
                                               *source_.context.repository.options().random});
      blocks_ = std::make_unique<JournalBlockWriter>(source_.context.repository);
      next_number_ = 1;
    }
    Transaction{*this, whole}.run();
    journal_->commit();
    if (whole) whole_bytes_ = journal_->bytes();
  } catch (...) {
    // What was taken from the lists of changes is not in the journal: the next one says everything.
    // The file stays as it was until then.
    journal_.reset();
    throw;
  }
}

void SourceJournal::sync() {
  const std::lock_guard lock{mutex_};
  write(false);
}

void SourceJournal::sync_after_checkpoint() {
  const std::lock_guard lock{mutex_};
  const bool rewrite =
      journal_ && journal_->bytes() > kRewriteBytes && journal_->bytes() > 2 * whole_bytes_;
  write(rewrite);
}

void SourceJournal::note_commit(const repo::Entry& root) {
  const std::lock_guard lock{mutex_};
  if (!repo::Journal::exists(path_)) return;
  if (!journal_) write(true);
  proto::JournalRecord record;
  *record.mutable_committing() = root;
  try {
    add_record(*journal_, record);
    journal_->commit();
  } catch (...) {
    journal_.reset();
    throw;
  }
}

void SourceJournal::start_over() noexcept {
  const std::lock_guard lock{mutex_};
  journal_.reset();
  blocks_.reset();
}

void SourceJournal::remove() {
  const std::lock_guard lock{mutex_};
  journal_.reset();
  blocks_.reset();
  if (repo::Journal::exists(path_)) repo::Journal::remove(path_);
}

}  // namespace vgerfs::fs
