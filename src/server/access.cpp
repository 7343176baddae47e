#include "server/access.h"

#include <utility>

#include "server/error_reply.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;

/// What goes beyond a quota, so that a full repository can still be locked, indexed and pruned.
std::uint64_t headroom(std::uint64_t quota, Role role, ObjectType type) {
  if (role >= Role::maintain) return quota / 10;
  return type == ObjectType::pack ? 0 : quota / 20;
}

}  // namespace

Access::Access(const Authenticator& authenticator, ObjectStore& store, const AuditLog& audit,
               ServerConfig config)
    : authenticator_(authenticator), store_(store), audit_(audit) {
  set_config(std::move(config));
}

void Access::set_config(ServerConfig config) {
  config.token.clear();
  const std::lock_guard lock{mutex_};
  config_ = std::make_shared<const ServerConfig>(std::move(config));
}

std::shared_ptr<const ServerConfig> Access::config() const {
  const std::lock_guard lock{mutex_};
  return config_;
}

Principal Access::authenticated(const Request& request) const {
  auto principal = authenticator_.principal(request.authorization);
  if (principal) return std::move(*principal);
  log_refusal(request, {}, request.authorization.empty() ? "no token" : "unknown token");
  throw HttpError{401, "a token is needed"};
}

void Access::demand(const Request& request, const Principal& principal,
                    const RepositoryName& repository, const Deed& deed) const {
  const auto reason = refusal(principal, repository, deed, config()->append_only);
  if (!reason) return;
  log_refusal(request, principal.name, *reason);
  throw HttpError{403, std::string{*reason}};
}

void Access::log_refusal(const Request& request, std::string_view token,
                         std::string_view reason) const {
  audit_.write(Severity::warning, "refused",
               {{"peer", request.peer},
                {"token", token},
                {"method", request.method_text},
                {"target", request.target},
                {"reason", reason}});
}

void Access::log_removal(const Request& request, const Principal& principal, bool existed) const {
  audit_.write(Severity::info, "removed",
               {{"peer", request.peer},
                {"token", principal.name},
                {"target", request.target},
                {"existed", existed ? "yes" : "no"}});
}

Repository Access::reading(const Request& request, const RepositoryName& name,
                           ObjectType type) const {
  demand(request, authenticated(request), name, {.verb = Verb::read, .type = type});
  return existing(name);
}

Repository Access::existing(const RepositoryName& name) const {
  auto repository = store_.find(name);
  if (!repository) throw HttpError{404, "there is no such repository"};
  return std::move(*repository);
}

std::uint64_t Access::quota_of(const std::string& repository) const {
  const auto config = this->config();
  const auto own = config->repository_quotas.find(repository);
  return own == config->repository_quotas.end() ? config->quota_bytes : own->second;
}

SpaceLimits Access::limits_for(const Principal& principal, const RepositoryName& repository,
                               ObjectType type) const {
  const std::uint64_t quota = quota_of(repository.text());
  return {
      .repository_bytes = quota + headroom(quota, principal.role, type),
      .token_bytes = principal.quota_bytes + headroom(principal.quota_bytes, principal.role, type),
      .min_free_bytes = config()->min_free_bytes};
}

}  // namespace vgerfs::server
