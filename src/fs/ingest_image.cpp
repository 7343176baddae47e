#include "fs/ingest_image.h"

#include <algorithm>
#include <utility>

#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

void apply_range(const proto::JournalRange& range, FileContent& content) {
  std::uint64_t at = range.start();
  for (const auto& said : range.extents()) {
    if (repo::fault_of(said) != nullptr || said.bytes() > content.bytes() ||
        at > content.bytes() - said.bytes()) {
      throw damaged_journal("an extent");
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

}  // namespace

void IngestImage::apply(const proto::JournalRecord& record) {
  if (record.has_header()) header_ = record.header();
  for (const auto& node : record.nodes()) apply_node(node);
  for (const auto& link : record.links()) apply_link(link);
  if (record.has_totals()) totals_ = record.totals();
  if (record.ByteSizeLong() == 0) return;  // the end of a transaction
  // What came after a commit that failed is not in what it would have published.
  committing_.reset();
  if (record.has_committing()) committing_ = record.committing();
}

void IngestImage::visit(
    const std::function<void(std::uint64_t number, const Inode& inode)>& each) const {
  for (const auto& [number, node] : nodes_) {
    if (node.inode) each(number, *node.inode);
  }
}

ImageNode& IngestImage::node(std::uint64_t number) {
  const auto found = nodes_.find(number);
  if (found == nodes_.end() || !found->second.inode) throw damaged_journal("a node is missing");
  return found->second;
}

void IngestImage::apply_node(const proto::JournalNode& said) {
  ImageNode& node = nodes_[said.number()];
  if (!said.ranges_only()) apply_attributes(said, node);
  if (!node.inode) throw damaged_journal("ranges of no node");
  if (!node.inode->is_file()) return;
  if (!said.ranges_only()) {
    if (said.whole()) node.content = std::make_shared<FileContent>(stored_content_of(said.entry()));
    if (!node.content) throw damaged_journal("a change of no content");
    node.content->truncate(said.bytes());
  }
  for (const auto& range : said.ranges()) apply_range(range, *node.content);
}

void IngestImage::apply_attributes(const proto::JournalNode& said, ImageNode& node) {
  repo::Entry entry = said.entry();
  repo::check_entry(entry);
  *entry.mutable_xattrs() = said.xattrs();
  node.inode = inode_of_entry(entry, names_);
  node.inode->link_count = said.link_count();
  node.inode->dirty = said.dirty();
  if (node.inode->is_file()) node.inode->bytes = said.bytes();
}

void IngestImage::apply_link(const proto::JournalLink& said) {
  auto& links = nodes_[said.directory()].links;
  if (said.node() == 0 && !said.gone()) {
    links.erase(said.name());
  } else {
    links[said.name()] = {said.node(), said.gone(), said.in_base()};
  }
}

proto::JournalRecord decode_journal_record(ByteView payload) {
  proto::JournalRecord record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    throw damaged_journal("a record");
  return record;
}

repo::BlockEntry block_entry_of(const proto::JournalBlock& block) {
  repo::BlockEntry entry;
  const auto count = static_cast<std::size_t>(block.chunk_bytes_size());
  if (count == 0 || block.tag().size() != entry.tag.size() ||
      block.chunk_ids().size() != count * ChunkId::kSize) {
    throw damaged_journal("a block is not described well");
  }
  entry.stored_bytes = static_cast<std::uint32_t>(block.sealed().size());
  entry.chunk_kind = repo::ChunkKind::data;
  const ByteView tag = bytes_of(block.tag());
  std::copy(tag.begin(), tag.end(), entry.tag.begin());
  const ByteView ids = bytes_of(block.chunk_ids());
  for (std::size_t i = 0; i < count; ++i) {
    entry.chunks.push_back({ChunkId::from_bytes(ids.subspan(i * ChunkId::kSize, ChunkId::kSize)),
                            block.chunk_bytes(static_cast<int>(i))});
  }
  repo::plain_bytes_of(entry);
  return entry;
}

Error damaged_journal(std::string_view what) {
  return Error{ErrorCode::corrupt, fmt::format("the journal is damaged: {}", what)};
}

}  // namespace vgerfs::fs
