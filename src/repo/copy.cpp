#include "repo/copy.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "repo/block.h"
#include "repo/extents.h"
#include "repo/limits.h"
#include "repo/maintenance/stops_work.h"
#include "repo/session.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

/// Extents known ahead; their blocks are being fetched.
constexpr std::size_t kAhead = 6;
/// Before the ids of the snapshot that was copied.
constexpr std::string_view kTrigger = "copy of ";
constexpr auto kUpdateInterval = std::chrono::milliseconds{100};

/// Two snapshots of which one is a copy of the other.
struct Pair {
  const Snapshot* original = nullptr;
  const Snapshot* copy = nullptr;
};

/// The newest copy in the snapshot's line that is not after it (else the newest of all) whose
/// original is there to compare with.
Pair find_base(Repository& from, Repository& to, const SnapshotList& originals,
               const SnapshotList& copies, const ListedSnapshot& wanted) {
  std::map<SnapshotOrigin, const Snapshot*> known;
  for (const ListedSnapshot& listed : originals.snapshots) {
    known[origin_of(*listed.snapshot, from.config().repository)] = listed.snapshot.get();
  }
  Pair base;
  bool is_before = false;
  for (const ListedSnapshot& listed : copies.snapshots) {
    const Snapshot& copy = *listed.snapshot;
    // What others write may say that it is a copy and be something else.
    if (copy.host != wanted.snapshot->host || copy.source != wanted.snapshot->source ||
        copy.kind != kTreeSnapshot || copy.author.role != Role::full)
      continue;
    const auto original = known.find(origin_of(copy, to.config().repository));
    if (original == known.end() || original->second->kind != kTreeSnapshot) continue;
    const bool before = !(wanted.snapshot->time < copy.time);
    if (is_before && !before) continue;
    base = {original->second, &copy};
    is_before = before;
  }
  return base;
}

/// Reads chunks and hashes each, whoever sealed it: what is copied is vouched for by its new
/// author.
class VerifiedSource final : public ChunkSource {
 public:
  VerifiedSource(ChunkReader& reader, const Keyring& keys) : reader_(reader), keys_(keys) {}

  Bytes get(ChunkKind kind, const ChunkId& id) override {
    Bytes bytes = reader_.get(kind, id);
    check(kind, id, bytes);
    return bytes;
  }
  ChunkView view(ChunkKind kind, const ChunkId& id) {
    ChunkView view = reader_.view(kind, id);
    check(kind, id, view.bytes);
    return view;
  }
  void prefetch(ChunkKind kind, const ChunkId& id) { reader_.prefetch(kind, id); }

 private:
  void check(ChunkKind kind, const ChunkId& id, ByteView bytes) const {
    if (!chunk_matches(keys_, kind, id, bytes)) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("chunk {} does not hold what its name says", id.short_hex())};
    }
  }

  ChunkReader& reader_;
  const Keyring& keys_;
};

/// The directories of the base that stand where the copy is, for what is the same.
class BaseDirectory {
 public:
  BaseDirectory(ChunkSource& originals, ChunkSource& copies, const Entry& original,
                const Entry& copy)
      : original_(originals, subtree_of(original)), copy_(copies, subtree_of(copy)) {
    original_entry_ = original_.next();
    copy_entry_ = copy_.next();
  }

  struct Found {
    const Entry* original = nullptr;
    const Entry* copy = nullptr;  // both or none
  };
  /// Names ascend from call to call.
  Found find(const std::string& name) {
    while (original_entry_ != nullptr && original_entry_->name() < name)
      original_entry_ = original_.next();
    while (copy_entry_ != nullptr && copy_entry_->name() < name) copy_entry_ = copy_.next();
    if (original_entry_ == nullptr || copy_entry_ == nullptr || original_entry_->name() != name ||
        copy_entry_->name() != name || original_entry_->type() != copy_entry_->type())
      return {};
    return {original_entry_, copy_entry_};
  }

 private:
  DirectoryReader original_;
  DirectoryReader copy_;
  const Entry* original_entry_ = nullptr;
  const Entry* copy_entry_ = nullptr;
};

bool same_content(const Entry& a, const Entry& b) {
  return a.size() == b.size() && a.extents_root() == b.extents_root() &&
         std::equal(a.extents().begin(), a.extents().end(), b.extents().begin(), b.extents().end(),
                    [](const auto& x, const auto& y) {
                      return x.bytes() == y.bytes() && x.chunk() == y.chunk() &&
                             x.chunk_offset() == y.chunk_offset();
                    });
}

class TreeCopy {
 public:
  TreeCopy(Repository& from, Repository& to, Session& session, const CopyOptions& options,
           OperationProgress& progress, const OperationCounts& expected)
      : source_(from.reader(), from.keyring()),
        copies_(to.reader()),
        session_(session),
        split_key_(to.keyring().split_key()),
        options_(options),
        progress_(progress),
        counts_(expected) {}

  Entry run(const Entry& root, const Pair& base) {
    enter(root, {},
          base.original == nullptr ? BaseDirectory::Found{}
                                   : BaseDirectory::Found{&base.original->root, &base.copy->root});
    for (;;) {
      Frame& frame = *frames_.back();
      if (const Entry* entry = frame.entries.next(); entry != nullptr) {
        visit(frame, *entry);
        continue;
      }
      Entry done = std::move(frame.entry);
      if (const auto subtree = frame.builder.finish()) done.set_subtree(subtree->raw());
      copied_[frame.original] = done.subtree();
      frames_.pop_back();
      if (frames_.empty()) return done;
      frames_.back()->builder.add(done);
    }
  }

 private:
  struct Frame {
    Frame(ChunkSource& source, const Entry& from, Entry made, std::string at, Session& session,
          const std::array<std::byte, 16>& split_key)
        : entry(std::move(made)),
          original(from.subtree()),
          path(std::move(at)),
          entries(source, subtree_of(from)),
          builder(session, split_key) {}
    Entry entry;  // the copy, without its subtree
    std::string original;
    std::string path;
    DirectoryReader entries;
    DirectoryBuilder builder;
    std::unique_ptr<BaseDirectory> base;
  };

  void visit(Frame& frame, const Entry& entry) {
    throw_if_stopped(options_.stop);
    const std::string path = frame.path.empty() ? entry.name() : frame.path + '/' + entry.name();
    try {
      show(path);
      const auto old = frame.base ? frame.base->find(entry.name()) : BaseDirectory::Found{};
      if (entry.type() == EntryType::ENTRY_DIRECTORY) {
        visit_directory(frame, entry, path, old);
      } else {
        Entry made = without_chunks(entry);
        if (entry.type() == EntryType::ENTRY_FILE) copy_content(entry, made, old);
        frame.builder.add(made);
        ++counts_.items;
      }
    } catch (Error& error) {
      if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found)
        error.add_context(path);
      throw;
    }
  }

  void visit_directory(Frame& frame, const Entry& entry, const std::string& path,
                       const BaseDirectory::Found& old) {
    ++counts_.items;
    const bool is_known = old.original != nullptr && old.original->subtree() == entry.subtree();
    const auto copied = copied_.find(entry.subtree());
    if (!is_known && copied == copied_.end() && !entry.subtree().empty()) {
      enter(entry, path, old);
      return;
    }
    Entry made = without_chunks(entry);
    made.set_subtree(is_known                  ? old.copy->subtree()
                     : copied != copied_.end() ? copied->second
                                               : std::string{});
    frame.builder.add(made);
  }

  void enter(const Entry& entry, const std::string& path, const BaseDirectory::Found& old) {
    if (frames_.size() >= kMaxDirectoryDepth)
      throw Error{ErrorCode::corrupt, "the directories are too deep"};
    auto frame =
        std::make_unique<Frame>(source_, entry, without_chunks(entry), path, session_, split_key_);
    if (old.original != nullptr)
      frame->base = std::make_unique<BaseDirectory>(source_, copies_, *old.original, *old.copy);
    frames_.push_back(std::move(frame));
  }

  /// All of the entry but content and subtree; long xattrs become chunks of the other repository.
  Entry without_chunks(const Entry& entry) {
    Entry made = entry;
    made.clear_xattrs();
    made.clear_extents();
    made.clear_extents_root();
    made.clear_subtree();
    for (const auto& xattr : entry.xattrs())
      add_xattr(made, session_, xattr.name(), xattr_value(xattr, source_));
    return made;
  }

  void copy_content(const Entry& entry, Entry& made, const BaseDirectory::Found& old) {
    if (old.original != nullptr && same_content(*old.original, entry) &&
        old.copy->size() == entry.size()) {
      *made.mutable_extents() = old.copy->extents();
      made.set_extents_root(old.copy->extents_root());
      counts_.bytes += entry.size();
      return;
    }
    ExtentListBuilder builder{session_};
    ExtentReader extents{source_, entry};
    std::deque<Extent> ahead;
    for (std::uint64_t known = 0;;) {
      while (ahead.size() < kAhead && known < entry.size()) {
        const auto located = extents.at(known);
        if (!located)
          throw Error{ErrorCode::corrupt, "the file's list of extents ends before the file"};
        known = located->start + located->extent.bytes;
        if (!ahead.empty() && located->extent.chunk)
          source_.prefetch(ChunkKind::data, *located->extent.chunk);
        ahead.push_back(located->extent);
      }
      if (ahead.empty()) break;
      throw_if_stopped(options_.stop);
      Extent extent = ahead.front();
      ahead.pop_front();
      if (extent.chunk) extent.chunk = copy_chunk(extent);
      builder.add(extent);
      counts_.bytes += extent.bytes;
      show({});
    }
    builder.finish(made);
  }

  ChunkId copy_chunk(const Extent& extent) {
    const ChunkView view = source_.view(ChunkKind::data, *extent.chunk);
    if (extent.chunk_offset > view.bytes.size() ||
        extent.bytes > view.bytes.size() - extent.chunk_offset) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("an extent reaches beyond its chunk {}", extent.chunk->short_hex())};
    }
    return session_.put(ChunkKind::data, view.bytes);
  }

  void show(const std::string& path) {
    if (!path.empty()) current_ = path;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_update_) return;
    next_update_ = now + kUpdateInterval;
    progress_.update(counts_, current_);
  }

  VerifiedSource source_;
  ChunkReader& copies_;
  Session& session_;
  const std::array<std::byte, 16>& split_key_;
  const CopyOptions& options_;
  OperationProgress& progress_;
  OperationCounts counts_;
  std::string current_;
  std::chrono::steady_clock::time_point next_update_;
  std::vector<std::unique_ptr<Frame>> frames_;
  /// Subtrees of this snapshot, each copied once: a small tree can name itself a million times.
  std::unordered_map<std::string, std::string> copied_;
};

}  // namespace

SnapshotOrigin origin_of(const Snapshot& snapshot, const RepositoryId& repository) {
  constexpr std::size_t kHexBytes = 64;
  const std::string_view text = snapshot.trigger;
  if (snapshot.author.role == Role::full && text.starts_with(kTrigger) &&
      text.size() == kTrigger.size() + 2 * kHexBytes + 1 &&
      text[kTrigger.size() + kHexBytes] == '/') {
    const auto from = RepositoryId::parse(text.substr(kTrigger.size(), kHexBytes));
    const auto id = SnapshotId::parse(text.substr(kTrigger.size() + kHexBytes + 1));
    if (from && id) return {*from, *id};
  }
  return {repository, snapshot.id};
}

CopyPlan plan_copy(Repository& from, Repository& to, const std::vector<ListedSnapshot>& chosen) {
  if (from.config().repository == to.config().repository) {
    throw Error{ErrorCode::usage, "both are the same repository",
                "a repository is copied as a whole by copying its files"};
  }
  std::set<SnapshotOrigin> there;
  for (const auto list = to.snapshots(); const ListedSnapshot& listed : list->snapshots)
    there.insert(origin_of(*listed.snapshot, to.config().repository));
  CopyPlan plan;
  for (const ListedSnapshot& listed : chosen) {
    const bool is_there = there.contains(origin_of(*listed.snapshot, from.config().repository));
    (is_there ? plan.skipped : plan.wanted).push_back(listed);
  }
  return plan;
}

ListedSnapshot copy_snapshot(Repository& from, Repository& to, const ListedSnapshot& listed,
                             const CopyOptions& options, OperationProgress& progress) {
  const Snapshot& snapshot = *listed.snapshot;
  if (snapshot.kind != kTreeSnapshot)
    throw Error{ErrorCode::unsupported, "this version does not know snapshots of this kind"};
  const SourceLock lock =
      SourceLock::acquire(to.source_directory(snapshot.host, snapshot.source), 0);
  Session session{to,
                  {.host = snapshot.host,
                   .source = snapshot.source,
                   .compression_level = options.compression_level,
                   .threads = options.threads}};
  // After the session has refreshed it: what it builds upon is what the session knows.
  const auto originals = from.snapshots();
  const auto copies = to.snapshots();
  const Pair base = find_base(from, to, *originals, *copies, listed);
  OperationCounts expected;
  expected.total_bytes = snapshot.statistics.logical_bytes();
  SnapshotDraft draft;
  draft.root = TreeCopy{from, to, session, options, progress, expected}.run(snapshot.root, base);
  draft.paths = snapshot.paths;
  if (base.copy != nullptr) draft.parent = base.copy->id;
  draft.tags = listed.tags;
  draft.statistics = snapshot.statistics;
  const SnapshotOrigin origin = origin_of(snapshot, from.config().repository);
  draft.trigger = fmt::format("{}{}/{}", kTrigger, origin.repository.hex(), origin.snapshot.hex());
  draft.time = snapshot.time;
  throw_if_stopped(options.stop);
  return session.commit(draft);
}

}  // namespace vgerfs::repo
