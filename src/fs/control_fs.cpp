#include "fs/control_fs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

namespace vgerfs::fs {
namespace {

constexpr std::size_t kMaxLineBytes = 1024;
constexpr std::chrono::milliseconds kMaxAge{500};
constexpr std::array<std::string_view, 3> kNames = {"status", "status.json",
                                                    "commit"};  // from node 2 on
constexpr std::array<std::string_view, 3> kTriggers = {"control", "umount", "command"};

}  // namespace

ControlFs::ControlFs(ControlOptions options)
    : options_(std::move(options)), made_at_(options_.clock->now()), jobs_(options_.commit) {}

ControlFs::Node ControlFs::node_of(NodeId id) const {
  const std::uint64_t number = id & ~node_in(View::control, 0);
  if (number < 1 || number > 4 || !has(static_cast<Node>(number))) throw FsError{ESTALE};
  return static_cast<Node>(number);
}

NodeReply ControlFs::root() {
  return {id_of(Node::directory), get_attributes(id_of(Node::directory))};
}

NodeReply ControlFs::lookup(NodeId parent, std::string_view name) {
  if (node_of(parent) != Node::directory) throw FsError{ENOTDIR};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto node = static_cast<Node>(i + 2);
    if (kNames[i] == name && has(node)) return {id_of(node), get_attributes(id_of(node))};
  }
  throw FsError{ENOENT};
}

void ControlFs::forget(NodeId /*node*/, std::uint64_t /*count*/) noexcept {}

Attributes ControlFs::get_attributes(NodeId id) {
  const Node node = node_of(id);
  Attributes attributes;
  attributes.inode = id;
  attributes.uid = options_.owner_uid;
  attributes.gid = options_.owner_gid;
  attributes.mtime = made_at_;
  switch (node) {
    case Node::directory: attributes.mode = S_IFDIR | 0555; break;
    case Node::commit: attributes.mode = S_IFREG | 0600; break;
    case Node::status:
    case Node::status_json: {
      const auto text = text_of_node(node, kMaxAge);
      attributes.mode = S_IFREG | 0444;
      attributes.size = text->text.size();
      attributes.mtime = text->changed;
      break;
    }
  }
  attributes.atime = attributes.ctime = attributes.mtime;
  return attributes;
}

std::shared_ptr<const ControlFs::Text> ControlFs::text_of_node(Node node,
                                                               std::chrono::milliseconds max_age) {
  const std::int64_t now_ns = options_.clock->boot_ns();
  std::shared_ptr<const Text> known;
  {
    const std::lock_guard lock{mutex_};
    known = texts_[node];
  }
  if (known && std::chrono::nanoseconds{now_ns - known->made_ns} < max_age) return known;
  auto made = std::make_shared<Text>();
  made->text = node == Node::status ? options_.status() : options_.status_json();
  made->made_ns = now_ns;
  made->changed = known && known->text == made->text ? known->changed : options_.clock->now();
  const std::lock_guard lock{mutex_};
  texts_[node] = made;
  return made;
}

std::string ControlFs::read_link(NodeId /*node*/) { throw FsError{EINVAL}; }

void ControlFs::read_directory(NodeId id, std::uint64_t cookie, bool with_attributes,
                               const DirectorySink& sink) {
  if (!offer_dots(id, kRootNode, cookie, sink)) return;
  for (std::uint64_t i = cookie > kFirstCookie ? cookie - kFirstCookie : 0; i < kNames.size();
       ++i) {
    const auto node = static_cast<Node>(i + 2);
    if (!has(node)) continue;
    DirectoryItem item{.name = kNames[i],
                       .next_cookie = kFirstCookie + i + 1,
                       .attributes = get_attributes(id_of(node))};
    if (with_attributes) item.node = id_of(node);
    if (!sink(item)) return;
  }
}

Bytes ControlFs::get_xattr(NodeId /*node*/, std::string_view /*name*/) { throw FsError{ENODATA}; }

std::vector<std::string> ControlFs::list_xattrs(NodeId /*node*/) { return {}; }

HandleId ControlFs::open_file(NodeId id, int flags) {
  const Node node = node_of(id);
  const bool for_writing = (flags & O_ACCMODE) != O_RDONLY;
  if (node == Node::commit) {
    if ((flags & O_ACCMODE) != O_WRONLY) throw FsError{EACCES};
    const std::lock_guard lock{mutex_};
    writers_.emplace(next_handle_, std::string{});
    return next_handle_++;
  }
  if (for_writing) throw FsError{EROFS};
  auto text = text_of_node(node, std::chrono::milliseconds{0});
  const std::lock_guard lock{mutex_};
  readers_.emplace(next_handle_, std::move(text));
  return next_handle_++;
}

std::string ControlFs::read(NodeId id, HandleId handle, std::uint64_t offset, std::uint64_t size) {
  std::shared_ptr<const Text> text;
  {
    const std::lock_guard lock{mutex_};
    const auto reader = readers_.find(handle);
    text = reader != readers_.end() ? reader->second : texts_[node_of(id)];
  }
  if (!text) text = text_of_node(node_of(id), kMaxAge);
  return offset < text->text.size() ? text->text.substr(offset, size) : std::string{};
}

void ControlFs::write(NodeId id, HandleId handle, std::string_view text,
                      const std::function<bool()>& interrupted) {
  if (node_of(id) != Node::commit) throw FsError{EROFS};
  std::string pending;
  {
    const std::lock_guard lock{mutex_};
    const auto writer = writers_.find(handle);
    if (writer == writers_.end()) throw FsError{EBADF};
    pending = std::move(writer->second);
    writer->second.clear();
  }
  pending += text;
  for (std::size_t end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
    const std::string line = pending.substr(0, end);
    pending.erase(0, end + 1);
    commit_line(line, interrupted);
  }
  if (pending.size() > kMaxLineBytes) throw FsError{EINVAL};
  const std::lock_guard lock{mutex_};
  const auto writer = writers_.find(handle);
  if (writer != writers_.end()) writer->second = std::move(pending);
}

void ControlFs::flush(NodeId /*node*/, HandleId handle, const std::function<bool()>& interrupted) {
  std::string line;
  {
    const std::lock_guard lock{mutex_};
    const auto writer = writers_.find(handle);
    if (writer != writers_.end()) line.swap(writer->second);
  }
  commit_line(line, interrupted);
}

void ControlFs::release(HandleId handle) noexcept {
  const std::lock_guard lock{mutex_};
  readers_.erase(handle);
  writers_.erase(handle);
}

void ControlFs::commit_line(std::string_view line, const std::function<bool()>& interrupted) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == line.npos) return;
  line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
  const std::size_t blank = line.find_first_of(" \t");
  std::string_view trigger = kTriggers.front();
  if (blank != line.npos) {
    trigger = line.substr(line.find_first_not_of(" \t", blank));
    if (std::find(kTriggers.begin(), kTriggers.end(), trigger) == kTriggers.end())
      throw FsError{EINVAL};
  }
  jobs_.commit(line.substr(0, blank), trigger, interrupted);
}

}  // namespace vgerfs::fs
