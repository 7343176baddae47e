#include "server/token_store.h"

#include <utility>

#include "base/error.h"
#include "server/catalog.h"
#include "server/credential.h"

namespace vgerfs::server {
namespace {

constexpr std::size_t kMaxNameBytes = 128;

std::optional<std::int64_t> optional_integer(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

}  // namespace

bool is_token_name(std::string_view text) noexcept {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";
  return !text.empty() && text.size() <= kMaxNameBytes &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::vector<TokenRow> read_tokens(Database& database) {
  std::vector<TokenRow> tokens;
  auto row = database.query(
      "SELECT id, name, hash, repositories, role, quota_bytes, created_at, expires_at, revoked_at"
      " FROM tokens ORDER BY id");
  while (row.step()) {
    const auto pattern = RepositoryPattern::parse(row.text(3));
    const auto role = parse_role(row.text(4));
    if (!pattern || !role) {
      throw Error{ErrorCode::corrupt, "the server's database has a token that makes no sense"};
    }
    tokens.push_back({.principal = {.id = row.integer(0),
                                    .name = std::string{row.text(1)},
                                    .role = *role,
                                    .repositories = *pattern,
                                    .quota_bytes = row.number<std::uint64_t>(5)},
                      .hash = row.array<32>(2),
                      .created_at = row.integer(6),
                      .expires_at = optional_integer(row, 7),
                      .revoked_at = optional_integer(row, 8)});
  }
  return tokens;
}

void add_token(Database& database, const TokenRow& token) {
  const Principal& principal = token.principal;
  VGERFS_CHECK(is_token_name(principal.name));
  {
    auto row = database.query("SELECT 1 FROM tokens WHERE name = ?1");
    row.bind(principal.name);
    if (row.step()) {
      throw Error{ErrorCode::exists,
                  fmt::format("there is, or was, a token called {}", principal.name),
                  "choose another name: logs tell tokens apart by it"};
    }
  }
  database
      .query(
          "INSERT INTO tokens(name, hash, repositories, role, quota_bytes, created_at, expires_at)"
          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
      .bind(principal.name, token.hash, principal.repositories.text(), to_string(principal.role),
            principal.quota_bytes, token.created_at, token.expires_at)
      .run();
}

bool revoke_token(Database& database, std::string_view name, std::int64_t now) {
  database.query("UPDATE tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL")
      .bind(name, now)
      .run();
  return database.changed_rows() > 0;
}

std::optional<Principal> TokenTable::find(const Sha256Digest& hash, std::int64_t now) const {
  std::optional<Principal> found;
  for (const TokenRow& row : rows_) {
    const bool counts = !row.revoked_at && (!row.expires_at || now < *row.expires_at);
    if (equal_in_constant_time(row.hash, hash) && counts) found = row.principal;
  }
  if (configured_ && equal_in_constant_time(*configured_, hash)) {
    found = Principal{.id = kConfiguredToken, .name = "configured", .role = Role::admin};
  }
  return found;
}

}  // namespace vgerfs::server
