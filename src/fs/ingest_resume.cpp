#include "fs/ingest_resume.h"

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_image.h"
#include "fs/ingest_recover.h"
#include "fs/ingest_source.h"
#include "repo/journal.h"

namespace vgerfs::fs {
namespace {

/// Puts the image into the tree. Tree's mutex held.
class Planter {
 public:
  Planter(IngestSource& source, IngestImage& image)
      : source_(source), tree_(source.context.tree), image_(image) {}

  InodePtr plant() {
    InodePtr root = take(image_.header().root());
    if (!root->is_directory()) throw damaged_journal("the root");
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
        if (known && inode->is_directory()) throw damaged_journal("a directory with two names");
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
  IngestImage& image_;
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
      throw damaged_journal("a chunk");
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
void plant(IngestSource& source, IngestImage& image,
           const std::optional<repo::LastSnapshot>& last) {
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
    const proto::JournalRecord record = decode_journal_record(payload);
    if (record.has_block()) save_block(source, record.block(), chunks);
  });
  return chunks;
}

bool resume_session(IngestSource& source) {
  IngestContext& context = source.context;
  const std::string& path = source.journal.path();
  IngestImage image;
  std::optional<repo::LastSnapshot> last;
  std::unordered_set<ChunkId> restored;
  try {
    const auto journal = repo::Journal::open(path, keys_of(source), [&](ByteView payload) {
      image.apply(decode_journal_record(payload));
    });
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
