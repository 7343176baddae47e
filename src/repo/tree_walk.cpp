#include "repo/tree_walk.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

/// A reader holds nodes of up to kMaxNodeBytes: only so many of a path's directories keep theirs.
constexpr std::size_t kOpenReaders = 64;

struct Frame {
  std::optional<ChunkId> root;
  std::size_t path_bytes = 0;  // of the directory's own path
  std::string last_name;       // read last
  std::unique_ptr<DirectoryReader> reader;
};

const Entry* next_entry(Frame& frame, ChunkSource& source, const std::string& path) {
  try {
    if (!frame.reader) {
      frame.reader = std::make_unique<DirectoryReader>(source, frame.root);
      if (!frame.last_name.empty()) frame.reader->seek_after(frame.last_name);
    }
    return frame.reader->next();
  } catch (Error& error) {
    error.add_context(fmt::format("reading directory '{}'", path));
    throw;
  }
}

}  // namespace

void for_each_entry(ChunkSource& source, const Entry& root, std::string path,
                    const EntryVisitor& visit, const WalkLimits& limits) {
  if (root.type() != EntryType::ENTRY_DIRECTORY) return;
  std::vector<Frame> frames;
  frames.push_back({subtree_of(root), path.size(), {}, nullptr});
  std::uint64_t visited = 0;
  while (!frames.empty()) {
    Frame& frame = frames.back();
    path.resize(frame.path_bytes);
    const Entry* entry = next_entry(frame, source, path);
    if (entry == nullptr) {
      frames.pop_back();
      continue;
    }
    if (++visited > limits.entries) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("the tree has more than {} entries", limits.entries)};
    }
    if (!path.empty()) path += '/';
    path += entry->name();
    const WalkStep step = visit(path, *entry);
    if (step == WalkStep::stop) return;
    if (step == WalkStep::skip || entry->type() != EntryType::ENTRY_DIRECTORY) continue;
    const auto subtree = subtree_of(*entry);
    if (!subtree) continue;
    if (frames.size() >= limits.depth) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("directories are nested deeper than {}: '{}'", limits.depth, path)};
    }
    frame.last_name = entry->name();
    frames.push_back({subtree, path.size(), {}, nullptr});
    if (frames.size() > kOpenReaders) frames[frames.size() - 1 - kOpenReaders].reader.reset();
  }
}

std::optional<Entry> find_path(ChunkSource& source, const Entry& root, std::string_view path) {
  Entry found = root;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    if (name.empty()) continue;
    if (found.type() != EntryType::ENTRY_DIRECTORY) return std::nullopt;
    auto next = find_entry(source, subtree_of(found), name);
    if (!next) return std::nullopt;
    found = std::move(*next);
  }
  return found;
}

}  // namespace vgerfs::repo
