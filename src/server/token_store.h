// The tokens of the server's database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "base/sqlite.h"
#include "server/policy.h"

namespace vgerfs::server {

struct TokenRow {
  Principal principal;
  Sha256Digest hash{};
  std::int64_t created_at = 0;
  std::optional<std::int64_t> expires_at;
  std::optional<std::int64_t> revoked_at;
};

/// A name for a token: 1 to 128 of [A-Za-z0-9._@-].
bool is_token_name(std::string_view text) noexcept;

/// All of them, in the order of their making. A row that is not understood is an Error{corrupt}:
/// never a token that may more than it should.
std::vector<TokenRow> read_tokens(Database& database);
/// Throws `exists` if there is one of this name (a revoked one counts: logs tell them apart by it).
void add_token(Database& database, const TokenRow& token);
/// False if there is no such token, or it was revoked before.
bool revoke_token(Database& database, std::string_view name, std::int64_t now);

/// The tokens that count, to be asked by many threads.
class TokenTable {
 public:
  /// `configured`: hash of the configuration's token, which may do everything.
  TokenTable(std::vector<TokenRow> rows, std::optional<Sha256Digest> configured)
      : rows_(std::move(rows)), configured_(configured) {}

  /// Whose token has this hash; nullopt if nobody's, or if it is revoked or expired at `now`. Every
  /// hash is compared, whole, whatever the first ones were.
  std::optional<Principal> find(const Sha256Digest& hash, std::int64_t now) const;

 private:
  std::vector<TokenRow> rows_;
  std::optional<Sha256Digest> configured_;
};

}  // namespace vgerfs::server
