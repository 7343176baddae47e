// Whose request is it? Knows the tokens of database and configuration and follows their changes.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/sha256.h"
#include "base/sqlite.h"
#include "server/policy.h"
#include "server/token_store.h"

namespace vgerfs::server {

/// Thread-safe; a leaf.
class Authenticator {
 public:
  /// Without `require_token` everybody is an admin, and what a request shows is not looked at:
  /// restic always sends something.
  Authenticator(bool require_token, const Clock& clock)
      : require_token_(require_token), clock_(clock) {}

  /// The configuration's token; empty: none.
  void set_configured_token(std::string_view token);
  /// Takes the database's tokens from now on.
  void load(Database& database);

  /// nullopt: 401.
  std::optional<Principal> principal(std::string_view authorization) const;

 private:
  void publish();

  const bool require_token_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::optional<Sha256Digest> configured_;  // guarded by mutex_, as all below
  std::vector<TokenRow> rows_;
  std::shared_ptr<const TokenTable> table_ =
      std::make_shared<const TokenTable>(std::vector<TokenRow>{}, std::nullopt);
};

}  // namespace vgerfs::server
