// Reads all that is stored again, slowly, in the background: each repository once in `scrub_days`.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "server/event_log.h"
#include "server/object_store.h"
#include "server/server_config.h"
#include "server/verifier.h"

namespace vgerfs::server {

/// Runs on a thread of its own while it lives.
class Scrubber {
 public:
  using Config = std::function<std::shared_ptr<const ServerConfig>()>;

  /// All must outlive it.
  Scrubber(ObjectStore& store, Verifier& verifier, const EventLog& log, Config config);

  /// What is due of every repository after `seconds` since the last time.
  void scrub(std::int64_t seconds, const std::stop_token& stop);

 private:
  void run(const std::stop_token& stop);

  ObjectStore& store_;
  Verifier& verifier_;
  const EventLog& log_;
  const Config config_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace vgerfs::server
