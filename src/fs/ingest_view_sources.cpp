// The sources of this host: found, made by mkdir, discarded by rmdir.
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_view.h"
#include "repo/snapshot_list.h"

namespace vgerfs::fs {
namespace {

/// Names below the client's state of this host: sources that it wrote once.
std::set<std::string> remembered_names(const IngestContext& context) {
  std::set<std::string> names;
  std::error_code error;
  const std::filesystem::path directory =
      context.repository.state_directory() + "/sources/" + context.options.host;
  for (std::filesystem::directory_iterator at{directory, error};
       !error && at != std::filesystem::directory_iterator{}; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (repo::is_valid_name(name)) names.insert(std::move(name));
  }
  return names;
}

bool is_remembered(const IngestContext& context, std::string_view name) {
  std::error_code error;
  return std::filesystem::is_directory(
      fmt::format("{}/sources/{}/{}", context.repository.state_directory(), context.options.host,
                  name),
      error);
}

}  // namespace

IngestSource& IngestView::source_named(std::string_view name) {
  if (!repo::is_valid_name(name)) throw FsError{EINVAL};
  const std::lock_guard lock{sources_mutex_};
  auto found = sources_.find(name);
  if (found == sources_.end()) {
    auto source = std::make_unique<IngestSource>(context_, std::string{name});
    found = sources_.emplace(std::string{name}, std::move(source)).first;
  }
  return *found->second;
}

IngestSource* IngestView::find_source(std::string_view name) {
  if (!repo::is_valid_name(name)) return nullptr;
  {
    const std::lock_guard lock{sources_mutex_};
    const auto found = sources_.find(name);
    if (found != sources_.end()) {
      const TreeLock tree_lock{context_.tree.mutex};
      if (found->second->root) return found->second.get();
    }
  }
  const auto list = context_.repository.snapshots();
  if (repo::latest_of(*list, context_.options.host, name) == nullptr &&
      !is_remembered(context_, name))
    return nullptr;
  IngestSource& source = source_named(name);
  const GateClosed closed{source.gate};
  source.refresh();
  const TreeLock tree_lock{context_.tree.mutex};
  return source.root ? &source : nullptr;
}

std::vector<std::string> IngestView::source_names() {
  std::set<std::string> names = remembered_names(context_);
  const auto list = context_.repository.snapshots();
  for (const repo::ListedSnapshot& each : list->snapshots) {
    if (each.snapshot->host == context_.options.host && each.snapshot->belongs_to_line)
      names.insert(each.snapshot->source);
  }
  for (IngestSource* source : all_sources()) names.insert(source->name);
  return {names.begin(), names.end()};
}

std::vector<IngestSource*> IngestView::all_sources() {
  const std::lock_guard lock{sources_mutex_};
  std::vector<IngestSource*> out;
  for (const auto& [name, source] : sources_) out.push_back(source.get());
  return out;
}

bool IngestView::has_journal(std::string_view name) const {
  return repo::Journal::exists(fmt::format("{}/sources/{}/{}/journal",
                                           context_.repository.state_directory(),
                                           context_.options.host, name));
}

IngestSource& IngestView::source_of(NodeId node) {
  const TreeLock lock{context_.tree.mutex};
  IngestSource& source = *context_.tree.find(node)->source;
  source.last_request_ns = context_.clock.boot_ns();
  return source;
}

std::optional<SourceChange> IngestView::enter_source_of(
    const Inode& inode, std::optional<SourceChange> (IngestSource::*enter)()) {
  for (;;) {
    IngestSource* source = nullptr;
    {
      const TreeLock lock{context_.tree.mutex};
      source = inode.source;
    }
    if (source == nullptr) return std::nullopt;
    std::optional<SourceChange> change = (source->*enter)();
    if (!change) return std::nullopt;
    const TreeLock lock{context_.tree.mutex};
    // Between the look and the gate it may have moved to another source.
    if (inode.source == source) return change;
  }
}

NodeReply IngestView::make_source(std::string_view name, mode_t mode, const Caller& caller) {
  if (name.size() > 128) throw FsError{ENAMETOOLONG};
  if (find_source(name) != nullptr) throw FsError{EEXIST};
  IngestSource& source = source_named(name);
  const GateClosed closed{source.gate};
  {
    const TreeLock lock{context_.tree.mutex};
    if (source.root) throw FsError{EEXIST};
  }
  source.begin_session();
  {
    // Somebody else published the source meanwhile.
    const TreeLock lock{context_.tree.mutex};
    if (source.root) throw FsError{EEXIST};
  }
  auto inode = std::make_shared<Inode>();
  inode->mode = S_IFDIR | (mode & 07777U & ~caller.umask);
  inode->uid = caller.uid;
  inode->gid = caller.gid;
  inode->mtime = inode->ctime = context_.clock.now();
  source.create_root(inode);
  source.last_request_ns = context_.clock.boot_ns();
  const TreeLock lock{context_.tree.mutex};
  return reply_of(inode);
}

void IngestView::remove_source(std::string_view name) {
  IngestSource* source = find_source(name);
  if (source == nullptr) throw FsError{ENOENT};
  const GateClosed closed{source->gate};
  {
    TreeLock lock{context_.tree.mutex};
    if (!source->root) throw FsError{ENOENT};
    if (!is_empty(lock, source->root)) throw FsError{ENOTEMPTY};
  }
  source->discard();
}

}  // namespace vgerfs::fs
