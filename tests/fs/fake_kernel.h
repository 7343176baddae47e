// The kernel's side of the FUSE protocol over a socket pair: a test sends requests and reads
// answers, without a mount.
#pragma once

#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace vgerfs::testing {

/// An answer: errno (0: success) and what follows the header.
struct Answer {
  int error = 0;
  std::string body;

  template <class Struct>
  Struct as() const {
    Struct value{};
    if (body.size() < sizeof value) throw std::runtime_error{"the answer is too short"};
    std::memcpy(&value, body.data(), sizeof value);
    return value;
  }
};

/// One entry of a READDIR or READDIRPLUS answer.
struct ListedName {
  std::string name;
  std::uint64_t node = 0;
  std::uint64_t next_offset = 0;
};

/// One thread at a time.
class FakeKernel {
 public:
  FakeKernel() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::runtime_error{"socketpair"};
    ours_ = Fd{ends[0]};
    theirs_ = ends[1];
    const int room = 4 << 20;
    for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    // The handshake is sent before anybody reads it, as the kernel does.
    fuse_init_in init{};
    init.major = 7;
    init.minor = 38;
    init.max_readahead = 1 << 17;
    init.flags = ~(FUSE_INIT_EXT | 0U);
    init_unique_ = send(FUSE_INIT, 0, bytes_of_struct(init));
  }

  /// The file system's end; it closes it.
  int descriptor() const { return theirs_; }
  fuse_init_out handshake() { return receive(init_unique_).as<fuse_init_out>(); }
  /// Answers find nobody any more, as those to a request that was killed.
  void stop_listening() { ::shutdown(ours_.get(), SHUT_RD); }
  /// As an unmount.
  void hang_up() { ours_.reset(); }

  template <class Struct>
  static std::string bytes_of_struct(const Struct& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }

  /// Sends a request; its number.
  std::uint64_t send(std::uint32_t opcode, std::uint64_t node, const std::string& body) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = next_unique_ += 2;
    header.nodeid = node;
    header.uid = 1000;
    header.gid = 100;
    header.pid = 77;
    const std::string message = bytes_of_struct(header) + body;
    if (::send(ours_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0)
      throw std::runtime_error{"send"};
    return header.unique;
  }

  Answer receive(std::uint64_t unique) {
    while (!answers_.contains(unique)) read_one();
    Answer answer = std::move(answers_.at(unique));
    answers_.erase(unique);
    return answer;
  }
  /// Whether the answer is there within the time.
  bool answered(std::uint64_t unique, int within_ms) {
    const timeval time{.tv_sec = within_ms / 1000, .tv_usec = within_ms % 1000 * 1000};
    ::setsockopt(ours_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    const bool there = answers_.contains(unique) || (read_one(true) && answers_.contains(unique));
    const timeval never{};
    ::setsockopt(ours_.get(), SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
    return there;
  }
  Answer call(std::uint32_t opcode, std::uint64_t node, const std::string& body = {}) {
    return receive(send(opcode, node, body));
  }
  template <class Struct>
  Answer call_with(std::uint32_t opcode, std::uint64_t node, const Struct& arguments,
                   const std::string& rest = {}) {
    return call(opcode, node, bytes_of_struct(arguments) + rest);
  }

  static std::string name(std::string_view text) { return std::string{text} + '\0'; }
  Answer lookup(std::uint64_t parent, std::string_view text) {
    return call(FUSE_LOOKUP, parent, name(text));
  }
  /// The node of a path from the root.
  std::uint64_t walk(std::string_view path) {
    std::uint64_t node = FUSE_ROOT_ID;
    while (!path.empty()) {
      const std::size_t end = std::min(path.find('/'), path.size());
      const Answer answer = lookup(node, path.substr(0, end));
      if (answer.error != 0) throw std::runtime_error{"walk: " + std::string{path}};
      node = answer.as<fuse_entry_out>().nodeid;
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return node;
  }
  Answer open(std::uint64_t node, std::uint32_t flags, bool directory = false) {
    fuse_open_in arguments{};
    arguments.flags = flags;
    return call_with(directory ? FUSE_OPENDIR : FUSE_OPEN, node, arguments);
  }
  Answer read(std::uint64_t node, std::uint64_t handle, std::uint64_t offset, std::uint32_t size,
              std::uint32_t opcode = FUSE_READ) {
    fuse_read_in arguments{};
    arguments.fh = handle;
    arguments.offset = offset;
    arguments.size = size;
    return call_with(opcode, node, arguments);
  }
  Answer write(std::uint64_t node, std::uint64_t handle, std::uint64_t offset,
               const std::string& text, std::uint32_t flags = 0) {
    fuse_write_in arguments{};
    arguments.flags = flags;
    arguments.fh = handle;
    arguments.offset = offset;
    arguments.size = static_cast<std::uint32_t>(text.size());
    return call_with(FUSE_WRITE, node, arguments, text);
  }
  Answer flush(std::uint64_t node, std::uint64_t handle) {
    fuse_flush_in arguments{};
    arguments.fh = handle;
    return call_with(FUSE_FLUSH, node, arguments);
  }
  std::uint64_t send_fsyncdir(std::uint64_t node) {
    return send(FUSE_FSYNCDIR, node, bytes_of_struct(fuse_fsync_in{}));
  }
  void interrupt(std::uint64_t unique) {
    fuse_interrupt_in arguments{};
    arguments.unique = unique;
    send(FUSE_INTERRUPT, 0, bytes_of_struct(arguments));
  }

  /// Reads a directory to its end, `size` bytes at a time.
  std::vector<ListedName> list(std::uint64_t node, bool plus, std::uint32_t size = 4096) {
    std::vector<ListedName> names;
    for (;;) {
      const std::uint64_t offset = names.empty() ? 0 : names.back().next_offset;
      const Answer answer = read(node, 0, offset, size, plus ? FUSE_READDIRPLUS : FUSE_READDIR);
      if (answer.error != 0) throw std::runtime_error{"readdir: " + std::to_string(answer.error)};
      if (answer.body.empty()) return names;
      parse_names(answer.body, plus, names);
    }
  }

  static void parse_names(std::string_view body, bool plus, std::vector<ListedName>& names) {
    while (!body.empty()) {
      ListedName listed;
      std::size_t at = 0;
      if (plus) {
        fuse_entry_out entry{};
        std::memcpy(&entry, body.data(), sizeof entry);
        listed.node = entry.nodeid;
        at = sizeof entry;
      }
      fuse_dirent dirent{};
      std::memcpy(&dirent, body.data() + at, sizeof(fuse_dirent));
      at += FUSE_NAME_OFFSET;
      listed.name = body.substr(at, dirent.namelen);
      listed.next_offset = dirent.off;
      names.push_back(listed);
      body.remove_prefix(FUSE_DIRENT_ALIGN(at + dirent.namelen));
    }
  }

  /// Nodes whose attributes the file system declared old.
  const std::vector<std::uint64_t>& outdated() const { return outdated_; }
  /// Names that the file system asked to forget, oldest first.
  const std::vector<std::string>& invalidated() const { return invalidated_; }

 private:
  bool read_one(bool may_time_out = false) {
    std::string message(2 << 20, '\0');
    const ssize_t got = ::recv(ours_.get(), message.data(), message.size(), 0);
    if (got < 0 && may_time_out && errno == EAGAIN) return false;
    if (got < static_cast<ssize_t>(sizeof(fuse_out_header)))
      throw std::runtime_error{"the file system hung up"};
    fuse_out_header header{};
    std::memcpy(&header, message.data(), sizeof header);
    std::string body = message.substr(sizeof header, static_cast<std::size_t>(got) - sizeof header);
    if (header.unique == 0) {
      if (header.error == FUSE_NOTIFY_INVAL_INODE) {
        outdated_.push_back(Answer{0, body}.as<fuse_notify_inval_inode_out>().ino);
      }
      if (header.error == FUSE_NOTIFY_INVAL_ENTRY) {
        invalidated_.push_back(body.substr(sizeof(fuse_notify_inval_entry_out),
                                           body.size() - 1 - sizeof(fuse_notify_inval_entry_out)));
      }
      return true;
    }
    if (!answers_.emplace(header.unique, Answer{-header.error, std::move(body)}).second) {
      throw std::runtime_error{"a request was answered twice"};
    }
    return true;
  }

  Fd ours_;
  int theirs_ = -1;
  std::uint64_t next_unique_ = 0;
  std::uint64_t init_unique_ = 0;
  std::map<std::uint64_t, Answer> answers_;
  std::vector<std::string> invalidated_;
  std::vector<std::uint64_t> outdated_;
};

}  // namespace vgerfs::testing
