// Accepts connections and serves them with a few threads until a signal ends it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "server/event_log.h"
#include "server/listen_socket.h"
#include "server/metrics.h"
#include "server/service.h"

namespace vgerfs::server {

class HttpServer {
 public:
  /// All must outlive it.
  HttpServer(Service& service, Metrics& metrics, const EventLog& log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Serves until SIGTERM or SIGINT: then nothing new is accepted, and what runs has the
  /// configuration's drain_seconds to end. SIGHUP calls `reload`. Returns false if requests had to
  /// be cut off.
  bool run(std::vector<ListenSocket> sockets, const std::function<void()>& reload);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::server
