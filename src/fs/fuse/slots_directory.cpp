#include <array>
#include <exception>
#include <string>
#include <vector>

#include "fs/fuse/binding.h"
#include "fs/fuse/slots.h"

namespace vgerfs::fs {
namespace {

/// Entries as the kernel reads them, with the nodes that it will hold once they are sent.
class EntryBuffer {
 public:
  EntryBuffer(fuse_req_t request, Binding& binding, NodeId directory, std::size_t size,
              bool with_attributes)
      : request_(request),
        binding_(binding),
        directory_(directory),
        bytes_(size),
        with_attributes_(with_attributes) {}
  EntryBuffer(const EntryBuffer&) = delete;
  EntryBuffer& operator=(const EntryBuffer&) = delete;
  ~EntryBuffer() {
    for (const NodeId node : held_) binding_.forget(node, 1);
  }

  bool add(const DirectoryItem& item) {
    name_ = item.name;
    char* const to = bytes_.data() + used_;
    const std::size_t room = bytes_.size() - used_;
    const auto next = static_cast<off_t>(item.next_cookie);
    std::size_t taken = 0;
    if (with_attributes_) {
      const fuse_entry_param entry =
          entry_of({item.node, item.attributes}, binding_.lifetime(directory_, item.node));
      taken = ::fuse_add_direntry_plus(request_, to, room, name_.c_str(), &entry, next);
    } else {
      const struct stat stat = stat_of(item.attributes);
      taken = ::fuse_add_direntry(request_, to, room, name_.c_str(), &stat, next);
    }
    if (taken > room) return false;
    used_ += taken;
    if (item.node != 0) held_.push_back(item.node);
    return true;
  }

  bool empty() const noexcept { return used_ == 0; }

  void send(Reply& reply) {
    if (reply.bytes(bytes_of({bytes_.data(), used_}))) held_.clear();
  }

 private:
  fuse_req_t request_;
  Binding& binding_;
  const NodeId directory_;
  std::vector<char> bytes_;
  const bool with_attributes_;
  std::size_t used_ = 0;
  std::string name_;
  std::vector<NodeId> held_;
};

template <class View>
void read_entries(View& view, fuse_ino_t node, HandleId /*handle*/, std::uint64_t cookie,
                  bool with_attributes, const DirectorySink& sink) {
  view.read_directory(node, cookie, with_attributes, sink);
}

void read_entries(IngestFs& view, fuse_ino_t node, HandleId handle, std::uint64_t cookie,
                  bool with_attributes, const DirectorySink& sink) {
  view.read_directory(node, handle, cookie, with_attributes, sink);
}

void read_directory(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                    const fuse_file_info& info, bool with_attributes) {
  answer(request, [&](Binding& binding, Reply& reply) {
    EntryBuffer entries{request, binding, node, size, with_attributes};
    try {
      binding.on_view(node, [&](auto& view) {
        read_entries(view, node, info.fh, static_cast<std::uint64_t>(offset), with_attributes,
                     [&](const DirectoryItem& item) { return entries.add(item); });
      });
    } catch (const FsError&) {
      // What was read before the damage is shown; the next request meets it at once.
      if (entries.empty()) throw;
    }
    entries.send(reply);
  });
}

}  // namespace

namespace slots {

void opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    if (binding.read_only()) throw FsError{ENOSYS};
    if (Binding::is_ingest(node)) {
      info->fh = binding.ingest().open_directory(node);
      if (!reply.opened(*info)) binding.ingest().release_directory(node, info->fh);
      return;
    }
    const bool fixed = view_of(node) == View::browse && !BrowseFs::changes(node);
    info->keep_cache = info->cache_readdir = fixed ? 1 : 0;
    reply.opened(*info);
  });
}

void readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info) {
  read_directory(request, node, size, offset, *info, false);
}

void readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                 fuse_file_info* info) {
  read_directory(request, node, size, offset, *info, true);
}

void releasedir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  answer(request, [&](Binding& binding, Reply& reply) {
    if (Binding::is_ingest(node)) binding.ingest().release_directory(node, info->fh);
    reply.ok();
  });
}

void fsyncdir(fuse_req_t request, fuse_ino_t node, int /*data_only*/, fuse_file_info* /*info*/) {
  answer_slowly(request, [node](Binding& binding, Reply& reply, const auto& interrupted) {
    if (Binding::is_ingest(node)) binding.sync_directory(node, interrupted);
    reply.ok();
  });
}

}  // namespace slots
}  // namespace vgerfs::fs
