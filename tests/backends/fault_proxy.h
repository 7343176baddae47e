// Stands between a client and an HTTP server, and hurts what passes: connections that are reset,
// answers that break off, never come or are lost, refusals of its own, requests that arrive twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace vgerfs::testing {

enum class NetworkFault {
  none,
  reset,           ///< before the request is forwarded
  broken_upload,   ///< half of the request is forwarded, then both sides are reset
  lost_answer,     ///< the server has done it, the client is reset
  truncated,       ///< half of the answer, then the end
  stall,           ///< the request is read, and nothing happens until the client goes
  stalled_answer,  ///< half of the answer, and nothing more until the client goes
  twice,           ///< the server gets it twice; the second answer counts
  status_500,      ///< answered here
  status_503,      ///< the same, with Retry-After: 0
  garbage,         ///< an answer that is not HTTP
};
std::string_view to_string(NetworkFault fault) noexcept;
inline constexpr NetworkFault kAllNetworkFaults[] = {
    NetworkFault::reset,     NetworkFault::broken_upload, NetworkFault::lost_answer,
    NetworkFault::truncated, NetworkFault::stall,         NetworkFault::stalled_answer,
    NetworkFault::twice,     NetworkFault::status_500,    NetworkFault::status_503,
    NetworkFault::garbage};

/// A request as the proxy sees it.
struct SeenRequest {
  std::string method;
  std::string target;
  std::string header;  ///< all of it, with the first line
};

/// Listens on a port of 127.0.0.1, forwards to a unix socket. Thread-safe.
class FaultProxy {
 public:
  explicit FaultProxy(std::string server_socket);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  /// "http://127.0.0.1:PORT".
  std::string url() const;

  /// Decides about each request from now on.
  using Decision = std::function<NetworkFault(const SeenRequest&)>;
  void decide(Decision decision);
  /// The next `count` requests that `matches` (method and target, "" for any) suffer it.
  void order(NetworkFault fault, std::string method = {}, std::string part_of_target = {},
             int count = 1);
  /// One request in `one_in` suffers any of the faults.
  void by_chance(std::uint64_t seed, unsigned one_in);
  /// Answers all requests of a method ("" for any) so from now on, without the server.
  void answer_with(std::string reply, const std::string& method = {});
  /// The server answers again.
  void answer_no_more();
  /// Makes the server look like another one of restic's protocol from now on: without our headers,
  /// in version 1 with lists of names alone.
  void hide_extensions(bool in_version_1);

  std::vector<SeenRequest> seen() const;
  /// Requests that suffered something.
  std::uint64_t faults() const { return faults_; }
  /// Stalls that the client did not end: after ten seconds they do.
  std::uint64_t outlasted_stalls() const { return outlasted_stalls_; }

 private:
  void accept_loop(const std::stop_token& stop);
  void serve(int client, const std::stop_token& stop);
  void stall(int client, const std::stop_token& stop);

  const std::string server_socket_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<std::uint64_t> faults_ = 0;
  std::atomic<std::uint64_t> outlasted_stalls_ = 0;
  mutable std::mutex mutex_;
  Decision decision_;                           // guarded by mutex_, as all below
  std::map<std::string, std::string> replies_;  // by method
  bool hides_extensions_ = false;
  bool hides_version_2_ = false;
  std::vector<SeenRequest> seen_;
  std::list<std::jthread> connections_;
  std::jthread acceptor_;  // last: it ends first
};

}  // namespace vgerfs::testing
