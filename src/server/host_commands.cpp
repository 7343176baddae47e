#include "server/host_commands.h"

#include <charconv>
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "base/sqlite.h"
#include "server/catalog.h"
#include "server/credential.h"
#include "server/data_directory.h"
#include "server/event_log.h"
#include "server/scan.h"
#include "server/schema.h"
#include "server/token_store.h"
#include "server/trash.h"

namespace vgerfs::server {
namespace {

constexpr DatabaseOptions kCommandOptions{.durability = Durability::extra, .cache_kib = 8 * 1024};

/// The data directory and its database, opened for one command.
struct Host {
  explicit Host(const ServerConfig& config)
      : directory(config.data_dir), database(directory.database_path(), kCommandOptions) {
    make_schema(database);
  }

  DataDirectory directory;
  Database database;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string time_or(const std::optional<std::int64_t>& time, std::string_view otherwise) {
  return time ? iso_time({*time, 0}) : std::string{otherwise};
}

RepositoryName parse_repository(const std::string& text) {
  auto name = RepositoryName::parse(text);
  if (!name) throw Error{ErrorCode::usage, fmt::format("\"{}\" is no name of a repository", text)};
  return std::move(*name);
}

std::vector<TrashRow> chosen(Catalog& catalog, const TrashChoice& choice) {
  std::vector<TrashRow> rows;
  if (choice.id) {
    const auto row = catalog.find_trash(*choice.id);
    if (!row) {
      throw Error{ErrorCode::not_found,
                  fmt::format("nothing with number {} is in the trash", *choice.id)};
    }
    rows.push_back(*row);
    return rows;
  }
  std::optional<std::int64_t> repository;
  if (!choice.repository.empty()) {
    const auto known = catalog.find_repository(parse_repository(choice.repository));
    if (!known) {
      throw Error{ErrorCode::no_repository,
                  fmt::format("there is no repository {}", choice.repository)};
    }
    repository = known->id;
  }
  for (TrashRow& row : catalog.trash()) {
    if (!repository || row.repository == *repository) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::int64_t parse_expiry(const std::string& text, std::int64_t now) {
  if (const auto time = parse_time(text)) return *time;
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  const std::int64_t seconds = unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "m" ? 60 : 0;
  constexpr std::int64_t kMost = 1'000'000;
  if (failure != std::errc{} || seconds == 0 || count < 1 || count > kMost) {
    throw Error{ErrorCode::usage, fmt::format("\"{}\" is no time", text),
                "write 90d, 12h, 30m or 2027-01-31T00:00:00Z"};
  }
  return now + count * seconds;
}

void create_token(const ServerConfig& config, const NewToken& wanted, const Clock& clock) {
  const std::int64_t now = clock.now().s;
  if (!is_token_name(wanted.name)) {
    throw Error{ErrorCode::usage, "a token's name has letters, digits and . _ @ - only"};
  }
  const auto repositories = RepositoryPattern::parse(wanted.repositories);
  if (!repositories) {
    throw Error{ErrorCode::usage,
                fmt::format("\"{}\" is neither a repository's name nor \"team/*\" nor \"*\"",
                            wanted.repositories)};
  }
  const auto role = parse_role(wanted.role);
  if (!role) throw Error{ErrorCode::usage, "a role is read, append, maintain or admin"};
  const std::string secret = new_token();
  TokenRow token{.principal = {.name = wanted.name,
                               .role = *role,
                               .repositories = *repositories,
                               .quota_bytes = wanted.quota_bytes},
                 .hash = hash_token(secret),
                 .created_at = now};
  if (!wanted.expires.empty()) token.expires_at = parse_expiry(wanted.expires, now);
  Host host{config};
  Transaction transaction{host.database, Transaction::Mode::write};
  add_token(host.database, token);
  transaction.commit();
  print(secret + '\n');
}

void list_tokens(const ServerConfig& config, bool as_json, const Clock& clock) {
  Host host{config};
  const std::int64_t now = clock.now().s;
  std::string out = as_json ? "[" : "";
  bool is_first = true;
  for (const TokenRow& row : read_tokens(host.database)) {
    const bool is_expired = row.expires_at && now >= *row.expires_at;
    const std::string_view state = row.revoked_at ? "revoked" : is_expired ? "expired" : "valid";
    const Principal& principal = row.principal;
    if (as_json) {
      out += fmt::format(
          R"({}{{"name":{},"repositories":{},"role":"{}","state":"{}","quota_bytes":{},)"
          R"("created_at":"{}","expires_at":{}}})",
          is_first ? "" : ",", json_string(principal.name),
          json_string(principal.repositories.text()), to_string(principal.role), state,
          principal.quota_bytes, iso_time({row.created_at, 0}),
          row.expires_at ? json_string(iso_time({*row.expires_at, 0})) : "null");
    } else {
      out += fmt::format("{:24} {:24} {:9} {:8} expires {}\n", principal.name,
                         principal.repositories.text(), to_string(principal.role), state,
                         time_or(row.expires_at, "never"));
    }
    is_first = false;
  }
  print(as_json ? out + "]\n" : out);
}

void revoke_token_by_name(const ServerConfig& config, const std::string& name, const Clock& clock) {
  Host host{config};
  Transaction transaction{host.database, Transaction::Mode::write};
  if (!revoke_token(host.database, name, clock.now().s)) {
    throw Error{ErrorCode::not_found, fmt::format("there is no valid token called {}", name)};
  }
  transaction.commit();
}

void list_trash(const ServerConfig& config, const TrashChoice& choice, bool as_json) {
  Host host{config};
  Catalog catalog{host.database};
  std::string out = as_json ? "[" : "";
  bool is_first = true;
  for (const TrashRow& row : chosen(catalog, choice)) {
    const auto repository = catalog.find_repository(row.repository);
    const std::string name = repository ? repository->name : "?";
    if (as_json) {
      out +=
          fmt::format(R"({}{{"id":{},"repository":{},"object":"{}","bytes":{},"removed_at":"{}"}})",
                      is_first ? "" : ",", row.id, json_string(name), row.object.path(), row.bytes,
                      iso_time({row.removed_at, 0}));
    } else {
      out += fmt::format("{:8} {} {} {} ({} bytes)\n", row.id, iso_time({row.removed_at, 0}), name,
                         row.object.path(), row.bytes);
    }
    is_first = false;
  }
  print(as_json ? out + "]\n" : out);
}

void restore_trash(const ServerConfig& config, const TrashChoice& choice, const Clock& clock) {
  Host host{config};
  Catalog catalog{host.database};
  std::size_t restored = 0;
  std::size_t there = 0;
  for (const TrashRow& row : chosen(catalog, choice)) {
    // One transaction each: what is restored stays so, whatever comes after.
    Transaction transaction{host.database, Transaction::Mode::write};
    try {
      restore_from_trash(host.directory, catalog, row.id, clock.now().s);
    } catch (const Error& error) {
      if (choice.id || error.code() != ErrorCode::exists) throw;
      ++there;
      continue;
    }
    transaction.commit();
    ++restored;
  }
  print(fmt::format("{} objects restored, {} were there again\n", restored, there));
}

void empty_trash(const ServerConfig& config, const TrashChoice& choice) {
  Host host{config};
  Catalog catalog{host.database};
  const auto rows = chosen(catalog, choice);
  Transaction transaction{host.database, Transaction::Mode::write};
  for (const TrashRow& row : rows) delete_from_trash(host.directory, catalog, row);
  transaction.commit();
  print(fmt::format("{} objects deleted for good\n", rows.size()));
}

void rescan(const ServerConfig& config, const std::string& repository, const Clock& clock) {
  const RepositoryName name = parse_repository(repository);
  Host host{config};
  Catalog catalog{host.database};
  const auto root = host.directory.open_repository(name);
  if (!root) {
    throw Error{ErrorCode::no_repository, fmt::format("there is no repository {}", repository)};
  }
  Transaction transaction{host.database, Transaction::Mode::write};
  const std::int64_t now = clock.now().s;
  const std::int64_t id = catalog.add_repository(name, now);
  const ScanResult result = scan_repository(RepositoryFiles{root->get()}, catalog, id, now);
  transaction.commit();
  print(fmt::format("{} objects; {} were not known, {} are gone\n", result.objects, result.added,
                    result.removed));
}

}  // namespace vgerfs::server
