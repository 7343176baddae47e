// Who asks, whether he may, and within which limits: what every part of the service asks first.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "server/audit_log.h"
#include "server/authenticator.h"
#include "server/http_message.h"
#include "server/object_store.h"
#include "server/policy.h"
#include "server/server_config.h"
#include "server/space_ledger.h"

namespace vgerfs::server {

/// Thread-safe. What it refuses is in the audit log.
class Access {
 public:
  /// All must outlive it.
  Access(const Authenticator& authenticator, ObjectStore& store, const AuditLog& audit,
         ServerConfig config);

  /// Throws HttpError 401.
  Principal authenticated(const Request& request) const;
  /// Throws HttpError 403 if the principal may not do this.
  void demand(const Request& request, const Principal& principal, const RepositoryName& repository,
              const Deed& deed) const;
  /// For the log of what was taken away.
  void log_removal(const Request& request, const Principal& principal, bool existed) const;
  /// Both, then the repository. Throws HttpError 404, too.
  Repository reading(const Request& request, const RepositoryName& name,
                     format::ObjectType type) const;
  /// Throws HttpError 404.
  Repository existing(const RepositoryName& name) const;
  SpaceLimits limits_for(const Principal& principal, const RepositoryName& repository,
                         format::ObjectType type) const;
  /// 0: unlimited.
  std::uint64_t quota_of(const std::string& repository) const;

  std::shared_ptr<const ServerConfig> config() const;
  void set_config(ServerConfig config);

 private:
  void log_refusal(const Request& request, std::string_view token, std::string_view reason) const;

  const Authenticator& authenticator_;
  ObjectStore& store_;
  const AuditLog& audit_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ServerConfig> config_;  // guarded by mutex_
};

}  // namespace vgerfs::server
