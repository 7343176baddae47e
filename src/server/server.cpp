#include "server/server.h"

#include <sys/resource.h>

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/audit_log.h"
#include "server/authenticator.h"
#include "server/change_bell.h"
#include "server/commit_queue.h"
#include "server/data_directory.h"
#include "server/event_log.h"
#include "server/http_server.h"
#include "server/leases.h"
#include "server/listen_socket.h"
#include "server/object_store.h"
#include "server/scrubber.h"
#include "server/service.h"
#include "server/verifier.h"

namespace vgerfs::server {
namespace {

/// A connection and its object need two descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<ListenSocket> open_sockets(const ServerConfig& config) {
  auto sockets = inherited_sockets();
  if (!sockets.empty()) return sockets;
  for (const ListenAddress& address : config.listen) sockets.push_back(listen_at(address));
  return sockets;
}

}  // namespace

int run_server(const ConfigSources& sources) {
  ServerConfig config = load_server_config(sources);
  raise_descriptor_limit();
  log::set_level(log::Level::info);
  const Clock& clock = system_clock();
  const EventLog event_log{2, config.log_format, clock};

  const DataDirectory directory{config.data_dir};
  const Fd lock = directory.lock();
  SpaceLedger ledger{[&] { return directory.disk_space().free_bytes; }};
  Authenticator authenticator{config.require_token, clock};
  authenticator.set_configured_token(config.token);
  ChangeBell bell;
  CommitQueue queue{directory.database_path(),
                    [&](Database& database) {
                      authenticator.load(database);
                      ledger.load(Catalog{database}.totals());
                      bell.ring_all();
                    },
                    [&](const std::set<std::int64_t>& repositories) { bell.ring(repositories); }};
  ObjectStore store{directory, queue, ledger, clock};
  Leases leases{store, queue, clock};
  Metrics metrics;
  AuditLog audit{event_log, directory.audit_path(), clock};
  Verifier verifier{store, queue, event_log, clock};
  auto sockets = open_sockets(config);
  Service service{{.store = store,
                   .leases = leases,
                   .ledger = ledger,
                   .authenticator = authenticator,
                   .metrics = metrics,
                   .bell = bell,
                   .verifier = verifier,
                   .log = event_log,
                   .audit = audit,
                   .clock = clock},
                  std::move(config)};
  const Scrubber scrubber{store, verifier, event_log, [&] { return service.config(); }};
  HttpServer server{service, metrics, event_log};
  const auto reload = [&] {
    try {
      ServerConfig again = load_server_config(sources);
      authenticator.set_configured_token(again.token);
      service.reload(std::move(again));
      event_log.write(Severity::info, "reloaded", {});
    } catch (const Error& error) {
      event_log.write(Severity::error, "reload_failed", {{"error", error.message()}});
    }
  };
  return server.run(std::move(sockets), reload) ? 0 : 1;
}

}  // namespace vgerfs::server
