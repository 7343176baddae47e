// Requests and replies without the library that carries them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "server/route.h"

namespace vgerfs::server {

/// What of a request's header anybody looks at.
struct Request {
  Method method = Method::other;
  std::string method_text;  ///< for the log
  std::string target;
  std::string authorization;
  std::string accept;
  std::string range;
  std::string fence;  ///< Vgerfs-Fence: of the lease that this change stands under
  std::optional<std::uint64_t> content_length;
  bool is_chunked = false;
  std::string peer;  ///< address, for logs

  bool has_body() const noexcept { return is_chunked || content_length.value_or(0) > 0; }
};

/// A part of a file as a reply's body.
struct FilePart {
  std::shared_ptr<const Fd> fd;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct Reply {
  int status = 200;
  std::string content_type;
  std::string text;              ///< the body, unless there is a file
  std::optional<FilePart> file;  ///< the body
  std::vector<std::pair<std::string, std::string>> headers;
  bool without_body = false;  ///< HEAD: lengths as if there were one
  bool closes = false;        ///< the connection ends with it
  bool is_endless = false;    ///< more follows until the connection ends: no length is told

  std::uint64_t body_bytes() const noexcept { return file ? file->bytes : text.size(); }
};

/// "Bad Request" for 400.
std::string_view reason_phrase(int status) noexcept;

/// Status line and header, up to the empty line.
std::string header_text(const Reply& reply, std::int64_t now_s);

/// A text for people, with a line's end.
Reply text_reply(int status, std::string text);

/// Takes a request's body piece by piece. Destroyed before `finish`, it leaves nothing behind.
class RequestBody {
 public:
  virtual ~RequestBody() = default;
  /// May throw Error: then the request is answered with that.
  virtual void write(ByteView bytes) = 0;
  /// After the whole body.
  virtual Reply finish() = 0;
};

/// A reply that waits for something to happen, or goes on telling what happens. Its functions run
/// on threads that may block, one at a time.
class LiveReply {
 public:
  virtual ~LiveReply() = default;
  /// From now on `wake` is called whenever it is worth to ask again; it does not wait or throw.
  virtual void listen(std::function<void()> wake) = 0;
  /// nullopt: nothing yet. `is_last`: nobody waits any longer, there must be one.
  virtual std::optional<Reply> reply(bool is_last) = 0;
  /// What follows an endless reply; empty: nothing now.
  virtual std::string more() = 0;
  /// How long the reply may be waited for; after an endless one, until `quiet` is sent.
  virtual std::chrono::seconds patience() const = 0;
  /// Shows whoever reads an endless reply that all is well.
  virtual std::string_view quiet() const = 0;
};

/// The answer to a request's header: a reply at once, or somebody who wants the body first, or one
/// that takes its time.
using Answer = std::variant<Reply, std::unique_ptr<RequestBody>, std::unique_ptr<LiveReply>>;

}  // namespace vgerfs::server
