#include "repo/tree_walk.h"

#include <memory>
#include <utility>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

/// A reader holds nodes of up to kMaxNodeBytes: only so many of a path's directories keep theirs.
constexpr std::size_t kOpenReaders = 64;

}  // namespace

struct TreeWalk::Frame {
  std::optional<ChunkId> root;
  std::size_t path_bytes = 0;  // of the directory's own path
  std::string last_name;       // read last, if the reader was given up
  std::unique_ptr<DirectoryReader> reader;
  std::string failure;  // thrown last
};

TreeWalk::TreeWalk(ChunkSource& source, const Entry& root, std::string path,
                   const WalkLimits& limits)
    : source_(source), limits_(limits), path_(std::move(path)) {
  if (root.type() == EntryType::ENTRY_DIRECTORY)
    frames_.push_back({subtree_of(root), path_.size(), {}, nullptr, {}});
}

TreeWalk::~TreeWalk() = default;

TreeWalk::Event TreeWalk::next() {
  entry_ = nullptr;
  if (frames_.empty()) return Event::end;
  Frame& frame = frames_.back();
  path_.resize(frame.path_bytes);
  try {
    if (!frame.reader) {
      frame.reader = std::make_unique<DirectoryReader>(source_, frame.root);
      if (!frame.last_name.empty()) frame.reader->seek_after(frame.last_name);
    }
    entry_ = frame.reader->next();
  } catch (Error& error) {
    if (error.message() != frame.failure) {
      frame.failure = error.message();
      error.add_context(fmt::format("reading directory '{}'", path_));
      throw;
    }
    // It does not get beyond what it was thrown for before: that was all of the directory.
  }
  if (entry_ == nullptr) {
    frames_.pop_back();
    return frames_.empty() ? Event::end : Event::leave;
  }
  if (++visited_ > limits_.entries) {
    frames_.clear();
    throw Error{ErrorCode::corrupt,
                fmt::format("the tree has more than {} entries", limits_.entries)};
  }
  if (!path_.empty()) path_ += '/';
  path_ += entry_->name();
  return Event::entry;
}

void TreeWalk::enter() {
  VGERFS_CHECK(entry_ != nullptr && entry_->type() == EntryType::ENTRY_DIRECTORY);
  if (frames_.size() >= limits_.depth) {
    throw Error{ErrorCode::corrupt,
                fmt::format("directories are nested deeper than {}: '{}'", limits_.depth, path_)};
  }
  frames_.back().last_name = entry_->name();
  frames_.push_back({subtree_of(*entry_), path_.size(), {}, nullptr, {}});
  if (frames_.size() > kOpenReaders) frames_[frames_.size() - 1 - kOpenReaders].reader.reset();
  entry_ = nullptr;
}

void for_each_entry(ChunkSource& source, const Entry& root, std::string path,
                    const EntryVisitor& visit, const WalkLimits& limits) {
  TreeWalk walk{source, root, std::move(path), limits};
  for (auto event = walk.next(); event != TreeWalk::Event::end; event = walk.next()) {
    if (event != TreeWalk::Event::entry) continue;
    const WalkStep step = visit(walk.path(), walk.entry());
    if (step == WalkStep::stop) return;
    if (step == WalkStep::go_on && walk.entry().type() == EntryType::ENTRY_DIRECTORY) walk.enter();
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
