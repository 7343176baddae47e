#include "fs/ingest_node.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"

namespace vgerfs::fs {
namespace {

/// In st_ino of the base's inodes; those of new ones have the bit below.
constexpr std::uint64_t kBaseNumber = std::uint64_t{1} << 62U;

std::uint64_t hole_bytes_of(const StoredContent& stored) {
  std::uint64_t holes = 0;
  for (const repo::Extent& extent : stored.extents) {
    if (!extent.chunk) holes += extent.bytes;
  }
  return holes;
}

}  // namespace

bool Inode::is_file() const noexcept { return S_ISREG(mode); }

InodePtr inode_of_entry(const repo::Entry& entry, NamePool& names) {
  auto inode = std::make_shared<Inode>();
  inode->mode = repo::file_type_bits(entry.type()) | (entry.mode() & 07777U);
  inode->uid = entry.uid();
  inode->gid = entry.gid();
  inode->device_major = entry.device_major();
  inode->device_minor = entry.device_minor();
  inode->mtime = repo::mtime_of(entry);
  inode->ctime = repo::ctime_of(entry);
  inode->user = names.intern(entry.user());
  inode->group = names.intern(entry.group());
  inode->link_group = entry.link_group();
  inode->link_count = entry.link_group() != 0 ? std::max<std::uint32_t>(entry.link_count(), 1) : 1;
  if (entry.xattrs_size() != 0) {
    inode->xattrs = std::make_unique<Xattrs>();
    for (const auto& xattr : entry.xattrs()) {
      XattrSlot slot;
      if (xattr.value_chunk().empty()) {
        const ByteView value = bytes_of(xattr.value());
        slot.value.assign(value.begin(), value.end());
      } else {
        slot.chunk = ChunkId::from_bytes(xattr.value_chunk());
      }
      inode->xattrs->emplace(xattr.name(), std::move(slot));
    }
  }
  if (entry.type() == repo::EntryType::ENTRY_SYMLINK) {
    inode->target = std::make_unique<std::string>(entry.symlink_target());
    inode->bytes = entry.symlink_target().size();
  } else if (entry.type() == repo::EntryType::ENTRY_FILE) {
    inode->stored = stored_content_of(entry);
    inode->bytes = entry.size();
    inode->hole_bytes = inode->stored ? hole_bytes_of(*inode->stored) : 0;
  } else if (entry.type() == repo::EntryType::ENTRY_DIRECTORY) {
    inode->directory = std::make_unique<Directory>();
    inode->directory->base = repo::subtree_of(entry);
  }
  return inode;
}

void fill_entry(repo::Entry& entry, const Inode& inode) {
  entry.set_type(repo::entry_type(inode.mode));
  entry.set_mode(inode.mode & 07777U);
  entry.set_uid(inode.uid);
  entry.set_gid(inode.gid);
  if (inode.user != nullptr) entry.set_user(*inode.user);
  if (inode.group != nullptr) entry.set_group(*inode.group);
  entry.set_mtime_s(inode.mtime.s);
  entry.set_mtime_ns(inode.mtime.ns);
  entry.set_ctime_s(inode.ctime.s);
  entry.set_ctime_ns(inode.ctime.ns);
  entry.set_device_major(inode.device_major);
  entry.set_device_minor(inode.device_minor);
  if (inode.target) entry.set_symlink_target(*inode.target);
  if (!inode.xattrs) return;
  for (const auto& [name, slot] : *inode.xattrs) {
    auto& xattr = *entry.add_xattrs();
    xattr.set_name(name);
    if (slot.chunk) {
      xattr.set_value_chunk(slot.chunk->raw());
    } else {
      xattr.set_value(slot.value.data(), slot.value.size());
    }
  }
}

std::shared_ptr<const StoredContent> stored_content_of(const repo::Entry& entry) {
  if (entry.size() == 0) return nullptr;
  auto stored = std::make_shared<StoredContent>();
  stored->bytes = entry.size();
  if (!entry.extents_root().empty()) stored->root = ChunkId::from_bytes(entry.extents_root());
  stored->extents.reserve(static_cast<std::size_t>(entry.extents_size()));
  for (const auto& extent : entry.extents()) stored->extents.push_back(repo::decode_extent(extent));
  return stored;
}

void fill_content(repo::Entry& entry, const StoredContent& stored) {
  entry.set_size(stored.bytes);
  if (stored.root) entry.set_extents_root(stored.root->raw());
  for (const repo::Extent& extent : stored.extents) {
    auto& out = *entry.add_extents();
    out.set_bytes(extent.bytes);
    if (extent.chunk) out.set_chunk(extent.chunk->raw());
    out.set_chunk_offset(extent.chunk_offset);
  }
}

Attributes attributes_of(const Inode& inode) {
  Attributes out;
  out.inode = inode.number;
  out.mode = inode.mode;
  // A directory's count of subdirectories would need its entries: 1 says that it is not counted.
  out.link_count = inode.is_directory() ? 1 : inode.link_count;
  out.uid = inode.uid;
  out.gid = inode.gid;
  out.size = inode.bytes;
  out.blocks = (inode.bytes - std::min(inode.bytes, inode.hole_bytes) + 511) / 512;
  out.mtime = inode.mtime;
  out.atime = inode.mtime;  // not kept
  out.ctime = inode.ctime;
  out.device_major = inode.device_major;
  out.device_minor = inode.device_minor;
  return out;
}

std::uint64_t number_of_base_entry(std::uint64_t directory_number, std::string_view source,
                                   const repo::Entry& entry) {
  Bytes key;
  ByteWriter writer{key};
  // Names of one inode have one number, wherever they lie.
  if (entry.link_group() != 0) {
    writer.u64(entry.link_group());
    writer.bytes(bytes_of(source));
  } else {
    writer.u64(directory_number);
    // A root lies in no directory.
    if (directory_number == 0) writer.bytes(bytes_of(source));
    writer.bytes(bytes_of("/"));
    writer.bytes(bytes_of(entry.name()));
  }
  const Sha256Digest digest = sha256(key);
  return (ByteReader{digest, "a digest"}.u64() >> 3U) | kBaseNumber;
}

}  // namespace vgerfs::fs
