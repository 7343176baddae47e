#include "fs/ingest_view.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace vgerfs::fs {

std::unique_ptr<IngestFs> IngestFs::open(repo::Repository& repository, IngestOptions options) {
  auto view = std::make_unique<IngestView>(repository, std::move(options));
  return view;
}

IngestView::IngestView(repo::Repository& repository, IngestOptions options)
    : context_(repository, std::move(options)),
      opened_at_(context_.clock.now()),
      jobs_([this](const std::string& source, const std::string& trigger) {
        commit(source, trigger);
      }) {}

IngestView::~IngestView() = default;

NodeReply IngestView::root() {
  NodeReply reply{.node = kIngestRoot, .attributes = {}};
  reply.attributes.inode = kIngestRoot;
  reply.attributes.mode = S_IFDIR | 0755;
  reply.attributes.uid = context_.options.owner_uid;
  reply.attributes.gid = context_.options.owner_gid;
  reply.attributes.mtime = reply.attributes.atime = reply.attributes.ctime = opened_at_;
  return reply;
}

NodeReply IngestView::reply_of(const InodePtr& inode) {
  context_.tree.reference(inode);
  return {.node = inode->node, .attributes = attributes_of(*inode)};
}

NodeReply IngestView::lookup(NodeId parent, std::string_view name) {
  if (parent == kIngestRoot) {
    IngestSource* source = find_source(name);
    const TreeLock lock{context_.tree.mutex};
    if (source == nullptr || !source->root) throw FsError{ENOENT};
    return reply_of(source->root);
  }
  source_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr directory = context_.tree.find_directory(parent);
  const InodePtr inode = context_.tree.resolve(lock, directory, name).inode;
  if (!inode) throw FsError{ENOENT};
  return reply_of(inode);
}

void IngestView::forget(NodeId node, std::uint64_t count) noexcept {
  if (node == kIngestRoot) return;
  const TreeLock lock{context_.tree.mutex};
  context_.tree.forget(node, count);
}

Attributes IngestView::get_attributes(NodeId node) {
  if (node == kIngestRoot) return root().attributes;
  source_of(node);
  const TreeLock lock{context_.tree.mutex};
  return attributes_of(*context_.tree.find(node));
}

std::string IngestView::read_link(NodeId node) {
  const TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  if (!inode->target) throw FsError{EINVAL};
  return *inode->target;
}

HandleId IngestView::open_directory(NodeId node) {
  std::shared_ptr<DirectoryCursor> cursor;
  if (node != kIngestRoot) {
    source_of(node);
    const TreeLock lock{context_.tree.mutex};
    cursor = std::make_shared<DirectoryCursor>(context_, context_.tree.find_directory(node));
  }
  const std::lock_guard lock{handles_mutex_};
  const HandleId id = next_handle_++;
  if (cursor) {
    directories_.emplace(id, std::move(cursor));
  } else {
    root_lists_.emplace(id, std::vector<std::string>{});
  }
  return id;
}

void IngestView::read_directory(NodeId node, HandleId handle, std::uint64_t cookie,
                                bool with_attributes, const DirectorySink& sink) {
  if (node != kIngestRoot) {
    std::shared_ptr<DirectoryCursor> cursor;
    {
      const std::lock_guard lock{handles_mutex_};
      const auto found = directories_.find(handle);
      if (found == directories_.end()) throw FsError{EBADF};
      cursor = found->second;
    }
    cursor->read(cookie, with_attributes, sink);
    return;
  }
  std::vector<std::string> names = cookie == 0 ? source_names() : std::vector<std::string>{};
  {
    const std::lock_guard lock{handles_mutex_};
    const auto found = root_lists_.find(handle);
    if (found == root_lists_.end()) throw FsError{EBADF};
    if (cookie == 0) found->second = std::move(names);
    names = found->second;
  }
  if (!offer_dots(kIngestRoot, kRootNode, cookie, sink)) return;
  for (std::size_t i = cookie <= kFirstCookie ? 0 : static_cast<std::size_t>(cookie - kFirstCookie);
       i < names.size(); ++i) {
    DirectoryItem item;
    item.name = names[i];
    item.next_cookie = kFirstCookie + i + 1;
    IngestSource* source = nullptr;
    try {
      source = find_source(names[i]);
    } catch (const Error& error) {
      // One that cannot be shown is listed by its name, and the others as they are: who asks for it
      // is told.
      log::warning("{}: {}", names[i], error.what());
      item.attributes.inode = number_of_base_entry(0, names[i], {});
      item.attributes.mode = S_IFDIR;
      if (!sink(item)) return;
      continue;
    }
    {
      const TreeLock lock{context_.tree.mutex};
      if (source == nullptr || !source->root) continue;
      item.attributes = attributes_of(*source->root);
      if (with_attributes) item.node = reply_of(source->root).node;
    }
    if (sink(item)) continue;
    if (with_attributes) forget(item.node, 1);
    return;
  }
}

void IngestView::release_directory(NodeId /*node*/, HandleId handle) noexcept {
  std::shared_ptr<DirectoryCursor> cursor;  // goes without the lock
  const std::lock_guard lock{handles_mutex_};
  if (const auto found = directories_.find(handle); found != directories_.end()) {
    cursor = std::move(found->second);
    directories_.erase(found);
  }
  root_lists_.erase(handle);
}

std::shared_ptr<FileHandle> IngestView::handle_of(HandleId id) const {
  const std::lock_guard lock{handles_mutex_};
  const auto found = files_.find(id);
  if (found == files_.end()) throw FsError{EBADF};
  return found->second;
}

HandleId IngestView::add_handle(const InodePtr& inode, int flags) {
  ++inode->handles;
  if (inode->source != nullptr) ++inode->source->open_handles;
  auto handle = std::make_shared<FileHandle>();
  handle->inode = inode;
  handle->flags = flags;
  const std::lock_guard lock{handles_mutex_};
  const HandleId id = next_handle_++;
  files_.emplace(id, std::move(handle));
  return id;
}

void IngestView::touch(Inode& inode, bool modified) {
  inode.ctime = context_.clock.now();
  if (modified) inode.mtime = inode.ctime;
  context_.tree.mark_dirty(inode);
}

void IngestView::set_invalidate(std::function<void(NodeId, std::string_view)> invalidate) {
  const std::lock_guard lock{context_.callbacks_mutex};
  context_.on_invalidate = std::move(invalidate);
}

void IngestView::set_invalidate_attributes(std::function<void(NodeId)> invalidate) {
  const std::lock_guard lock{context_.callbacks_mutex};
  context_.on_invalidate_attributes = std::move(invalidate);
}

}  // namespace vgerfs::fs
