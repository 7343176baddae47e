#include "repo/tree.h"

#include "base/clock.h"
#include "base/error.h"
#include "repo/extents.h"
#include "repo/limits.h"
#include "repo/node.h"

namespace vgerfs::repo {
namespace {

using format::proto::TreeChild;
using format::proto::TreeNode;

constexpr std::uint32_t kModeBits = 07777;

const char* name_fault(std::string_view name) {
  if (name.empty()) return "an entry has no name";
  if (name.size() > kMaxNameBytes) return "a name is too long";
  if (name == "." || name == "..") return "an entry is named . or ..";
  if (name.find('/') != name.npos || name.find('\0') != name.npos) return "a name holds / or NUL";
  return nullptr;
}

const char* xattrs_fault(const Entry& entry) {
  std::string_view last;
  for (const auto& xattr : entry.xattrs()) {
    const std::string_view name = xattr.name();
    if (name.empty() || name.size() > kMaxNameBytes || name.find('\0') != name.npos) {
      return "an extended attribute's name is not valid";
    }
    if (name <= last) return "extended attributes are not sorted";
    last = name;
    if (xattr.value().size() > kMaxInlineXattrBytes) return "an extended attribute is too long";
    if (!xattr.value_chunk().empty() && !xattr.value().empty()) {
      return "an extended attribute has two values";
    }
    if (!xattr.value_chunk().empty() && xattr.value_chunk().size() != ChunkId::kSize) {
      return "an extended attribute's chunk id does not have 32 bytes";
    }
  }
  return nullptr;
}

const char* content_fault(const Entry& entry) {
  if (entry.size() > kMaxFileBytes) return "a file's size is out of range";
  if (!entry.extents_root().empty()) {
    if (entry.extents_root().size() != ChunkId::kSize)
      return "an extent root does not have 32 bytes";
    if (entry.extents_size() > 0) return "a file has two lists of extents";
    return entry.size() == 0 ? "an empty file has extents" : nullptr;
  }
  if (static_cast<std::size_t>(entry.extents_size()) > kMaxInlineExtents) {
    return "an entry has too many extents";
  }
  std::uint64_t sum = 0;
  for (const auto& extent : entry.extents()) {
    if (const char* fault = fault_of(extent)) return fault;
    if (__builtin_add_overflow(sum, extent.bytes(), &sum)) return "a file's extents are too long";
  }
  return sum == entry.size() ? nullptr : "a file's extents do not make up its size";
}

/// Fields that only some types have must be absent elsewhere: no reader may make something of them.
const char* type_fault(const Entry& entry) {
  const auto type = entry.type();
  const bool file = type == EntryType::ENTRY_FILE;
  const bool directory = type == EntryType::ENTRY_DIRECTORY;
  const bool symlink = type == EntryType::ENTRY_SYMLINK;
  const bool device =
      type == EntryType::ENTRY_CHARACTER_DEVICE || type == EntryType::ENTRY_BLOCK_DEVICE;
  if (!format::proto::EntryType_IsValid(type) || type == EntryType::ENTRY_UNSPECIFIED) {
    return "an entry is of an unknown type";
  }
  if (!file && (entry.size() != 0 || entry.extents_size() > 0 || !entry.extents_root().empty())) {
    return "an entry that is no file has content";
  }
  if (!directory && !entry.subtree().empty()) return "an entry that is no directory has a subtree";
  if (!symlink && !entry.symlink_target().empty()) return "an entry that is no link has a target";
  if (!device && (entry.device_major() != 0 || entry.device_minor() != 0)) {
    return "an entry that is no device has a device number";
  }
  if (directory && (entry.link_group() != 0 || entry.link_count() != 0)) {
    return "a directory has hard links";
  }
  if (directory && !entry.subtree().empty() && entry.subtree().size() != ChunkId::kSize) {
    return "a subtree does not have 32 bytes";
  }
  if (symlink) {
    const std::string_view target = entry.symlink_target();
    if (target.empty() || target.size() > kMaxSymlinkBytes || target.find('\0') != target.npos) {
      return "a link's target is not valid";
    }
  }
  return file ? content_fault(entry) : nullptr;
}

const char* node_fault(const TreeNode& node) {
  if (node.level() > kMaxTreeLevel) return "its level is too high";
  const bool leaf = node.level() == 0;
  if (leaf ? node.children_size() > 0 : node.entries_size() > 0)
    return "it has entries and children";
  if (leaf ? node.entries_size() == 0 : node.children_size() == 0) return "it is empty";
  const std::string* last = nullptr;
  const auto ascends = [&last](const std::string& name) {
    const bool yes = last == nullptr || *last < name;
    last = &name;
    return yes;
  };
  for (const Entry& entry : node.entries()) {
    if (const char* fault = fault_of(entry)) return fault;
    if (!ascends(entry.name())) return "its names are not sorted";
  }
  std::uint64_t sum = 0;
  for (const TreeChild& child : node.children()) {
    if (child.node().size() != ChunkId::kSize) return "a child's id does not have 32 bytes";
    if (const char* fault = name_fault(child.first_name())) return fault;
    if (!ascends(child.first_name())) return "its children are not sorted";
    if (child.entries() == 0 || __builtin_add_overflow(sum, child.entries(), &sum)) {
      return "its numbers of entries are not possible";
    }
  }
  return nullptr;
}

bool has_unknown_fields(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

/// Unknown fields are ignored, and must not travel on into what a writer makes of the entry.
void drop_unknown_fields(TreeNode& node) {
  for (Entry& entry : *node.mutable_entries()) {
    bool unknown = has_unknown_fields(entry);
    for (const auto& xattr : entry.xattrs()) unknown |= has_unknown_fields(xattr);
    for (const auto& extent : entry.extents()) unknown |= has_unknown_fields(extent);
    if (unknown) entry.DiscardUnknownFields();
  }
}

}  // namespace

const char* fault_of(const Entry& entry, bool is_root) {
  if (is_root) {
    if (!entry.name().empty()) return "a root has a name";
    if (entry.type() != EntryType::ENTRY_DIRECTORY) return "a root is no directory";
  } else if (const char* fault = name_fault(entry.name())) {
    return fault;
  }
  if (entry.mode() > kModeBits) return "an entry's mode has other bits than permissions";
  if (entry.mtime_ns() >= kNsPerSecond || entry.ctime_ns() >= kNsPerSecond)
    return "a time is not valid";
  if (const char* fault = xattrs_fault(entry)) return fault;
  return type_fault(entry);
}

void check_entry(const Entry& entry, bool is_root) {
  if (const char* fault = fault_of(entry, is_root)) throw Error{ErrorCode::corrupt, fault};
}

void decode_tree_node(ByteView bytes, TreeNode& node) {
  check_node_size(bytes);
  if (!node.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error{ErrorCode::corrupt, "a tree node cannot be decoded"};
  }
  if (node.features().read_size() > 0) {
    throw Error{ErrorCode::unsupported, "a tree node needs a newer version to be read"};
  }
  if (const char* fault = node_fault(node)) {
    throw Error{ErrorCode::corrupt, fmt::format("a tree node is damaged: {}", fault)};
  }
  drop_unknown_fields(node);
}

TreeNode decode_tree_node(ByteView bytes) {
  TreeNode node;
  decode_tree_node(bytes, node);
  return node;
}

const std::string& first_name_of(const TreeNode& node) {
  return node.level() == 0 ? node.entries(0).name() : node.children(0).first_name();
}

std::uint64_t entries_of(const TreeNode& node) {
  if (node.level() == 0) return static_cast<std::uint64_t>(node.entries_size());
  std::uint64_t sum = 0;
  for (const TreeChild& child : node.children()) sum += child.entries();
  return sum;
}

std::optional<ChunkId> subtree_of(const Entry& entry) {
  if (entry.subtree().empty()) return std::nullopt;
  return ChunkId::from_bytes(entry.subtree());
}

}  // namespace vgerfs::repo
