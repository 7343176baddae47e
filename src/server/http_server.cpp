#include "server/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGHUP
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/thread.h"
#include "server/connection.h"
#include "server/run_blocking.h"

namespace vgerfs::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kAcceptsInARow = 64;
/// How long nothing is accepted when descriptors have run out.
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::hours kChoresInterval{1};
constexpr unsigned kMaxNetworkThreads = 4;

unsigned network_threads() {
  return std::clamp(std::thread::hardware_concurrency(), 1U, kMaxNetworkThreads);
}

}  // namespace

struct HttpServer::Impl {
  Impl(Service& given_service, Metrics& given_metrics, const EventLog& given_log)
      : service(given_service),
        metrics(given_metrics),
        log(given_log),
        disk(static_cast<std::size_t>(service.config()->io_threads)) {}

  ConnectionParts parts() { return {io, disk, service, metrics, log}; }

  asio::awaitable<void> accept_at(std::shared_ptr<asio::posix::stream_descriptor> listener) {
    asio::steady_timer pause{control};
    while (!draining) {
      const auto [failure] =
          co_await listener->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
      if (failure || draining) co_return;
      bool exhausted = false;
      for (int i = 0; i < kAcceptsInARow; ++i) {
        Fd socket{
            ::accept4(listener->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (socket) {
          take(std::move(socket));
          continue;
        }
        exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (errno != EINTR && errno != ECONNABORTED) break;
      }
      if (!exhausted) continue;
      log.write(Severity::warning, "no_descriptors", {});
      pause.expires_after(kPause);
      co_await pause.async_wait(kAsTuple);
    }
  }

  void take(Fd socket) {
    const std::lock_guard lock{mutex};
    if (connections.size() >= service.config()->max_connections) return;  // closed at once
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a unix socket
    std::string peer = peer_address(socket.get());
    connections.emplace_front();
    const auto place = connections.begin();
    *place = start_connection(parts(), std::move(socket), std::move(peer), [this, place] {
      const std::lock_guard ended_lock{mutex};
      connections.erase(place);
      if (draining && connections.empty()) finish();
    });
  }

  /// Stops accepting, ends idle connections, waits for the others.
  void drain() {
    if (draining.exchange(true)) return;
    ::sd_notify(0, "STOPPING=1");
    log.write(Severity::info, "stopping", {});
    for (const auto& listener : listeners) {
      error_code ignored;
      listener->close(ignored);
    }
    chores_timer.cancel();
    const std::lock_guard lock{mutex};
    for (const auto& connection : connections) {
      if (connection) connection->drain();
    }
    if (connections.empty()) {
      finish();
      return;
    }
    drain_timer.expires_after(
        std::chrono::seconds{static_cast<std::int64_t>(service.config()->drain_seconds)});
    drain_timer.async_wait([this](error_code failure) {
      if (failure) return;
      cut_off = true;
      io.stop();
    });
  }

  void finish() {
    asio::post(control, [this] {
      drain_timer.cancel();
      signals.cancel();
      io.stop();
    });
  }

  void wait_for_signal(const std::function<void()>& reload) {
    signals.async_wait([this, &reload](error_code failure, int number) {
      if (failure) return;
      if (number == SIGHUP) {
        reload();
      } else {
        drain();
      }
      wait_for_signal(reload);
    });
  }

  asio::awaitable<void> do_chores() {
    while (!draining) {
      try {
        const auto chores = [this] {
          service.do_chores();
          return true;
        };
        co_await run_blocking(disk, chores);
      } catch (const std::exception& error) {
        log.write(Severity::error, "chores_failed", {{"error", error.what()}});
      }
      chores_timer.expires_after(kChoresInterval);
      const auto [cancelled] = co_await chores_timer.async_wait(kAsTuple);
      if (cancelled) co_return;
    }
  }

  Service& service;
  Metrics& metrics;
  const EventLog& log;
  asio::thread_pool disk;
  asio::io_context io;
  asio::strand<asio::io_context::executor_type> control = asio::make_strand(io);
  asio::signal_set signals{control};
  asio::steady_timer drain_timer{control};
  asio::steady_timer chores_timer{control};
  std::vector<std::shared_ptr<asio::posix::stream_descriptor>> listeners;  // control only
  std::atomic<bool> draining = false;
  std::atomic<bool> cut_off = false;
  std::mutex mutex;
  std::list<std::shared_ptr<Connection>> connections;  // guarded by mutex
};

HttpServer::HttpServer(Service& service, Metrics& metrics, const EventLog& log)
    : impl_(std::make_unique<Impl>(service, metrics, log)) {}
HttpServer::~HttpServer() = default;

bool HttpServer::run(std::vector<ListenSocket> sockets, const std::function<void()>& reload) {
  Impl& impl = *impl_;
  ::signal(SIGPIPE, SIG_IGN);
  impl.signals.add(SIGTERM);
  impl.signals.add(SIGINT);
  impl.signals.add(SIGHUP);
  impl.wait_for_signal(reload);
  for (ListenSocket& socket : sockets) {
    auto listener =
        std::make_shared<asio::posix::stream_descriptor>(impl.control, socket.fd.release());
    impl.listeners.push_back(listener);
    asio::co_spawn(impl.control, impl.accept_at(std::move(listener)), asio::detached);
    impl.log.write(Severity::info, "listening", {{"address", socket.address}});
  }
  asio::co_spawn(impl.control, impl.do_chores(), asio::detached);
  ::sd_notify(0, "READY=1");
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < network_threads(); ++i) {
      threads.push_back(start_thread("network", [&impl] { impl.io.run(); }));
    }
  }
  if (impl.cut_off) impl.service.stop();
  impl.disk.join();
  for (const ListenSocket& socket : sockets) {
    if (!socket.socket_path.empty()) ::unlink(socket.socket_path.c_str());
  }
  impl.log.write(Severity::info, "stopped", {});
  return !impl.cut_off;
}

}  // namespace vgerfs::server
