#include "base/error.h"
#include "crypto/mac.h"
#include "repo/limits.h"
#include "repo/node.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

/// A node ends before it would exceed this, unless it has a single larger entry.
constexpr std::size_t kTargetNodeBytes = 256 * 1024;
/// Zero bits of a name's hash per level: 128 items in a node on average.
constexpr unsigned kSplitBits = 7;

/// Whether a node at this level begins with this name. Depends on nothing but the name: entries
/// that come and go elsewhere move no boundary. Who begins a node at one level begins one at every
/// level below.
bool begins_node(std::uint64_t name_hash, std::size_t level) noexcept {
  const std::size_t bits = kSplitBits * (level + 1);
  return bits < 64 && name_hash << (64 - bits) == 0;
}

}  // namespace

struct DirectoryBuilder::Level {
  explicit Level(std::size_t level) : node(static_cast<std::uint32_t>(level)) {}

  NodeWriter node;
  std::string first_name;
  std::uint64_t entries = 0;  // in and below the node
};

DirectoryBuilder::DirectoryBuilder(ChunkSink& sink, const std::array<std::byte, 16>& split_key)
    : sink_(sink), split_key_(split_key) {}

DirectoryBuilder::~DirectoryBuilder() = default;

void DirectoryBuilder::add(const Entry& entry) {
  if (const char* fault = fault_of(entry)) throw Error{ErrorCode::usage, fault};
  if (entry.name() <= last_name_)
    throw Error{ErrorCode::usage, "entries do not come in order of names"};
  last_name_ = entry.name();
  insert(0, entry, last_name_, 1);
  ++entries_;
}

void DirectoryBuilder::insert(std::size_t level, const google::protobuf::MessageLite& item,
                              std::string_view name, std::uint64_t entries) {
  VGERFS_CHECK(level <= kMaxTreeLevel);
  if (level == levels_.size()) levels_.push_back(std::make_unique<Level>(level));
  Level& open = *levels_[level];
  const std::size_t item_bytes = item.ByteSizeLong();
  if (!open.node.empty() && (begins_node(crypto::siphash(split_key_, bytes_of(name)), level) ||
                             open.node.bytes_with(item_bytes) > kTargetNodeBytes)) {
    close_level(level);
  }
  if (open.node.bytes_with(item_bytes) > kMaxNodeBytes) {
    throw Error{ErrorCode::usage, "an entry is too large"};
  }
  if (open.node.empty()) open.first_name = name;
  open.node.add(item, item_bytes);
  open.entries += entries;
}

void DirectoryBuilder::close_level(std::size_t level) {
  Level& open = *levels_[level];
  format::proto::TreeChild child;
  child.set_node(sink_.put(ChunkKind::tree, open.node.view()).raw());
  child.set_first_name(open.first_name);
  child.set_entries(open.entries);
  open.node.clear();
  open.entries = 0;
  insert(level + 1, child, child.first_name(), child.entries());
}

std::optional<ChunkId> DirectoryBuilder::finish() {
  if (levels_.empty()) return std::nullopt;
  // No level is empty: a node ends only when an item that begins the next one is at hand. So the
  // topmost level above 0 gets at least its second child here, and is no chain of single children.
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) close_level(level);
  const ChunkId root = sink_.put(ChunkKind::tree, levels_.back()->node.view());
  levels_.clear();
  return root;
}

}  // namespace vgerfs::repo
