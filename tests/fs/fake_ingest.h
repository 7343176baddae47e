// An ingest view that keeps files in memory and writes down what it was asked, for tests of the
// FUSE binding.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fs/ingest_fs.h"

namespace vgerfs::testing {

/// A flat world: the root holds sources (directories), every directory files. Thread-safe.
class FakeIngest final : public fs::IngestFs {
 public:
  using NodeId = fs::NodeId;
  using HandleId = fs::HandleId;

  // What a test sees and says.

  std::vector<std::string> log() {
    const std::lock_guard lock{mutex_};
    return log_;
  }
  std::set<HandleId> open_handles() {
    const std::lock_guard lock{mutex_};
    return handles_;
  }
  /// The next call that has this effect throws it.
  void fail_next(std::exception_ptr error) {
    const std::lock_guard lock{mutex_};
    failure_ = std::move(error);
  }
  /// sync_directory waits until it is interrupted or released.
  void hold_sync() {
    const std::lock_guard lock{mutex_};
    held_ = true;
  }
  void release_sync() {
    const std::lock_guard lock{mutex_};
    held_ = false;
  }
  std::function<void()> on_sync;  // runs in the middle of sync_directory

  // The view.

  fs::NodeReply root() override { return {id(1), attributes(1)}; }
  fs::NodeReply lookup(NodeId parent, std::string_view name) override {
    const std::lock_guard lock{mutex_};
    raise();
    const auto found = names_.find({parent, std::string{name}});
    if (found == names_.end()) throw fs::FsError{ENOENT};
    return {found->second, attributes_of(found->second)};
  }
  void forget(NodeId node, std::uint64_t count) noexcept override {
    note(fmt::format("forget {} {}", number(node), count));
  }
  fs::Attributes get_attributes(NodeId node) override {
    const std::lock_guard lock{mutex_};
    return attributes_of(node);
  }
  fs::Attributes set_attributes(NodeId node, std::optional<HandleId> handle,
                                const fs::AttributeChange& change,
                                const fs::Caller& caller) override {
    note(fmt::format("setattr handle={} mode={:o} size={} mtime={} atime_now={} uid={}",
                     handle.value_or(0), change.mode.value_or(0), change.size.value_or(0),
                     change.mtime ? change.mtime->s : 0, change.atime_now, caller.uid));
    return get_attributes(node);
  }
  std::string read_link(NodeId) override { return "target"; }

  fs::NodeReply make_directory(NodeId parent, std::string_view name, mode_t mode,
                               const fs::Caller& caller) override {
    note(fmt::format("mkdir {} {:o} umask={:o}", name, mode, caller.umask));
    return add(parent, name, S_IFDIR | mode);
  }
  fs::NodeReply make_node(NodeId parent, std::string_view name, mode_t mode, std::uint32_t major,
                          std::uint32_t minor, const fs::Caller&) override {
    note(fmt::format("mknod {} {:o} {}:{}", name, mode, major, minor));
    return add(parent, name, mode);
  }
  fs::NodeReply make_symlink(NodeId parent, std::string_view name, std::string_view target,
                             const fs::Caller&) override {
    note(fmt::format("symlink {} {}", name, target));
    return add(parent, name, S_IFLNK | 0777);
  }
  fs::NodeReply make_link(NodeId node, NodeId new_parent, std::string_view new_name) override {
    note(fmt::format("link {} {}", number(node), new_name));
    return add(new_parent, new_name, S_IFREG | 0644);
  }
  void remove_file(NodeId, std::string_view name) override { note(fmt::format("unlink {}", name)); }
  void remove_directory(NodeId, std::string_view name) override {
    note(fmt::format("rmdir {}", name));
  }
  void rename(NodeId, std::string_view name, NodeId, std::string_view new_name,
              fs::RenameMode mode) override {
    note(fmt::format("rename {} {} {}", name, new_name, static_cast<int>(mode)));
  }

  Opened open_file(NodeId node, int flags, const fs::Caller&) override {
    note(fmt::format("open {} flags={:o}", number(node), flags));
    return {new_handle(), (flags & O_ACCMODE) == O_RDONLY};
  }
  Created create(NodeId parent, std::string_view name, mode_t mode, int flags,
                 const fs::Caller&) override {
    note(fmt::format("create {} {:o} flags={:o}", name, mode, flags));
    return {add(parent, name, S_IFREG | mode), {new_handle(), false}};
  }
  std::size_t read(NodeId node, HandleId, std::uint64_t offset, MutableBytes out) override {
    const std::lock_guard lock{mutex_};
    raise();
    const std::string& content = contents_[node];
    const std::string part = offset < content.size() ? content.substr(offset, out.size()) : "";
    std::copy(part.begin(), part.end(), reinterpret_cast<char*>(out.data()));
    return part.size();
  }
  void write(NodeId node, HandleId, std::uint64_t offset, ByteView bytes,
             const fs::Caller&) override {
    const std::lock_guard lock{mutex_};
    raise();
    std::string& content = contents_[node];
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    content.replace(offset, bytes.size(), text_of(bytes));
    if (content == "strip") invalidate_attributes_(node);
  }
  void preallocate(NodeId, HandleId, fs::PreallocateMode mode, std::uint64_t offset,
                   std::uint64_t length, const fs::Caller&) override {
    note(fmt::format("fallocate {} {} {}", static_cast<int>(mode), offset, length));
  }
  std::uint64_t seek(NodeId, HandleId, std::uint64_t offset, bool data) override {
    return offset + (data ? 1 : 2);
  }
  void flush(NodeId node, HandleId) override {
    note(fmt::format("flush {}", number(node)));
    const std::lock_guard lock{mutex_};
    raise();
  }
  void release(NodeId, HandleId handle) noexcept override {
    const std::lock_guard lock{mutex_};
    handles_.erase(handle);
  }
  void sync_file(NodeId node, HandleId) override {
    note(fmt::format("fsync {}", number(node)));
    const std::lock_guard lock{mutex_};
    raise();
  }
  void sync_directory(NodeId node, const std::function<bool()>& interrupted) override {
    note(fmt::format("fsyncdir {}", number(node)));
    if (on_sync) on_sync();
    std::unique_lock lock{mutex_};
    raise();
    while (held_) {
      lock.unlock();
      if (interrupted()) throw fs::FsError{EINTR};
      std::this_thread::yield();
      lock.lock();
    }
  }

  HandleId open_directory(NodeId) override { return new_handle(); }
  void read_directory(NodeId node, HandleId, std::uint64_t cookie, bool with_attributes,
                      const fs::DirectorySink& sink) override {
    std::vector<std::pair<std::string, NodeId>> found;
    {
      const std::lock_guard lock{mutex_};
      for (const auto& [key, child] : names_) {
        if (key.first == node) found.emplace_back(key.second, child);
      }
    }
    if (!fs::offer_dots(node, node, cookie, sink)) return;
    for (std::uint64_t i = cookie > fs::kFirstCookie ? cookie - fs::kFirstCookie : 0;
         i < found.size(); ++i) {
      fs::DirectoryItem item{.name = found[i].first, .next_cookie = fs::kFirstCookie + i + 1};
      item.attributes = get_attributes(found[i].second);
      if (with_attributes) item.node = found[i].second;
      if (!sink(item)) return;
    }
  }
  void release_directory(NodeId node, HandleId handle) noexcept override { release(node, handle); }

  Bytes get_xattr(NodeId, std::string_view name) override {
    if (name != "user.a") throw fs::FsError{ENODATA};
    return {std::byte{'v'}, std::byte{'a'}, std::byte{'l'}};
  }
  std::vector<std::string> list_xattrs(NodeId) override { return {"user.a", "user.b"}; }
  void set_xattr(NodeId, std::string_view name, ByteView value, bool create_only, bool replace_only,
                 const fs::Caller&) override {
    note(fmt::format("setxattr {}={} {} {}", name, text_of(value), create_only, replace_only));
  }
  void remove_xattr(NodeId, std::string_view name, const fs::Caller&) override {
    note(fmt::format("removexattr {}", name));
  }

  fs::CommitReport commit(std::string_view, std::string_view) override { return {}; }
  void commit_all(std::string_view) override {}
  std::vector<fs::SourceStatus> status() override { return {}; }
  void tick() override {}
  void suspend() noexcept override {}
  void set_invalidate(std::function<void(NodeId, std::string_view)>) override {}
  void set_invalidate_attributes(std::function<void(NodeId)> invalidate) override {
    invalidate_attributes_ = std::move(invalidate);
  }

 private:
  static NodeId id(std::uint64_t number) { return fs::node_in(fs::View::ingest, number); }
  static std::uint64_t number(NodeId node) { return node & ~id(0); }
  fs::Attributes attributes(std::uint64_t number_of_node) {
    return attributes_of(id(number_of_node));
  }
  fs::Attributes attributes_of(NodeId node) {
    fs::Attributes attributes;
    attributes.inode = node;
    attributes.mode = modes_.contains(node) ? modes_.at(node) : S_IFDIR | 0755;
    attributes.size = contents_[node].size();
    return attributes;
  }
  void raise() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  void note(std::string line) noexcept {
    const std::lock_guard lock{mutex_};
    log_.push_back(std::move(line));
  }
  fs::NodeReply add(NodeId parent, std::string_view name, mode_t mode) {
    const std::lock_guard lock{mutex_};
    raise();
    const NodeId node = id(next_number_++);
    modes_[node] = mode;
    names_[{parent, std::string{name}}] = node;
    return {node, attributes_of(node)};
  }
  HandleId new_handle() {
    const std::lock_guard lock{mutex_};
    raise();
    handles_.insert(++last_handle_);
    return last_handle_;
  }

  std::function<void(NodeId)> invalidate_attributes_;

  std::mutex mutex_;  // guards all below
  std::vector<std::string> log_;
  std::map<std::pair<NodeId, std::string>, NodeId> names_;
  std::map<NodeId, mode_t> modes_;
  std::map<NodeId, std::string> contents_;
  std::set<HandleId> handles_;
  HandleId last_handle_ = 0;
  std::uint64_t next_number_ = 2;
  std::exception_ptr failure_;
  bool held_ = false;
};

}  // namespace vgerfs::testing
