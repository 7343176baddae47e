// Takes the body of a request out of its socket: received, hashed and written by one thread while
// it is still in the processor's cache, and without a buffer for each connection that waits.
#pragma once

#include <cstdint>

#include "server/http_message.h"

namespace vgerfs::server {

/// Gives `body` what has come through a socket, and subtracts it from `unread`, the bytes that the
/// body still has. Never waits for the socket, and ends after a few MiB so that others have their
/// turn. True if nothing more is there for now. Throws HttpError when the body breaks off; what
/// `body` throws is passed on, after the subtraction.
bool take_from_socket(int socket, std::uint64_t& unread, RequestBody& body);

}  // namespace vgerfs::server
