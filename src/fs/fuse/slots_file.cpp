#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "fs/fuse/binding.h"
#include "fs/fuse/slots.h"

namespace vgerfs::fs {
namespace {

/// What the kernel is to know of an open file of the ingest view: its pages are not cached, so that
/// writes come as they are made and reading is decided here.
void describe(fuse_file_info& info, const IngestFs::Opened& opened) {
  info.fh = opened.handle;
  info.direct_io = 1;
  info.noflush = opened.no_flush ? 1 : 0;
}

void open_in(BrowseFs& browse, fuse_ino_t node, fuse_file_info& info) {
  browse.open_file(node, info.flags);
  info.keep_cache = 1;
  info.noflush = 1;
}

void open_in(ControlFs& control, fuse_ino_t node, fuse_file_info& info) {
  info.fh = control.open_file(node, info.flags);
  info.direct_io = 1;
  info.noflush = (info.flags & O_ACCMODE) == O_RDONLY ? 1 : 0;
}

MutableBytes read_buffer(std::size_t size) {
  thread_local Bytes buffer;
  if (buffer.size() < size) buffer.resize(size);
  return MutableBytes{buffer}.first(size);
}

/// fallocate(2)'s modes that there are here.
PreallocateMode preallocate_mode(int mode) {
  switch (mode) {
    case 0: return PreallocateMode::allocate;
    case FALLOC_FL_KEEP_SIZE: return PreallocateMode::keep_size;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE: return PreallocateMode::punch_hole;
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE: return PreallocateMode::zero_range;
    default: throw FsError{EOPNOTSUPP};
  }
}

}  // namespace

namespace slots {

void open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    if (binding.read_only()) throw FsError{ENOSYS};
    if (Binding::is_ingest(node)) {
      const auto opened = binding.ingest().open_file(node, info->flags, caller_of(request));
      describe(*info, opened);
      if (!reply.opened(*info)) binding.ingest().release(node, opened.handle);
    } else if (Binding::is_control(node)) {
      open_in(binding.control(), node, *info);
      if (!reply.opened(*info)) binding.control().release(info->fh);
    } else {
      open_in(binding.browse(), node, *info);
      reply.opened(*info);
    }
  });
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    IngestFs& ingest = binding.writable(parent);
    const auto created =
        ingest.create(parent, name, mode & 07777U, info->flags, caller_of(request));
    describe(*info, created.opened);
    const NodeId node = created.node.node;
    if (!reply.created(created.node, binding.lifetime(parent, node), *info)) {
      ingest.release(node, created.opened.handle);
      ingest.forget(node, 1);
    }
  });
}

void read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    const auto from = static_cast<std::uint64_t>(offset);
    if (Binding::is_ingest(node)) {
      const MutableBytes buffer = read_buffer(size);
      reply.bytes(buffer.first(binding.ingest().read(node, info->fh, from, buffer)));
    } else if (Binding::is_control(node)) {
      reply.bytes(bytes_of(binding.control().read(node, info->fh, from, size)));
    } else {
      const FileBytes bytes = binding.browse().read(node, from, size);
      reply.pieces(bytes.pieces);
    }
  });
}

void write(fuse_req_t request, fuse_ino_t node, const char* bytes, size_t size, off_t offset,
           fuse_file_info* info) {
  if (Binding::is_control(node)) {
    answer_slowly(request, [node, handle = info->fh, text = std::string{bytes, size}](
                               Binding& binding, Reply& reply, const auto& interrupted) {
      binding.control().write(node, handle, text, interrupted);
      reply.written(text.size());
    });
    return;
  }
  const auto at = static_cast<std::uint64_t>(offset);
  if (Binding::is_ingest(node) && (info->flags & O_DSYNC) != 0) {
    // O_SYNC, O_DSYNC, RWF_DSYNC: for direct I/O the kernel sends no FSYNC by itself.
    answer_slowly(request, [node, at, handle = info->fh, caller = caller_of(request),
                            text = std::string{bytes, size}](Binding& binding, Reply& reply,
                                                             const auto& /*interrupted*/) {
      binding.ingest().write(node, handle, at, bytes_of(text), caller);
      binding.ingest().sync_file(node, handle);
      reply.written(text.size());
    });
    return;
  }
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(node).write(node, info->fh, at, bytes_of({bytes, size}), caller_of(request));
    reply.written(size);
  });
}

void fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    IngestFs& ingest = binding.writable(node);
    const PreallocateMode wanted = preallocate_mode(mode);
    const auto from = static_cast<std::uint64_t>(offset);
    auto bytes = static_cast<std::uint64_t>(length);
    if (wanted == PreallocateMode::zero_range && (mode & FALLOC_FL_KEEP_SIZE) != 0) {
      const std::uint64_t size = ingest.get_attributes(node).size;
      bytes = from < size ? std::min(bytes, size - from) : 0;
    }
    if (bytes != 0) ingest.preallocate(node, info->fh, wanted, from, bytes, caller_of(request));
    reply.ok();
  });
}

void lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    if (whence != SEEK_DATA && whence != SEEK_HOLE) throw FsError{EINVAL};
    if (offset < 0) throw FsError{ENXIO};
    const auto from = static_cast<std::uint64_t>(offset);
    const bool data = whence == SEEK_DATA;
    if (Binding::is_control(node)) throw FsError{EINVAL};
    reply.offset(Binding::is_ingest(node) ? binding.ingest().seek(node, info->fh, from, data)
                                          : binding.browse().seek(node, from, data));
  });
}

void flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  if (binding_of(request).read_only()) {
    ::fuse_reply_err(request, ENOSYS);
  } else if (Binding::is_control(node)) {
    answer_slowly(request, [node, handle = info->fh](Binding& binding, Reply& reply,
                                                     const auto& interrupted) {
      binding.control().flush(node, handle, interrupted);
      reply.ok();
    });
  } else {
    answer(request, [&](Binding& binding, Reply& reply) {
      if (Binding::is_ingest(node)) binding.ingest().flush(node, info->fh);
      reply.ok();
    });
  }
}

void release(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    if (Binding::is_ingest(node)) binding.ingest().release(node, info->fh);
    if (Binding::is_control(node)) binding.control().release(info->fh);
    reply.ok();
  });
}

// Never ENOSYS here and in fsyncdir: the kernel would take it for success, for ever.
void fsync(fuse_req_t request, fuse_ino_t node, int /*data_only*/, fuse_file_info* info) {
  answer_slowly(request, [node, handle = info->fh](Binding& binding, Reply& reply,
                                                   const auto& /*interrupted*/) {
    if (Binding::is_ingest(node)) binding.ingest().sync_file(node, handle);
    reply.ok();
  });
}

}  // namespace slots
}  // namespace vgerfs::fs
