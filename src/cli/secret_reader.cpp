#include "cli/secret_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::cli {
namespace {

/// Waits until a descriptor can be read, or throws Error{interrupted}.
class InterruptibleWait {
 public:
  explicit InterruptibleWait(const Io& io)
      : io_(io),
        event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        on_stop_(io.stop, Wake{event_.get()}) {
    if (!event_) throw system_error(errno, "eventfd");
  }

  void until_readable(int fd) const {
    for (;;) {
      check_interrupted(io_);
      pollfd waiting[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                          {.fd = event_.get(), .events = POLLIN, .revents = 0}};
      if (::poll(waiting, 2, -1) < 0) {
        if (errno == EINTR) continue;
        throw system_error(errno, "poll");
      }
      if (waiting[0].revents != 0) return;
    }
  }

 private:
  struct Wake {
    int fd;
    void operator()() const noexcept {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
    }
  };

  const Io& io_;
  Fd event_;
  std::stop_callback<Wake> on_stop_;
};

/// Reads until `is_end` says so of the last byte, or the file ends.
crypto::Secret read_until(int fd, std::size_t max_bytes, std::string_view what, const Io& io,
                          bool one_line) {
  const InterruptibleWait wait{io};
  crypto::Secret buffer{max_bytes + 1};
  std::size_t size = 0;
  while (size < buffer.size()) {
    wait.until_readable(fd);
    std::byte* const at = buffer.mutable_view().data() + size;
    // Byte by byte for a line: what follows it belongs to somebody else.
    const ssize_t count = ::read(fd, at, one_line ? 1 : buffer.size() - size);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) throw system_error(errno, what);
    if (count == 0) break;
    if (one_line && *at == std::byte{'\n'}) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > max_bytes)
    throw Error{ErrorCode::usage, fmt::format("{}: longer than {} bytes", what, max_bytes)};
  return crypto::Secret{buffer.view().first(size)};
}

}  // namespace

crypto::Secret read_secret(int fd, std::size_t max_bytes, std::string_view what, const Io& io) {
  return read_until(fd, max_bytes, what, io, false);
}

crypto::Secret read_secret_line(int fd, std::size_t max_bytes, std::string_view what,
                                const Io& io) {
  return read_until(fd, max_bytes, what, io, true);
}

crypto::Secret checked_passphrase(crypto::Secret secret, std::string_view what) {
  ByteView bytes = secret.view();
  if (!bytes.empty() && bytes.back() == std::byte{'\n'}) bytes = bytes.first(bytes.size() - 1);
  if (bytes.empty()) throw Error{ErrorCode::usage, fmt::format("{}: it is empty", what)};
  if (bytes.size() > kMaxPassphraseBytes) {
    throw Error{ErrorCode::usage,
                fmt::format("{}: longer than {} bytes", what, kMaxPassphraseBytes)};
  }
  if (std::find(bytes.begin(), bytes.end(), std::byte{0}) != bytes.end()) {
    throw Error{ErrorCode::usage, fmt::format("{}: a passphrase has no zero bytes", what),
                "a file of random bytes serves as key file only if vgerfs-admin wrote it"};
  }
  return bytes.size() == secret.size() ? std::move(secret) : crypto::Secret{bytes};
}

}  // namespace vgerfs::cli
