// Sockets to listen at: made here, or handed over by systemd.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "server/server_config.h"

namespace vgerfs::server {

struct ListenSocket {
  Fd fd;
  std::string address;      ///< with the port that it got: "127.0.0.1:40123", "unix:/run/x.sock"
  std::string socket_path;  ///< to be removed at the end; empty if that is not ours to do
};

/// Binds and listens. A unix socket gets mode 0660, and one that nobody answers at is replaced.
/// Throws `busy` if the address is taken.
ListenSocket listen_at(const ListenAddress& address);

/// What systemd (or systemd-socket-activate) has opened for this process; empty if nothing.
std::vector<ListenSocket> inherited_sockets();

/// The address of a connected peer, for logs; "unix" for a unix socket.
std::string peer_address(int fd);

}  // namespace vgerfs::server
