#include "server/body_intake.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "server/error_reply.h"

namespace vgerfs::server {
namespace {

/// Small enough for the processor's cache, large enough for few system calls.
constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::uint64_t kTurnBytes = 8ULL << 20;

}  // namespace

bool take_from_socket(int socket, std::uint64_t& unread, RequestBody& body) {
  // One for each thread that waits for the disk, however many connections there are.
  thread_local Bytes piece(kPieceBytes);
  for (std::uint64_t taken = 0; unread > 0 && taken < kTurnBytes;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(unread, piece.size()));
    const ssize_t count = ::recv(socket, piece.data(), wanted, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) throw HttpError{400, "the body broke off"};
    const auto received = static_cast<std::size_t>(count);
    unread -= received;
    taken += received;
    body.write(ByteView{piece}.first(received));
  }
  return false;
}

}  // namespace vgerfs::server
