#include "server/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <systemd/sd-daemon.h>

#include "base/error.h"

namespace vgerfs::server {
namespace {

constexpr int kBacklog = 1024;
constexpr mode_t kSocketMode = 0660;

std::string text_of_address(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &storage, sizeof address);
    ::inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
    return fmt::format("{}:{}", host.data(), ntohs(address.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &storage, sizeof address);
    ::inet_ntop(AF_INET6, &address.sin6_addr, host.data(), host.size());
    return fmt::format("[{}]:{}", host.data(), ntohs(address.sin6_port));
  }
  return "unix";
}

std::string local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    throw system_error(errno, "looking at a socket");
  }
  if (storage.ss_family != AF_UNIX) return text_of_address(storage);
  sockaddr_un address{};
  std::memcpy(&address, &storage, sizeof address);
  return fmt::format("unix:{}", address.sun_path);
}

Fd open_socket(int family) {
  Fd fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) throw system_error(errno, "opening a socket");
  return fd;
}

/// Whether somebody listens there.
bool answers(const sockaddr_un& address) {
  const Fd fd = open_socket(AF_UNIX);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

ListenSocket listen_at_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  VGERFS_CHECK(path.size() < sizeof address.sun_path);
  std::copy(path.begin(), path.end(), address.sun_path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    if (answers(address)) throw Error{ErrorCode::busy, path + " is in use"};
    ::unlink(path.c_str());  // what a server that was killed has left
  }
  Fd fd = open_socket(AF_UNIX);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw system_error(errno, "binding " + path);
  }
  if (::chmod(path.c_str(), kSocketMode) != 0) throw system_error(errno, "chmod " + path);
  if (::listen(fd.get(), kBacklog) != 0) throw system_error(errno, "listening at " + path);
  return {std::move(fd), "unix:" + path, path};
}

}  // namespace

ListenSocket listen_at(const ListenAddress& address) {
  if (address.host.empty()) return listen_at_path(address.socket_path);
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (address.host.find(':') == std::string::npos) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &in.sin_addr);
    std::memcpy(&storage, &in, size = sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &in.sin6_addr);
    std::memcpy(&storage, &in, size = sizeof in);
  }
  Fd fd = open_socket(storage.ss_family);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    if (errno == EADDRINUSE) throw Error{ErrorCode::busy, address.text() + " is in use"};
    throw system_error(errno, "binding " + address.text());
  }
  if (::listen(fd.get(), kBacklog) != 0) throw system_error(errno, "listening");
  std::string got = local_address(fd.get());
  return {std::move(fd), std::move(got), {}};
}

std::vector<ListenSocket> inherited_sockets() {
  std::vector<ListenSocket> sockets;
  const int count = ::sd_listen_fds(1);
  if (count < 0) throw system_error(-count, "taking sockets from systemd");
  for (int i = 0; i < count; ++i) {
    Fd fd{SD_LISTEN_FDS_START + i};
    if (::sd_is_socket(fd.get(), AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      throw Error{ErrorCode::usage, "systemd handed over something that is no listening socket"};
    }
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      throw system_error(errno, "setting up a socket");
    }
    std::string address = local_address(fd.get());
    sockets.push_back({std::move(fd), std::move(address), {}});
  }
  return sockets;
}

std::string peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "?";
  return text_of_address(storage);
}

}  // namespace vgerfs::server
