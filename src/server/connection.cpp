#include "server/connection.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "base/clock.h"
#include "server/body_intake.h"
#include "server/error_reply.h"
#include "server/run_blocking.h"

namespace vgerfs::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::generic::stream_protocol;
using boost::system::error_code;
using std::chrono::steady_clock;
using Parser = http::request_parser<http::buffer_body>;

constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kHeaderBufferBytes = 4 * 1024;
/// A body of unknown length is taken in such pieces; one of known length needs no buffer here.
constexpr std::size_t kBodyPieceBytes = 128 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;
/// So much of a file is sent at a time, and read ahead before if it must be.
constexpr off_t kWindowBytes = 4 << 20;
/// Smaller replies go out in one piece with their header.
constexpr std::uint64_t kSmallFileBytes = 64 * 1024;
/// Who sends or takes a body more slowly than this over its whole length is cut off.
constexpr std::uint64_t kMinBytesPerSecond = 1024;
constexpr std::chrono::seconds kLinger{3};
constexpr std::size_t kMaxForwardedBytes = 64;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

Method method_of(http::verb verb) {
  switch (static_cast<int>(verb)) {
    case static_cast<int>(http::verb::get): return Method::get;
    case static_cast<int>(http::verb::head): return Method::head;
    case static_cast<int>(http::verb::post): return Method::post;
    case static_cast<int>(http::verb::delete_): return Method::remove;
    default: return Method::other;
  }
}

std::string text(boost::beast::string_view view) { return std::string{view.data(), view.size()}; }

/// Bytes of a small file into the reply itself.
void load_small_file(Reply& reply) {
  if (!reply.file || reply.without_body || reply.file->bytes > kSmallFileBytes) return;
  reply.text.resize(reply.file->bytes);
  const MutableBytes out{reinterpret_cast<std::byte*>(reply.text.data()), reply.text.size()};
  if (read_at(reply.file->fd->get(), out, reply.file->offset, "an object") != out.size()) {
    throw Error{ErrorCode::io, "an object became shorter while it was read"};
  }
  reply.file.reset();
}

/// Whether both ends of a part of a file are in memory. Then the rest is, too, but for odd cases.
bool is_in_memory(int file, off_t begin, off_t end) {
  for (const off_t at : {begin, end - 1}) {
    std::byte byte{};
    const iovec target{&byte, 1};
    if (::preadv2(file, &target, 1, at, RWF_NOWAIT) != 1) return false;
  }
  return true;
}

class ServedConnection final : public Connection,
                               public std::enable_shared_from_this<ServedConnection> {
 public:
  ServedConnection(const ConnectionParts& parts, Fd socket, std::string peer,
                   std::function<void()> ended)
      : parts_(parts),
        strand_(asio::make_strand(parts.io)),
        socket_(strand_),
        timer_(strand_),
        bell_timer_(strand_),
        peer_(std::move(peer)),
        ended_(std::move(ended)) {
    // The family is not looked at: the socket is connected already.
    socket_.assign(stream_protocol{AF_UNIX, 0}, socket.release());
    socket_.native_non_blocking(true);
  }

  void start() {
    asio::co_spawn(
        strand_, [self = shared_from_this()] { return self->run(); }, asio::detached);
  }

  void drain() override {
    asio::post(strand_, [self = shared_from_this()] {
      self->draining_ = true;
      self->bell_timer_.cancel();
      if (self->idle_) self->shut_down();
    });
  }

 private:
  /// Ends what waits for the socket if that takes too long. One at a time.
  class Deadline {
   public:
    Deadline(ServedConnection& connection, steady_clock::time_point at) : connection_(connection) {
      connection_.arm(at);
    }
    ~Deadline() { connection_.disarm(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

   private:
    ServedConnection& connection_;
  };

  /// How long a body may take: no pause longer than the stall time-out, and not too slow on the
  /// whole.
  class Pace {
   public:
    explicit Pace(std::chrono::seconds stall) : stall_(stall), started_(steady_clock::now()) {}
    void count(std::uint64_t bytes) { bytes_ += bytes; }
    steady_clock::time_point deadline() const {
      const auto whole =
          started_ + stall_ +
          std::chrono::seconds{static_cast<std::int64_t>(bytes_ / kMinBytesPerSecond)};
      return std::min(steady_clock::now() + stall_, whole);
    }

   private:
    std::chrono::seconds stall_;
    steady_clock::time_point started_;
    std::uint64_t bytes_ = 0;
  };

  void arm(steady_clock::time_point at) {
    timer_.expires_at(at);
    timer_.async_wait([self = shared_from_this(), turn = ++turn_](error_code failure) {
      if (!failure && turn == self->turn_) self->shut_down();
    });
  }

  void disarm() {
    ++turn_;
    timer_.cancel();
  }

  /// Whatever waits for the socket ends; the descriptor stays valid for those who use it.
  void shut_down() {
    error_code ignored;
    socket_.shutdown(stream_protocol::socket::shutdown_both, ignored);
  }

  asio::awaitable<void> run() {
    parts_.metrics.connection_opened();
    try {
      while (co_await serve_one() && !draining_) {
      }
    } catch (const std::exception& error) {
      parts_.log.write(Severity::warning, "connection_failed",
                       {{"peer", peer_}, {"error", error.what()}});
    }
    error_code ignored;
    socket_.close(ignored);
    parts_.metrics.connection_closed();
    ended_();
  }

  std::chrono::seconds seconds(std::uint64_t ServerConfig::*member) const {
    return std::chrono::seconds{static_cast<std::int64_t>((*parts_.service.config()).*member)};
  }

  /// False when the connection is over.
  asio::awaitable<bool> serve_one() {
    if (buffer_.size() == 0) {
      buffer_.shrink_to_fit();  // thousands of idle connections hold no buffers
      if (!co_await wait_for_request()) co_return false;
    }
    Parser parser;
    parser.header_limit(kMaxHeaderBytes);
    parser.body_limit(boost::none);
    buffer_.reserve(kHeaderBufferBytes);
    auto started = steady_clock::now();
    {
      const Deadline deadline{*this, started + seconds(&ServerConfig::request_timeout_seconds)};
      const auto [failure, count] =
          co_await http::async_read_header(socket_, buffer_, parser, kAsTuple);
      if (failure) {
        const bool is_parse_error =
            failure.category() == error_code{http::error::bad_value}.category() &&
            failure != http::error::end_of_stream && failure != http::error::partial_message;
        if (!is_parse_error) co_return false;
        header_failure_ = failure == http::error::header_limit  ? 431
                          : failure == http::error::bad_version ? 505
                                                                : 400;
      }
    }
    if (header_failure_ != 0) {
      co_await refuse(text_reply(header_failure_, "this is no request that can be understood"));
      co_return false;
    }

    const Request request = request_of(parser);
    unread_ = parser.chunked() ? 0 : parser.content_length().value_or(0);
    const auto body_is_read = [&] { return parser.chunked() ? parser.is_done() : unread_ == 0; };
    std::uint64_t received = 0;
    const auto begin = [&] {
      Answer answer = parts_.service.begin(request);
      if (auto* const reply = std::get_if<Reply>(&answer)) load_small_file(*reply);
      return answer;
    };
    Answer answer = co_await run_blocking(parts_.disk, begin);
    Reply reply;
    auto* const live = std::get_if<std::unique_ptr<LiveReply>>(&answer);
    if (auto* const ready = std::get_if<Reply>(&answer)) {
      reply = std::move(*ready);
    } else if (live) {
      reply = co_await wait_for_reply(**live, request);
      started = steady_clock::now();  // what was waited for is not how long it took
    } else {
      auto& body = std::get<std::unique_ptr<RequestBody>>(answer);
      reply = co_await take_body(parser, body, request, received);
    }
    reply.closes = reply.closes || !body_is_read();  // a body that nobody reads
    const bool keeps = parser.keep_alive() && !draining_ && !reply.closes;
    reply.closes = !keeps;
    const int status = reply.status;
    const std::uint64_t length = reply.without_body ? 0 : reply.body_bytes();
    bool sent = false;
    if (reply.is_endless) {
      sent = co_await send(reply) && co_await keep_telling(**live);
    } else if (body_is_read()) {
      sent = co_await send(reply);
    } else {
      co_await refuse(std::move(reply));
    }
    const std::chrono::duration<double> took = steady_clock::now() - started;
    parts_.metrics.count_request(request.method, status, took.count(), received, length);
    co_return sent&& keeps;
  }

  asio::awaitable<Reply> wait_for_reply(LiveReply& live, const Request& request) {
    live.listen([connection = weak_from_this()] {
      const auto self = connection.lock();
      if (!self) return;
      asio::post(self->strand_, [self] {
        self->has_rung_ = true;
        self->bell_timer_.cancel();
      });
    });
    const auto until = steady_clock::now() + live.patience();
    std::exception_ptr failure;
    try {
      for (;;) {
        has_rung_ = false;
        const bool is_last = draining_ || steady_clock::now() >= until;
        const auto ask = [&] { return live.reply(is_last); };
        auto reply = co_await run_blocking(parts_.disk, ask);
        if (reply) co_return std::move(*reply);
        co_await wait_for_bell(until);
      }
    } catch (...) {
      failure = std::current_exception();
    }
    co_return parts_.service.failure(request, failure);
  }

  asio::awaitable<bool> keep_telling(LiveReply& live) {
    while (!draining_) {
      has_rung_ = false;
      const auto ask = [&] { return live.more(); };
      std::string text = co_await run_blocking(parts_.disk, ask);
      if (text.empty()) {
        const auto until = steady_clock::now() + live.patience();
        co_await wait_for_bell(until);
        if (steady_clock::now() < until) continue;
        text = live.quiet();
      }
      const Deadline deadline{*this,
                              steady_clock::now() + seconds(&ServerConfig::stall_timeout_seconds)};
      const auto [failure, count] =
          co_await asio::async_write(socket_, asio::buffer(text), kAsTuple);
      if (failure) co_return false;
    }
    co_return true;
  }

  /// Until there is something new, or `until`, or the server stops.
  asio::awaitable<void> wait_for_bell(steady_clock::time_point until) {
    if (has_rung_ || draining_) co_return;
    bell_timer_.expires_at(until);
    co_await bell_timer_.async_wait(kAsTuple);
  }

  asio::awaitable<bool> wait_for_request() {
    idle_ = true;
    error_code failure;
    {
      const Deadline deadline{*this,
                              steady_clock::now() + seconds(&ServerConfig::idle_timeout_seconds)};
      const auto [result] =
          co_await socket_.async_wait(stream_protocol::socket::wait_read, kAsTuple);
      failure = result;
    }
    idle_ = false;
    co_return !failure && !draining_;
  }

  Request request_of(const Parser& parser) const {
    const auto& message = parser.get();
    Request request;
    request.method = method_of(message.method());
    request.method_text = text(message.method_string());
    request.target = text(message.target());
    request.authorization = text(message[http::field::authorization]);
    request.accept = text(message[http::field::accept]);
    request.range = text(message[http::field::range]);
    request.fence = text(message["Vgerfs-Fence"]);
    if (const auto length = parser.content_length()) request.content_length = *length;
    request.is_chunked = parser.chunked();
    request.peer = peer_;
    const auto forwarded = message["X-Forwarded-For"];
    if (!forwarded.empty() && forwarded.size() <= kMaxForwardedBytes) {
      request.peer += " for " + text(forwarded);
    }
    return request;
  }

  /// Feeds the body to whoever wants it; the reply to all of it, or to what went wrong. Whoever
  /// wanted it is gone then, and what he held, before anybody hears the reply.
  asio::awaitable<Reply> take_body(Parser& parser, std::unique_ptr<RequestBody>& body,
                                   const Request& request, std::uint64_t& received) {
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const Deadline deadline{*this,
                              steady_clock::now() + seconds(&ServerConfig::stall_timeout_seconds)};
      co_await asio::async_write(socket_, asio::buffer(kContinue), kAsTuple);
    }
    std::exception_ptr failure;
    try {
      if (parser.chunked()) {
        co_await take_chunks(parser, *body, received);
      } else {
        co_await take_known_length(*body, received);
      }
      const auto finish = [&] {
        Reply reply = body->finish();
        body.reset();
        return reply;
      };
      co_return co_await run_blocking(parts_.disk, finish);
    } catch (...) {
      failure = std::current_exception();
    }
    const auto drop = [&] {
      body.reset();
      return true;
    };
    co_await run_blocking(parts_.disk, drop);
    co_return parts_.service.failure(request, failure);
  }

  asio::awaitable<void> take_known_length(RequestBody& body, std::uint64_t& received) {
    Pace pace{seconds(&ServerConfig::stall_timeout_seconds)};
    while (unread_ > 0) {
      const std::uint64_t before = unread_;
      const auto take = [&] {
        if (buffer_.size() == 0) return take_from_socket(socket_.native_handle(), unread_, body);
        // What came with the header. It has been read, whatever becomes of it.
        const auto here = buffer_.data();
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(here.size(), unread_));
        const auto* const bytes = static_cast<const std::byte*>(here.data());
        const Bytes first(bytes, bytes + count);
        buffer_.consume(count);
        unread_ -= count;
        body.write(first);
        return false;
      };
      const bool is_drained = co_await run_blocking(parts_.disk, take);
      received += before - unread_;
      pace.count(before - unread_);
      if (!is_drained || unread_ == 0) continue;
      const Deadline deadline{*this, pace.deadline()};
      co_await socket_.async_wait(stream_protocol::socket::wait_read, kAsTuple);
    }
  }

  asio::awaitable<void> take_chunks(Parser& parser, RequestBody& body, std::uint64_t& received) {
    Pace pace{seconds(&ServerConfig::stall_timeout_seconds)};
    Bytes piece(kBodyPieceBytes);
    buffer_.reserve(kBodyReadBytes);
    while (!parser.is_done()) {
      const std::size_t count = co_await read_piece(parser, piece, pace);
      received += count;
      const auto write = [&] {
        body.write(ByteView{piece}.first(count));
        return true;
      };
      co_await run_blocking(parts_.disk, write);
    }
  }

  /// Fills `piece`, unless the body ends before. Throws HttpError when it breaks off.
  asio::awaitable<std::size_t> read_piece(Parser& parser, Bytes& piece, Pace& pace) {
    auto& target = parser.get().body();
    target.data = piece.data();
    target.size = piece.size();
    target.more = true;
    while (target.size > 0 && !parser.is_done()) {
      const Deadline deadline{*this, pace.deadline()};
      const std::size_t before = target.size;
      const auto [failure, ignored] =
          co_await http::async_read_some(socket_, buffer_, parser, kAsTuple);
      pace.count(before - target.size);
      if (failure == http::error::need_buffer) break;
      if (failure) throw HttpError{400, "the body broke off, or it is no body"};
    }
    co_return piece.size() - target.size;
  }

  /// Answers a request whose body is not read, so that the client sees the answer although it is
  /// still sending.
  asio::awaitable<void> refuse(Reply reply) {
    reply.closes = true;
    if (!co_await send(reply)) co_return;
    error_code ignored;
    socket_.shutdown(stream_protocol::socket::shutdown_send, ignored);
    Bytes rest(kBodyReadBytes);
    const Deadline deadline{*this, steady_clock::now() + kLinger};
    for (;;) {
      const auto [failure, count] =
          co_await socket_.async_read_some(asio::buffer(rest.data(), rest.size()), kAsTuple);
      if (failure) co_return;
    }
  }

  asio::awaitable<bool> send(const Reply& reply) {
    std::string head = header_text(reply, system_clock().now().s);
    if (!reply.without_body && !reply.file) head += reply.text;
    Pace pace{seconds(&ServerConfig::stall_timeout_seconds)};
    pace.count(head.size());
    {
      const Deadline deadline{*this, pace.deadline()};
      const auto [failure, count] =
          co_await asio::async_write(socket_, asio::buffer(head), kAsTuple);
      if (failure) co_return false;
    }
    if (reply.without_body || !reply.file) co_return true;
    co_return co_await send_file(*reply.file, pace);
  }

  asio::awaitable<bool> send_file(const FilePart& part, Pace& pace) {
    auto offset = static_cast<off_t>(part.offset);
    const auto end = static_cast<off_t>(part.offset + part.bytes);
    while (offset < end) {
      // The disk is waited for by a thread that may; then this one sends from memory, without a
      // change of threads for each buffer of the socket.
      const off_t window_end = std::min(end, offset + kWindowBytes);
      if (is_in_memory(part.fd->get(), offset, window_end)) {
        co_await asio::post(strand_, asio::use_awaitable);  // others have their turn
      } else {
        const auto read_ahead = [&] {
          return ::readahead(part.fd->get(), offset, static_cast<std::size_t>(window_end - offset));
        };
        co_await run_blocking(parts_.disk, read_ahead);
      }
      while (offset < window_end) {
        const ssize_t sent = ::sendfile(socket_.native_handle(), part.fd->get(), &offset,
                                        static_cast<std::size_t>(window_end - offset));
        if (sent > 0) {
          pace.count(static_cast<std::uint64_t>(sent));
        } else if (sent == 0 || (errno != EAGAIN && errno != EINTR)) {
          // 0: the file became shorter. Its length is promised already: only an end tells.
          co_return false;
        } else {
          const Deadline deadline{*this, pace.deadline()};
          const auto [failure] =
              co_await socket_.async_wait(stream_protocol::socket::wait_write, kAsTuple);
          if (failure) co_return false;
        }
      }
    }
    co_return true;
  }

  const ConnectionParts parts_;
  asio::strand<asio::io_context::executor_type> strand_;
  stream_protocol::socket socket_;
  asio::steady_timer timer_;
  asio::steady_timer bell_timer_;
  const std::string peer_;
  const std::function<void()> ended_;
  beast::flat_buffer buffer_;
  std::uint64_t unread_ = 0;  // of a body of known length
  int header_failure_ = 0;
  std::uint64_t turn_ = 0;
  bool idle_ = false;
  bool has_rung_ = false;
  bool draining_ = false;
};

}  // namespace

std::shared_ptr<Connection> start_connection(const ConnectionParts& parts, Fd socket,
                                             std::string peer, std::function<void()> ended) {
  auto connection = std::make_shared<ServedConnection>(parts, std::move(socket), std::move(peer),
                                                       std::move(ended));
  connection->start();
  return connection;
}

}  // namespace vgerfs::server
