// One client's connection: requests one after another, bodies streamed in both directions in
// constant memory, with a time-out on everything that a client can draw out.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "server/event_log.h"
#include "server/metrics.h"
#include "server/service.h"

namespace boost::asio {
class io_context;
class thread_pool;
}  // namespace boost::asio

namespace vgerfs::server {

/// What connections share; all outlive them. Sockets are waited for in `io`, disks in `disk`.
struct ConnectionParts {
  boost::asio::io_context& io;
  boost::asio::thread_pool& disk;
  Service& service;
  Metrics& metrics;
  const EventLog& log;
};

/// A running connection.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Ends it after the request that runs, at once if there is none. Any thread.
  virtual void drain() = 0;
};

/// Serves a connected stream socket until it ends; `ended` is called then, on any thread. `peer` is
/// its address for logs.
std::shared_ptr<Connection> start_connection(const ConnectionParts& parts, Fd socket,
                                             std::string peer, std::function<void()> ended);

}  // namespace vgerfs::server
