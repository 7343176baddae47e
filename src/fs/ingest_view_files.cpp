// Open files: reading, writing, truncation, and what a close has to say.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_reader.h"
#include "fs/ingest_view.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

bool may_write(int flags) noexcept { return (flags & O_ACCMODE) != O_RDONLY; }

void check_range(std::uint64_t offset, std::uint64_t length) {
  if (offset > repo::kMaxFileBytes || length > repo::kMaxFileBytes - offset) throw FsError{EFBIG};
}

}  // namespace

void IngestView::change_content(SourceChange& change, const InodePtr& inode, const Caller& caller,
                                const std::function<void(FileContent&)>& work) {
  bool stripped = false;
  std::size_t run_bytes = 0;
  for (;;) {
    std::shared_ptr<FileContent> content;
    {
      const TreeLock lock{context_.tree.mutex};
      if (inode->source != &change.source()) throw FsError{ESTALE};
      if (!inode->content) {
        inode->content = std::make_shared<FileContent>(inode->stored);
        inode->stored = nullptr;
      }
      content = inode->content;
    }
    const std::lock_guard content_lock{content->mutex()};
    if (content->detached) continue;
    std::exception_ptr failure;
    try {
      work(*content);
    } catch (...) {
      // Part of it may have been done, and is part of the file.
      failure = std::current_exception();
      content->failure = failure;
    }
    run_bytes = content->run_bytes();
    {
      const TreeLock lock{context_.tree.mutex};
      IngestSource& source = change.source();
      const auto before = static_cast<std::int64_t>(inode->bytes);
      inode->bytes = content->bytes();
      inode->hole_bytes = content->hole_bytes();
      if (inode->link_count != 0)
        source.totals.bytes += static_cast<std::int64_t>(inode->bytes) - before;
      if (!std::exchange(inode->content_changed, true)) ++source.files_changed;
      stripped = strip_privileges(*inode, caller);
      touch(*inode, true);
    }
    if (failure) std::rethrow_exception(failure);
    break;
  }
  if (stripped) context_.invalidate_attributes(inode->node);
  close_runs(context_.runs.note(inode, run_bytes));
}

void IngestView::close_runs(const std::vector<InodePtr>& files) {
  for (const InodePtr& file : files) {
    // Not waiting: a commit that runs closes them itself.
    auto change = enter_source_of(*file, &IngestSource::try_change);
    if (!change) continue;
    std::shared_ptr<FileContent> content;
    {
      const TreeLock lock{context_.tree.mutex};
      content = file->content;
    }
    if (!content) continue;
    const std::lock_guard content_lock{content->mutex()};
    if (content->detached) continue;
    try {
      content->close_run(change->port());
    } catch (const std::exception& error) {
      log::warning("a file could not be stored yet: {}", error.what());
      content->failure = std::current_exception();
    }
  }
}

void IngestView::put_to_rest(SourceChange& change, const InodePtr& inode) {
  std::shared_ptr<FileContent> content;
  {
    const TreeLock lock{context_.tree.mutex};
    content = inode->content;
  }
  if (!content) return;
  const std::lock_guard content_lock{content->mutex()};
  if (content->detached) return;
  try {
    content->close_run(change.port());
  } catch (const std::exception& error) {
    // Nobody is left to be told but whoever commits; the bytes wait in memory.
    log::warning("a file could not be stored yet: {}", error.what());
    content->failure = std::current_exception();
    return;
  }
  context_.runs.note(inode, 0);
  auto stored = content->at_rest(repo::kMaxInlineExtents, change.source().epoch);
  if (!stored) return;
  const TreeLock lock{context_.tree.mutex};
  if (inode->handles != 0 || inode->content != content) return;
  // What the journal was not told as changes it is told as a whole.
  if (!content->unjournaled().empty() || content->all_unjournaled()) {
    inode->journal_content = true;
    context_.tree.mark_unjournaled(*inode);
  }
  inode->hole_bytes = content->hole_bytes();
  inode->stored = stored->bytes != 0 ? std::move(stored) : nullptr;
  inode->content = nullptr;
  content->detached = true;
}

void IngestView::truncate(NodeId node, std::uint64_t bytes, const Caller& caller) {
  check_range(bytes, 0);
  SourceChange change = change_of(node);
  InodePtr inode;
  {
    const TreeLock lock{context_.tree.mutex};
    inode = context_.tree.find(node);
    if (inode->is_directory()) throw FsError{EISDIR};
    if (!inode->is_file()) throw FsError{EINVAL};
  }
  change_content(change, inode, caller, [&](FileContent& content) {
    content.truncate(bytes);
    if (bytes == 0) content.failure = nullptr;  // what could not be stored is not wanted any more
  });
  put_to_rest(change, inode);
}

IngestFs::Opened IngestView::open_file(NodeId node, int flags, const Caller& caller) {
  source_of(node);
  if ((flags & O_TRUNC) != 0 && may_write(flags)) truncate(node, 0, caller);
  InodePtr inode;
  ContentView view;
  {
    const TreeLock lock{context_.tree.mutex};
    inode = context_.tree.find(node);
    if (inode->is_directory()) throw FsError{EISDIR};
    if (!inode->is_file()) throw FsError{ENXIO};
    view = view_of(*inode);
  }
  // Who can only read has to be told now that there is nothing to read.
  if (!may_write(flags) && !is_readable(view)) throw FsError{EACCES};
  const TreeLock lock{context_.tree.mutex};
  if (inode->source == nullptr) throw FsError{ESTALE};
  return {.handle = add_handle(inode, flags), .no_flush = !may_write(flags)};
}

IngestFs::Created IngestView::create(NodeId parent, std::string_view name, mode_t mode, int flags,
                                     const Caller& caller) {
  if (parent == kIngestRoot) throw FsError{EPERM};
  SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode =
      make(lock, change.source(), parent, name, S_IFREG | (mode & 07777U), caller);
  inode->content_changed = true;
  ++change.source().files_changed;
  return {.node = reply_of(inode),
          .opened = {.handle = add_handle(inode, flags), .no_flush = !may_write(flags)}};
}

std::size_t IngestView::read(NodeId /*node*/, HandleId handle, std::uint64_t offset,
                             MutableBytes out) {
  const auto file = handle_of(handle);
  if (offset > repo::kMaxFileBytes) return 0;
  ContentView view;
  {
    const TreeLock lock{context_.tree.mutex};
    if (file->inode->source == nullptr) throw FsError{EACCES};  // its session was discarded
    file->inode->source->last_request_ns = context_.clock.boot_ns();
    view = view_of(*file->inode);
  }
  return read_content(context_, view, offset, out);
}

void IngestView::note_written(FileHandle& handle, bool written) {
  if (handle.written == written) return;
  handle.written = written;
  IngestSource* source = handle.inode->source;
  if (source == nullptr) return;
  auto& count = source->written[handle.inode.get()];
  if (written) {
    ++count;
    return;
  }
  if (count <= 1) {
    source->written.erase(handle.inode.get());
  } else {
    --count;
  }
  source->flushed.notify_all();
}

void IngestView::write(NodeId node, HandleId handle, std::uint64_t offset, ByteView bytes,
                       const Caller& caller) {
  const auto file = handle_of(handle);
  if (!may_write(file->flags)) throw FsError{EBADF};
  check_range(offset, bytes.size());
  SourceChange change = change_of(node);
  {
    const TreeLock lock{context_.tree.mutex};
    note_written(*file, true);
    change.source().bytes_received += bytes.size();
  }
  change_content(change, file->inode, caller, [&](FileContent& content) {
    // The kernel's idea of the end may be older than another handle's write.
    const std::uint64_t at = (file->flags & O_APPEND) != 0 ? content.bytes() : offset;
    check_range(at, bytes.size());
    content.write(change.port(), at, bytes);
  });
}

void IngestView::preallocate(NodeId node, HandleId handle, PreallocateMode mode,
                             std::uint64_t offset, std::uint64_t length, const Caller& caller) {
  const auto file = handle_of(handle);
  if (!may_write(file->flags)) throw FsError{EBADF};
  if (length == 0) throw FsError{EINVAL};
  check_range(offset, length);
  if (mode == PreallocateMode::keep_size) return;  // there are no blocks to be had
  SourceChange change = change_of(node);
  {
    const TreeLock lock{context_.tree.mutex};
    note_written(*file, true);
  }
  change_content(change, file->inode, caller, [&](FileContent& content) {
    switch (mode) {
      case PreallocateMode::allocate: content.extend(offset + length); break;
      case PreallocateMode::punch_hole: content.punch(offset, length); break;
      case PreallocateMode::zero_range:
        content.punch(offset, length);
        content.extend(offset + length);
        break;
      case PreallocateMode::keep_size: break;
    }
  });
}

std::uint64_t IngestView::seek(NodeId /*node*/, HandleId handle, std::uint64_t offset, bool data) {
  const auto file = handle_of(handle);
  ContentView view;
  {
    const TreeLock lock{context_.tree.mutex};
    if (file->inode->source == nullptr) throw FsError{ESTALE};
    view = view_of(*file->inode);
  }
  return seek_content(view, offset, data);
}

void IngestView::retry_failed(SourceChange& change, FileContent& content) {
  content.close_run(change.port());
  // A write that was refused has left nothing to be tried again.
  if (content.failure && change.session().is_blocked()) std::rethrow_exception(content.failure);
  content.failure = nullptr;
}

void IngestView::flush(NodeId /*node*/, HandleId handle) {
  const auto file = handle_of(handle);
  {
    const TreeLock lock{context_.tree.mutex};
    note_written(*file, false);
  }
  // Not waiting for a commit: it may wait for this very flush.
  auto change = enter_source_of(*file->inode, &IngestSource::try_change);
  std::shared_ptr<FileContent> content;
  {
    const TreeLock lock{context_.tree.mutex};
    if (file->inode->source != nullptr) content = file->inode->content;
  }
  if (!content) return;
  const std::lock_guard content_lock{content->mutex()};
  // While the store takes nothing more, every file would leave its bytes in memory: who closes it
  // has to be told, for what RELEASE meets nobody hears.
  const bool blocked = change && change->session().is_blocked();
  if (!content->failure && !blocked) return;
  if (!change) std::rethrow_exception(content->failure);
  retry_failed(*change, *content);
}

void IngestView::release(NodeId /*node*/, HandleId handle) noexcept {
  std::shared_ptr<FileHandle> file;
  {
    const std::lock_guard lock{handles_mutex_};
    const auto found = files_.find(handle);
    if (found == files_.end()) return;
    file = std::move(found->second);
    files_.erase(found);
  }
  InodePtr inode = file->inode;
  IngestSource* source = nullptr;
  {
    const TreeLock lock{context_.tree.mutex};
    note_written(*file, false);
    source = inode->source;
    if (source != nullptr) --source->open_handles;
    if (--inode->handles == 0 && (inode->link_count == 0 || source == nullptr)) {
      inode->content = nullptr;
      inode->stored = nullptr;
      context_.runs.note(inode, 0);
    }
    if (inode->handles != 0 || !inode->content || source == nullptr) {
      context_.tree.drop_unused(*inode);
      return;
    }
  }
  try {
    if (auto change = enter_source_of(*inode, &IngestSource::try_change))
      put_to_rest(*change, inode);
  } catch (const std::exception& error) {
    log::error("after a close: {}", error.what());
  }
  const TreeLock lock{context_.tree.mutex};
  context_.tree.drop_unused(*inode);
}

void IngestView::sync_file(NodeId /*node*/, HandleId handle) {
  const auto file = handle_of(handle);
  {
    const TreeLock lock{context_.tree.mutex};
    if (file->inode->source == nullptr) throw FsError{ESTALE};
  }
  auto change = enter_source_of(*file->inode, &IngestSource::running_change);
  if (!change) return;  // nothing is newer than the last snapshot
  std::shared_ptr<FileContent> content;
  {
    const TreeLock lock{context_.tree.mutex};
    content = file->inode->content;
  }
  if (content) {
    const std::lock_guard content_lock{content->mutex()};
    if (content->failure) retry_failed(*change, *content);
  }
  change->source().journal.sync();
}

}  // namespace vgerfs::fs
