#include "fs/ingest_resume.h"

#include <map>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_journal.pb.h"
#include "fs/ingest_recover.h"
#include "fs/ingest_source.h"
#include "repo/journal.h"

namespace vgerfs::fs {
namespace {

Error damaged(std::string_view what) {
  return Error{ErrorCode::corrupt, fmt::format("the journal is damaged: {}", what)};
}

proto::JournalRecord decode(ByteView payload) {
  proto::JournalRecord record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    throw damaged("a record");
  return record;
}

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

/// The session's state as the records say it.
class Image {
 public:
  void apply(const proto::JournalRecord& record) {
    if (record.has_header()) header_ = record.header();
    for (const auto& node : record.nodes()) apply_node(node);
    for (const auto& link : record.links()) apply_link(link);
    if (record.has_totals()) totals_ = record.totals();
    if (record.ByteSizeLong() == 0) return;  // the end of a transaction
    // What came after a commit that failed is not in what it would have published.
    committing_.reset();
    if (record.has_committing()) committing_ = record.committing();
  }

  const proto::JournalHeader& header() const noexcept { return header_; }
  const proto::JournalTotals& totals() const noexcept { return totals_; }
  const std::optional<repo::Entry>& committing() const noexcept { return committing_; }

  void visit(const std::function<void(std::uint64_t, const Inode&)>& each) const {
    for (const auto& [number, node] : nodes_) {
      if (node.inode) each(number, *node.inode);
    }
  }

  ImageNode& node(std::uint64_t number) {
    const auto found = nodes_.find(number);
    if (found == nodes_.end() || !found->second.inode) throw damaged("a node is missing");
    return found->second;
  }

 private:
  void apply_node(const proto::JournalNode& said) {
    ImageNode& node = nodes_[said.number()];
    if (!said.ranges_only()) apply_attributes(said, node);
    if (!node.inode) throw damaged("ranges of no node");
    if (!node.inode->is_file()) return;
    if (!said.ranges_only()) {
      if (said.whole())
        node.content = std::make_shared<FileContent>(stored_content_of(said.entry()));
      if (!node.content) throw damaged("a change of no content");
      node.content->truncate(said.bytes());
    }
    for (const auto& range : said.ranges()) apply_range(range, *node.content);
  }

  void apply_attributes(const proto::JournalNode& said, ImageNode& node) {
    repo::Entry entry = said.entry();
    repo::check_entry(entry);
    *entry.mutable_xattrs() = said.xattrs();
    node.inode = inode_of_entry(entry, names_);
    node.inode->link_count = said.link_count();
    node.inode->dirty = said.dirty();
    if (node.inode->is_file()) node.inode->bytes = said.bytes();
  }

  static void apply_range(const proto::JournalRange& range, FileContent& content) {
    std::uint64_t at = range.start();
    for (const auto& said : range.extents()) {
      if (repo::fault_of(said) != nullptr || said.bytes() > content.bytes() ||
          at > content.bytes() - said.bytes()) {
        throw damaged("an extent");
      }
      const repo::Extent extent = repo::decode_extent(said);
      Segment segment = Segment::hole(extent.bytes);
      if (extent.chunk) {
        // Epoch 0: what was received before the interruption is the past.
        segment.kind = SegmentKind::chunk;
        segment.chunk = *extent.chunk;
        segment.chunk_offset = extent.chunk_offset;
      }
      content.restore(at, std::move(segment));
      at += extent.bytes;
    }
  }

  void apply_link(const proto::JournalLink& said) {
    auto& links = nodes_[said.directory()].links;
    if (said.node() == 0 && !said.gone()) {
      links.erase(said.name());
    } else {
      links[said.name()] = {said.node(), said.gone(), said.in_base()};
    }
  }

  NamePool names_;
  proto::JournalHeader header_;
  proto::JournalTotals totals_;
  std::optional<repo::Entry> committing_;
  std::unordered_map<std::uint64_t, ImageNode> nodes_;
};

/// Puts the image into the tree. Tree's mutex held.
class Planter {
 public:
  Planter(IngestSource& source, Image& image)
      : source_(source), tree_(source.context.tree), image_(image) {}

  InodePtr plant() {
    InodePtr root = take(image_.header().root());
    if (!root->is_directory()) throw damaged("the root");
    std::vector<std::pair<InodePtr, std::uint64_t>> left{{root, image_.header().root()}};
    while (!left.empty()) {
      const auto [directory, number] = std::move(left.back());
      left.pop_back();
      for (const auto& [name, link] : image_.node(number).links) {
        auto& child = directory->directory->children.try_emplace(name).first->second;
        child.in_base = link.in_base;
        if (link.gone) {
          child.in_base = true;
          mark_below(directory.get());
          continue;
        }
        const bool known = image_.node(link.node).inode->source != nullptr;
        const InodePtr inode = take(link.node);
        // Only files have several names.
        if (known && inode->is_directory()) throw damaged("a directory with two names");
        child.inode = inode;
        inode->links.push_back(
            {directory.get(), &directory->directory->children.find(name)->first});
        mark_below(directory.get());
        if (inode->is_directory()) left.emplace_back(inode, link.node);
      }
    }
    image_.visit([&](std::uint64_t number, const Inode& inode) {
      // A hard link whose known names are gone: its other names lie in the base.
      if (inode.dirty && inode.link_group != 0 && inode.link_count != 0) take(number);
    });
    return root;
  }

 private:
  InodePtr take(std::uint64_t number) {
    ImageNode& node = image_.node(number);
    const InodePtr& inode = node.inode;
    if (inode->source != nullptr) return inode;
    tree_.adopt(inode, source_);
    // The image's pool of names goes with the image.
    if (inode->user != nullptr) inode->user = tree_.names.intern(*inode->user);
    if (inode->group != nullptr) inode->group = tree_.names.intern(*inode->group);
    if (inode->is_file()) {
      inode->hole_bytes = node.content->hole_bytes();
      inode->stored = node.content->at_rest(repo::kMaxInlineExtents, std::nullopt);
      if (!inode->stored) inode->content = node.content;
      if (inode->bytes == 0) {
        inode->stored = nullptr;
        inode->content = nullptr;
      }
    }
    if (inode->link_group != 0) {
      source_.remember_link_group(inode);
      if (inode->dirty) source_.changed_groups[inode->link_group] = inode;
    }
    return inode;
  }

  static void mark_below(Inode* directory) {
    while (!directory->dirty_below) {
      directory->dirty_below = true;
      if (directory->links.empty()) return;
      directory = directory->links.front().parent;
    }
  }

  IngestSource& source_;
  IngestTree& tree_;
  Image& image_;
};

repo::JournalKeys keys_of(IngestSource& source) {
  return {source.context.journal_key, source.context.repository.keyring().repository(),
          *source.context.repository.options().random};
}

/// Hands over what only the journal has.
void save_block(IngestSource& source, const proto::JournalBlock& block,
                std::unordered_set<ChunkId>& chunks) {
  repo::BlockEntry entry = block_entry_of(block);
  for (const repo::ChunkEntry& chunk : entry.chunks) chunks.insert(chunk.id);
  const auto& keyring = source.context.repository.keyring();
  if (!source.context.repository.can_read()) {
    source.session->adopt_block(std::move(entry), bytes_of(block.sealed()));
    return;
  }
  // Who can read it seals it anew: a full author vouches for what it signs.
  const Bytes plain = repo::open_block(bytes_of(block.sealed()), entry, keyring);
  std::size_t offset = 0;
  for (const repo::ChunkEntry& chunk : entry.chunks) {
    const ByteView bytes = ByteView{plain}.subspan(offset, chunk.plain_bytes);
    if (!repo::chunk_matches(keyring, repo::ChunkKind::data, chunk.id, bytes))
      throw damaged("a chunk");
    source.session->put_chunk(repo::ChunkKind::data, bytes);
    offset += chunk.plain_bytes;
  }
}

/// The session builds upon a snapshot: what that needs is kept only as long as it is there.
void check_base(IngestSource& source, const proto::JournalHeader& header) {
  if (header.base_snapshot().empty()) return;
  const auto id = SnapshotId::from_bytes(header.base_snapshot());
  if (repo::is_there(source.context.repository, id)) {
    if (!header.base_root().subtree().empty()) {
      source.trees->get(repo::ChunkKind::tree, ChunkId::from_bytes(header.base_root().subtree()));
    }
    return;
  }
  throw Error{ErrorCode::corrupt,
              fmt::format("the snapshot {} that the interrupted session builds upon was removed",
                          id.short_hex()),
              "move the journal away to give that session up, then send the files again"};
}

/// Shows the image as the source's tree. Tree's mutex held.
void plant(IngestSource& source, Image& image, const std::optional<repo::LastSnapshot>& last) {
  IngestContext& context = source.context;
  const proto::JournalHeader& header = image.header();
  std::optional<repo::LastSnapshot> base;
  if (!header.base_snapshot().empty()) {
    base = repo::LastSnapshot{SnapshotId::from_bytes(header.base_snapshot()),
                              {header.base_time_s(), header.base_time_ns()},
                              header.base_root()};
  }
  if (base.has_value() != last.has_value() || (base && base->id != last->id)) {
    log::warning(
        "{}: the interrupted session began before the newest snapshot; it goes on from where it "
        "began",
        source.name);
  }
  source.base = std::move(base);
  source.link_groups.clear();
  const InodePtr shown = source.root;
  source.root = Planter{source, image}.plant();
  if (shown) context.tree.replace(shown, source.root);
  context.invalidate(kIngestRoot, source.name);
  const proto::JournalTotals& totals = image.totals();
  source.totals = {totals.files(), totals.directories(), totals.others(), totals.bytes()};
  source.files_changed = totals.files_changed();
  source.bytes_received = totals.bytes_received();
}

}  // namespace

std::unordered_set<ChunkId> restore_blocks(IngestSource& source) {
  std::unordered_set<ChunkId> chunks;
  repo::Journal::open(source.journal.path(), keys_of(source), [&](ByteView payload) {
    const proto::JournalRecord record = decode(payload);
    if (record.has_block()) save_block(source, record.block(), chunks);
  });
  return chunks;
}

bool resume_session(IngestSource& source) {
  IngestContext& context = source.context;
  const std::string& path = source.journal.path();
  Image image;
  std::optional<repo::LastSnapshot> last;
  std::unordered_set<ChunkId> restored;
  try {
    const auto journal = repo::Journal::open(
        path, keys_of(source), [&](ByteView payload) { image.apply(decode(payload)); });
    if (!journal) return false;
    last = source.memory.last();
    if (image.committing() && last && repo::same_root(*image.committing(), last->root)) {
      log::info("{}: the interrupted commit was complete", source.name);
      source.journal.remove();
      return false;
    }
    source.start_session();
    check_base(source, image.header());
    restored = restore_blocks(source);
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
  // From here on the store has every chunk that the journal has.
  source.session->checkpoint();
  {
    const std::lock_guard lock{context.tree.mutex};
    plant(source, image, last);
  }
  try {
    drop_lost_files(source, restored, true);
  } catch (...) {
    // Without a session nothing of it may show; the next look resumes it again.
    const std::lock_guard lock{context.tree.mutex};
    context.tree.detach(source.root);
    source.root = nullptr;
    source.base = std::nullopt;
    source.link_groups.clear();
    throw;
  }
  log::info("{}: resumed the interrupted session", source.name);
  return true;
}

}  // namespace vgerfs::fs
