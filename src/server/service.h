// What the server answers: routes, credentials, policy, limits and quotas around the object store.
// Knows nothing of sockets, so that all of it can be tested without any.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "server/access.h"
#include "server/api.h"
#include "server/audit_log.h"
#include "server/authenticator.h"
#include "server/change_bell.h"
#include "server/event_log.h"
#include "server/http_message.h"
#include "server/leases.h"
#include "server/metrics.h"
#include "server/object_store.h"
#include "server/server_config.h"
#include "server/space_ledger.h"
#include "server/verifier.h"

namespace vgerfs::server {

/// What the service works with; all outlive it.
struct ServiceParts {
  ObjectStore& store;
  Leases& leases;
  SpaceLedger& ledger;
  Authenticator& authenticator;
  Metrics& metrics;
  ChangeBell& bell;
  Verifier& verifier;
  const EventLog& log;
  AuditLog& audit;
  const Clock& clock;
};

/// Thread-safe. Blocks for the disk.
class Service {
 public:
  Service(const ServiceParts& parts, ServerConfig config);

  /// The answer to a request's header. Never throws.
  Answer begin(const Request& request);
  /// The answer to what a body threw.
  Reply failure(const Request& request, const std::exception_ptr& error);

  /// Takes the limits, quotas and modes of another configuration; requests that run go on as they
  /// began.
  void reload(ServerConfig config) {
    access_.set_config(std::move(config));
    parts_.audit.reopen();
  }
  std::shared_ptr<const ServerConfig> config() const { return access_.config(); }
  /// What is to be done every hour: deletes from the trash what has been there long enough, and
  /// copies the database once a day.
  void do_chores();
  /// Long work for requests ends soon, unfinished: nobody waits for it any more.
  void stop() { api_.stop(); }

 private:
  class AddBody;

  Answer answer(const Request& request, const Route& route);
  Reply health();
  Reply metrics_text(const Request& request);
  Reply create(const Request& request, const CreateRoute& route);
  Reply list(const Request& request, const ListRoute& route);
  Reply read(const Request& request, const ReadRoute& route);
  Answer add(const Request& request, const AddRoute& route);
  Reply remove(const Request& request, const RemoveRoute& route);

  const ServiceParts parts_;
  const std::int64_t started_at_;
  Access access_;
  Api api_;
};

}  // namespace vgerfs::server
