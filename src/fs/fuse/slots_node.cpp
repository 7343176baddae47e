#include <fcntl.h>
#include <sys/sysmacros.h>

#include "fs/fuse/binding.h"
#include "fs/fuse/slots.h"

namespace vgerfs::fs {
namespace {

AttributeChange change_of(const struct stat& wanted, int which) {
  const auto has = [&](int flag) { return (which & flag) != 0; };
  AttributeChange change;
  if (has(FUSE_SET_ATTR_MODE)) change.mode = wanted.st_mode & 07777U;
  if (has(FUSE_SET_ATTR_UID)) change.uid = wanted.st_uid;
  if (has(FUSE_SET_ATTR_GID)) change.gid = wanted.st_gid;
  if (has(FUSE_SET_ATTR_SIZE)) change.size = static_cast<std::uint64_t>(wanted.st_size);
  const auto time_of = [](timespec time) {
    return Timestamp{time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
  };
  change.atime_now = has(FUSE_SET_ATTR_ATIME_NOW);
  change.mtime_now = has(FUSE_SET_ATTR_MTIME_NOW);
  if (has(FUSE_SET_ATTR_ATIME) && !change.atime_now) change.atime = time_of(wanted.st_atim);
  if (has(FUSE_SET_ATTR_MTIME) && !change.mtime_now) change.mtime = time_of(wanted.st_mtim);
  return change;
}

/// Sends a node that was found or made; gives it back if nobody wants it any more.
void reply_entry(Binding& binding, Reply& reply, NodeId parent, const NodeReply& node) {
  if (!reply.entry(node, binding.lifetime(parent, node.node))) binding.forget(node.node, 1);
}

}  // namespace

namespace slots {

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    try {
      reply_entry(binding, reply, parent,
                  binding.on_view(parent, [&](auto& view) { return view.lookup(parent, name); }));
    } catch (const FsError& error) {
      if (error.error_number() != ENOENT) throw;
      reply.absent(binding.entry_lifetime(parent));
    }
  });
}

void forget(fuse_req_t request, fuse_ino_t node, uint64_t count) {
  binding_of(request).forget(node, count);
  ::fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) binding_of(request).forget(forgets[i].ino, forgets[i].nlookup);
  ::fuse_reply_none(request);
}

void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* /*info*/) {
  answer(request, [&](Binding& binding, Reply& reply) {
    const Attributes attributes =
        binding.on_view(node, [&](auto& view) { return view.get_attributes(node); });
    reply.attributes(attributes, binding.attribute_lifetime(node));
  });
}

void setattr(fuse_req_t request, fuse_ino_t node, struct stat* wanted, int which,
             fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    const std::optional<HandleId> handle = info != nullptr ? std::optional{info->fh} : std::nullopt;
    const Attributes attributes = binding.writable(node).set_attributes(
        node, handle, change_of(*wanted, which), caller_of(request));
    reply.attributes(attributes, binding.attribute_lifetime(node));
  });
}

void readlink(fuse_req_t request, fuse_ino_t node) {
  answer(request, [&](Binding& binding, Reply& reply) {
    reply.link(binding.on_view(node, [&](auto& view) { return view.read_link(node); }));
  });
}

void statfs(fuse_req_t request, fuse_ino_t /*node*/) {
  answer(request, [](Binding& binding, Reply& reply) { reply.statistics(binding.statistics()); });
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  answer(request, [&](Binding& binding, Reply& reply) {
    reply_entry(binding, reply, parent,
                binding.writable(parent).make_node(parent, name, mode, major(device), minor(device),
                                                   caller_of(request)));
  });
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  answer(request, [&](Binding& binding, Reply& reply) {
    reply_entry(
        binding, reply, parent,
        binding.writable(parent).make_directory(parent, name, mode & 07777U, caller_of(request)));
  });
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    reply_entry(binding, reply, parent,
                binding.writable(parent).make_symlink(parent, name, target, caller_of(request)));
  });
}

void link(fuse_req_t request, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    IngestFs& ingest = binding.writable(new_parent);
    if (!Binding::is_ingest(node)) throw FsError{EXDEV};
    reply_entry(binding, reply, new_parent, ingest.make_link(node, new_parent, new_name));
  });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(parent).remove_file(parent, name);
    reply.ok();
  });
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(parent).remove_directory(parent, name);
    reply.ok();
  });
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags) {
  answer(request, [&](Binding& binding, Reply& reply) {
    binding.writable(new_parent);
    RenameMode mode = RenameMode::replace;
    switch (flags) {
      case 0: break;
      case RENAME_NOREPLACE: mode = RenameMode::no_replace; break;
      case RENAME_EXCHANGE: mode = RenameMode::exchange; break;
      default: throw FsError{EINVAL};
    }
    binding.writable(parent).rename(parent, name, new_parent, new_name, mode);
    reply.ok();
  });
}

}  // namespace slots
}  // namespace vgerfs::fs
