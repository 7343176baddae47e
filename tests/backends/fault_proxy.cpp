#include "fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>

#include "base/error.h"

namespace vgerfs::testing {
namespace {

constexpr int kPoll_ms = 20;
/// So long a client may wait for what does not come: one that waits for ever shall fail its test.
constexpr std::chrono::seconds kLongestStall{10};

/// Waits for bytes; false at the end or when a stop is asked for.
bool wait_for_bytes(int fd, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd poll{fd, POLLIN, 0};
    const int ready = ::poll(&poll, 1, kPoll_ms);
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0) return true;
  }
  return false;
}

bool receive(int fd, std::string& to, const std::stop_token& stop) {
  if (!wait_for_bytes(fd, stop)) return false;
  char buffer[64 * 1024];
  const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
  if (count <= 0) return false;
  to.append(buffer, static_cast<std::size_t>(count));
  return true;
}

bool send_all(int fd, std::string_view bytes, const std::stop_token& stop) {
  while (!bytes.empty()) {
    pollfd poll{fd, POLLOUT, 0};
    if (::poll(&poll, 1, kPoll_ms) == 0) {
      if (stop.stop_requested()) return false;
      continue;
    }
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// The end that the other side sees as ECONNRESET.
void reset(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/// Header and body as long as Content-Length says. `has_body`: false for the answer to HEAD.
struct Message {
  std::string text;
  std::size_t header_bytes = 0;
};

std::optional<Message> receive_message(int fd, std::string& buffer, bool has_body,
                                       const std::stop_token& stop) {
  std::size_t end = std::string::npos;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(fd, buffer, stop)) return std::nullopt;
  }
  const std::size_t header_bytes = end + 4;
  std::string lower = buffer.substr(0, header_bytes);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::size_t length = 0;
  constexpr std::string_view kName = "\r\ncontent-length: ";
  if (const std::size_t at = lower.find(kName); has_body && at != std::string::npos) {
    std::from_chars(lower.data() + at + kName.size(), lower.data() + lower.size(), length);
  }
  while (buffer.size() < header_bytes + length) {
    if (!receive(fd, buffer, stop)) return std::nullopt;
  }
  Message message{buffer.substr(0, header_bytes + length), header_bytes};
  buffer.erase(0, header_bytes + length);
  return message;
}

Fd connect_to(const std::string& path) {
  Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fd.reset();
  }
  return fd;
}

/// Takes header lines that begin so out of a message.
void remove_headers(Message& message, std::string_view prefix) {
  const std::string begin = "\r\n" + std::string{prefix};
  for (std::size_t at; (at = message.text.find(begin)) < message.header_bytes;) {
    const std::size_t bytes = message.text.find("\r\n", at + 2) - at;
    message.text.erase(at, bytes);
    message.header_bytes -= bytes;
  }
}

SeenRequest parse(const std::string& header) {
  const std::size_t first = header.find(' ');
  const std::size_t second = header.find(' ', first + 1);
  if (second == std::string::npos) return {};
  return {header.substr(0, first), header.substr(first + 1, second - first - 1), header};
}

}  // namespace

std::string_view to_string(NetworkFault fault) noexcept {
  switch (fault) {
    case NetworkFault::none: return "none";
    case NetworkFault::reset: return "reset";
    case NetworkFault::broken_upload: return "broken_upload";
    case NetworkFault::lost_answer: return "lost_answer";
    case NetworkFault::truncated: return "truncated";
    case NetworkFault::stall: return "stall";
    case NetworkFault::stalled_answer: return "stalled_answer";
    case NetworkFault::twice: return "twice";
    case NetworkFault::status_500: return "status_500";
    case NetworkFault::status_503: return "status_503";
    case NetworkFault::garbage: return "garbage";
  }
  return "fault";
}

FaultProxy::FaultProxy(std::string server_socket)
    : server_socket_(std::move(server_socket)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), 128) != 0 ||
      ::getsockname(listener_.get(), raw, &size) != 0) {
    throw system_error(errno, "listening for the fault proxy");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread{[this](const std::stop_token& stop) { accept_loop(stop); }};
}

FaultProxy::~FaultProxy() {
  acceptor_.request_stop();
  acceptor_.join();
  for (std::jthread& connection : connections_) connection.request_stop();
  connections_.clear();
}

std::string FaultProxy::url() const { return fmt::format("http://127.0.0.1:{}", port_); }

void FaultProxy::decide(Decision decision) {
  const std::lock_guard lock{mutex_};
  decision_ = std::move(decision);
}

void FaultProxy::order(NetworkFault fault, std::string method, std::string part_of_target,
                       int count) {
  decide([=](const SeenRequest& request) mutable {
    if (count == 0 || (!method.empty() && request.method != method) ||
        request.target.find(part_of_target) == std::string::npos) {
      return NetworkFault::none;
    }
    --count;
    return fault;
  });
}

void FaultProxy::by_chance(std::uint64_t seed, unsigned one_in) {
  decide([one_in, random = std::mt19937_64{seed}](const SeenRequest&) mutable {
    if (random() % one_in != 0) return NetworkFault::none;
    return kAllNetworkFaults[random() % std::size(kAllNetworkFaults)];
  });
}

void FaultProxy::answer_with(std::string reply, const std::string& method) {
  const std::lock_guard lock{mutex_};
  replies_[method] = std::move(reply);
}

void FaultProxy::hide_extensions(bool in_version_1) {
  const std::lock_guard lock{mutex_};
  hides_extensions_ = true;
  hides_version_2_ = in_version_1;
}

void FaultProxy::answer_no_more() {
  const std::lock_guard lock{mutex_};
  replies_.clear();
}

std::vector<SeenRequest> FaultProxy::seen() const {
  const std::lock_guard lock{mutex_};
  return seen_;
}

void FaultProxy::accept_loop(const std::stop_token& stop) {
  while (wait_for_bytes(listener_.get(), stop)) {
    const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const std::lock_guard lock{mutex_};
    connections_.emplace_back([this, client](const std::stop_token& end) {
      const Fd owned{client};
      serve(client, end);
    });
  }
}

void FaultProxy::stall(int client, const std::stop_token& stop) {
  const auto end = std::chrono::steady_clock::now() + kLongestStall;
  while (!stop.stop_requested()) {
    if (std::chrono::steady_clock::now() >= end) {
      ++outlasted_stalls_;
      return reset(client);
    }
    pollfd poll{client, POLLIN, 0};
    if (::poll(&poll, 1, kPoll_ms) <= 0) continue;
    std::string ignored;
    if (!receive(client, ignored, stop)) return;
  }
}

void FaultProxy::serve(int client, const std::stop_token& stop) {
  std::string from_client;
  while (auto request = receive_message(client, from_client, true, stop)) {
    const SeenRequest seen = parse(request->text.substr(0, request->header_bytes));
    NetworkFault fault = NetworkFault::none;
    std::string reply;
    bool hides_extensions = false;
    {
      const std::lock_guard lock{mutex_};
      seen_.push_back(seen);
      if (decision_) fault = decision_(seen);
      hides_extensions = hides_extensions_;
      if (hides_version_2_) remove_headers(*request, "Accept:");
      for (const std::string& method : {seen.method, std::string{}}) {
        if (const auto found = replies_.find(method); found != replies_.end()) {
          reply = found->second;
          break;
        }
      }
    }
    if (fault != NetworkFault::none) ++faults_;
    if (fault == NetworkFault::status_500) {
      reply = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nsick\n";
    } else if (fault == NetworkFault::status_503) {
      reply = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    } else if (fault == NetworkFault::garbage) {
      reply = "SSH-2.0-nobody\r\n\r\n";
    }
    if (!reply.empty()) {
      if (!send_all(client, reply, stop) || fault == NetworkFault::garbage) return;
      continue;
    }
    if (fault == NetworkFault::reset) return reset(client);
    if (fault == NetworkFault::stall) return stall(client, stop);
    std::optional<Message> answer;
    for (int i = 0; i < (fault == NetworkFault::twice ? 2 : 1); ++i) {
      const Fd server = connect_to(server_socket_);
      if (!server) return reset(client);
      if (fault == NetworkFault::broken_upload) {
        send_all(server.get(), std::string_view{request->text}.substr(0, request->text.size() / 2),
                 stop);
        reset(server.get());
        return reset(client);
      }
      std::string from_server;
      if (!send_all(server.get(), request->text, stop)) return reset(client);
      answer = receive_message(server.get(), from_server, seen.method != "HEAD", stop);
      if (!answer) return reset(client);
    }
    if (fault == NetworkFault::lost_answer) return reset(client);
    if (hides_extensions) remove_headers(*answer, "Vgerfs-");
    std::string_view sent = answer->text;
    const bool is_cut = fault == NetworkFault::truncated || fault == NetworkFault::stalled_answer;
    if (is_cut) {
      const std::size_t body = sent.size() - answer->header_bytes;
      // Without a body the status line still arrives whole.
      sent = sent.substr(0, body == 0 ? answer->header_bytes / 2 : answer->header_bytes + body / 2);
    }
    if (!send_all(client, sent, stop)) return;
    if (fault == NetworkFault::stalled_answer) return stall(client, stop);
    if (is_cut) return;
  }
}

}  // namespace vgerfs::testing
