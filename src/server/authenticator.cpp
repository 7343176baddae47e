#include "server/authenticator.h"

#include <utility>

#include "server/catalog.h"
#include "server/credential.h"

namespace vgerfs::server {

void Authenticator::set_configured_token(std::string_view token) {
  const std::lock_guard lock{mutex_};
  configured_ = token.empty() ? std::nullopt : std::optional{hash_token(token)};
  publish();
}

void Authenticator::load(Database& database) {
  auto rows = read_tokens(database);
  const std::lock_guard lock{mutex_};
  rows_ = std::move(rows);
  publish();
}

void Authenticator::publish() { table_ = std::make_shared<const TokenTable>(rows_, configured_); }

std::optional<Principal> Authenticator::principal(std::string_view authorization) const {
  if (!require_token_) {
    return Principal{.id = kConfiguredToken, .name = "anybody", .role = Role::admin};
  }
  const auto token = presented_token(authorization);
  if (!token) return std::nullopt;
  std::shared_ptr<const TokenTable> table;
  {
    const std::lock_guard lock{mutex_};
    table = table_;
  }
  return table->find(hash_token(*token), clock_.now().s);
}

}  // namespace vgerfs::server
