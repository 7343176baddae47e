#include "fs/ingest_tree_builder.h"

#include <memory>
#include <string>

#include "base/error.h"
#include "base/sha256.h"
#include "fs/ingest_source.h"
#include "fs/ingest_stored.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

/// A name that the overlay knows, as it was when its directory was begun. Lookups add clean names
/// meanwhile; nothing else moves.
struct OverlayName {
  std::string name;
  InodePtr inode;  // null: gone
  bool changed = false;
  bool dirty_below = false;
};

/// A directory being built, and the entry that it will get in its parent.
struct Level {
  Level(InodePtr inode_in, repo::Entry entry_in, repo::ChunkSource& trees, repo::ChunkSink& sink,
        const std::array<std::byte, 16>& split_key)
      : inode(std::move(inode_in)),
        entry(std::move(entry_in)),
        reader(trees, inode->directory->base),
        builder(sink, split_key) {}

  const InodePtr inode;
  repo::Entry entry;
  repo::DirectoryReader reader;
  const repo::Entry* base = nullptr;  // the reader's present entry
  repo::DirectoryBuilder builder;
  std::vector<OverlayName> overlay;
  std::size_t next = 0;
};

/// Sets size and extents of a sealed file. True: it was not at rest.
bool build_content(repo::Entry& entry, Inode& inode, IngestContext& context,
                   repo::ChunkSource& trees, repo::ChunkSink& sink) {
  std::shared_ptr<FileContent> content;
  std::shared_ptr<const StoredContent> stored;
  {
    const std::lock_guard lock{context.tree.mutex};
    content = inode.content;
    stored = inode.stored;
  }
  std::vector<ContentPiece> pieces;
  bool untouched = !content;
  if (content) {
    const std::lock_guard lock{content->mutex()};
    VGERFS_CHECK(content->run_bytes() == 0);
    stored = content->stored();
    pieces = content->pieces(0, content->bytes());
    untouched = pieces.size() == 1 && pieces[0].segment.kind == SegmentKind::stored &&
                pieces[0].segment.bytes == stored->bytes;
  }
  if (untouched) {
    if (stored) fill_content(entry, *stored);
    return content != nullptr;
  }
  repo::ExtentListBuilder list{sink};
  std::optional<StoredExtents> extents;
  for (const ContentPiece& piece : pieces) {
    const Segment& segment = piece.segment;
    switch (segment.kind) {
      case SegmentKind::hole: list.add({.bytes = segment.bytes}); break;
      case SegmentKind::chunk:
        list.add(
            {.bytes = segment.bytes, .chunk = segment.chunk, .chunk_offset = segment.chunk_offset});
        break;
      case SegmentKind::spool: bug("a file is committed before it is sealed");
      case SegmentKind::stored:
        if (!extents) extents.emplace(trees, *stored);
        extents->visit(piece.start, piece.start + segment.bytes,
                       [&](std::uint64_t, const repo::Extent& extent) {
                         list.add(extent);
                         return true;
                       });
        break;
    }
  }
  list.finish(entry);
  return true;
}

class Builder {
 public:
  Builder(IngestSource& source, repo::ChunkSink& sink)
      : source_(source), context_(source.context), sink_(sink) {}

  BuiltTree build() {
    repo::Entry root = entry_of(source_.root, "");
    if (!source_.root->dirty_below) {
      set_subtree(root, source_.root->directory->base);
      return {std::move(root), {}, {}};
    }
    push(source_.root, std::move(root));
    while (true) {
      Level& top = *levels_.back();
      if (step(top)) continue;
      const std::optional<ChunkId> subtree = top.builder.finish();
      result_.directories.emplace_back(top.inode, subtree);
      repo::Entry done = std::move(top.entry);
      set_subtree(done, subtree);
      levels_.pop_back();
      if (levels_.empty()) {
        result_.root = std::move(done);
        return std::move(result_);
      }
      levels_.back()->builder.add(done);
    }
  }

 private:
  static void set_subtree(repo::Entry& entry, const std::optional<ChunkId>& subtree) {
    if (subtree) entry.set_subtree(subtree->raw());
  }

  void push(const InodePtr& inode, repo::Entry entry) {
    if (levels_.size() > repo::kMaxDirectoryDepth) {
      throw Error{ErrorCode::usage,
                  "directories lie deeper in one another than a snapshot can hold"};
    }
    auto level = std::make_unique<Level>(inode, std::move(entry), *source_.trees, sink_,
                                         context_.repository.keyring().split_key());
    {
      const std::lock_guard lock{context_.tree.mutex};
      for (const auto& [name, child] : inode->directory->children) {
        // Clean ones are as the base says.
        if (child.inode && !child.inode->changed()) continue;
        level->overlay.push_back(
            {name, child.inode, child.inode != nullptr, child.inode && child.inode->dirty_below});
      }
    }
    level->base = level->reader.next();
    levels_.push_back(std::move(level));
  }

  /// One name; false when there is none left.
  bool step(Level& level) {
    const bool has_overlay = level.next < level.overlay.size();
    if (!has_overlay && level.base == nullptr) return false;
    if (!has_overlay ||
        (level.base != nullptr && level.base->name() < level.overlay[level.next].name)) {
      level.builder.add(*level.base);
      level.base = level.reader.next();
      return true;
    }
    const OverlayName& name = level.overlay[level.next++];
    if (level.base != nullptr && level.base->name() == name.name) level.base = level.reader.next();
    if (!name.inode) return true;
    repo::Entry entry = entry_of(name.inode, name.name);
    if (name.dirty_below) {
      push(name.inode, std::move(entry));  // its parent gets the entry when it is complete
      return true;
    }
    if (name.inode->is_directory()) set_subtree(entry, name.inode->directory->base);
    level.builder.add(entry);
    return true;
  }

  repo::Entry entry_of(const InodePtr& inode, const std::string& name) {
    repo::Entry entry;
    entry.set_name(name);
    {
      const std::lock_guard lock{context_.tree.mutex};
      fill_entry(entry, *inode);
      if (!inode->is_directory() && inode->link_count > 1) {
        if (inode->link_group == 0) inode->link_group = new_link_group(*inode, source_);
        entry.set_link_group(inode->link_group);
        entry.set_link_count(inode->link_count);
      }
    }
    if (entry.user().empty()) entry.set_user(context_.owners.user(entry.uid()));
    if (entry.group().empty()) entry.set_group(context_.owners.group(entry.gid()));
    store_long_xattrs(entry);
    if (inode->is_file() && build_content(entry, *inode, context_, *source_.trees, sink_)) {
      result_.contents.emplace_back(inode, stored_content_of(entry));
    }
    return entry;
  }

  /// Values that came as they are go where the format wants them.
  void store_long_xattrs(repo::Entry& entry) {
    if (entry.xattrs_size() == 0) return;
    google::protobuf::RepeatedPtrField<format::proto::Xattr> said;
    said.Swap(entry.mutable_xattrs());
    for (const auto& xattr : said) {
      if (xattr.value_chunk().empty()) {
        repo::add_xattr(entry, sink_, xattr.name(), bytes_of(xattr.value()));
      } else {
        *entry.add_xattrs() = xattr;
      }
    }
  }

  IngestSource& source_;
  IngestContext& context_;
  repo::ChunkSink& sink_;
  std::vector<std::unique_ptr<Level>> levels_;
  BuiltTree result_;
};

}  // namespace

std::uint64_t new_link_group(const Inode& inode, const IngestSource& source) {
  // Not from the random source: if that repeated itself, two files would become one.
  const Timestamp now = source.context.clock.now();
  Bytes key;
  ByteWriter writer{key};
  writer.u64(inode.node);
  writer.u64(static_cast<std::uint64_t>(now.s));
  writer.u32(now.ns);
  writer.u64(static_cast<std::uint64_t>(source.context.clock.boot_ns()));
  writer.bytes(bytes_of(source.name));
  if (source.base) writer.bytes(source.base->id.view());
  const Sha256Digest digest = sha256(key);
  return ByteReader{digest, "a digest"}.u64() | 1U;
}

BuiltTree build_tree(IngestSource& source, repo::ChunkSink& sink) {
  return Builder{source, sink}.build();
}

}  // namespace vgerfs::fs
