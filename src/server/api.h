// What the server answers below /api/v1/ (docs/PROTOCOL.md): JSON, for our own clients.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "server/access.h"
#include "server/change_bell.h"
#include "server/compaction.h"
#include "server/http_message.h"
#include "server/leases.h"
#include "server/object_store.h"
#include "server/route.h"
#include "server/space_ledger.h"
#include "server/verifier.h"

namespace vgerfs::server {

/// What it works with; all outlive it.
struct ApiParts {
  ObjectStore& store;
  Leases& leases;
  SpaceLedger& ledger;
  const Access& access;
  ChangeBell& bell;
  Verifier& verifier;
  const EventLog& log;
  const Clock& clock;
};

/// Thread-safe. Blocks for the disk.
class Api {
 public:
  explicit Api(const ApiParts& parts)
      : parts_(parts),
        compactor_({.store = parts.store,
                    .ledger = parts.ledger,
                    .log = parts.log,
                    .clock = parts.clock}) {}

  /// Throws HttpError, Error.
  Answer answer(const Request& request, const ApiRoute& route);

  /// Checks end, those to come at once: 503.
  void stop() { stop_.request_stop(); }

 private:
  Reply repositories(const Request& request);
  Reply repository(const Request& request, const RepositoryName& name);
  Answer changes(const Request& request, const ApiRoute& route);
  Answer verify(const Request& request, const ApiRoute& route);
  Answer have(const Request& request, const RepositoryName& name);
  Reply leases(const Request& request, const RepositoryName& name);
  Answer acquire(const Request& request, const RepositoryName& name);
  Answer renew(const Request& request, const RepositoryName& name);
  Answer release(const Request& request, const RepositoryName& name);
  Answer compact(const Request& request, const RepositoryName& name);

  const ApiParts parts_;
  Compactor compactor_;
  std::stop_source stop_;
};

}  // namespace vgerfs::server
