// lock list, lock break: who is at work on a repository.
#include <algorithm>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backends/store_services.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/repository_access.h"
#include "repo/leases.h"

namespace vgerfs::cli {
namespace {

struct BreakOptions {
  std::vector<std::string> ids;
  bool expired = false;
  bool force = false;
};

using KeptLeases = std::map<LeaseId, backends::ListedStoreLease>;

/// What a server says of leases; nullopt where none keeps them.
std::optional<KeptLeases> kept_leases(repo::Repository& repository) {
  backends::StoreServices* const services = repository.backend().services();
  auto listed = services == nullptr ? std::nullopt : services->leases();
  if (!listed) return std::nullopt;
  KeptLeases kept;
  for (backends::ListedStoreLease& lease : *listed) kept.emplace(lease.id, std::move(lease));
  return kept;
}

const backends::ListedStoreLease* find(const std::optional<KeptLeases>& kept, const LeaseId& id) {
  if (!kept) return nullptr;
  const auto found = kept->find(id);
  return found == kept->end() ? nullptr : &found->second;
}

/// A server's word counts, if it keeps this one.
bool is_live(const repo::ListedLease& listed, const std::optional<KeptLeases>& kept,
             Timestamp now) {
  return find(kept, listed.id) != nullptr || repo::is_live(listed, now);
}

Json lease_json(const repo::ListedLease& listed, bool live,
                const backends::ListedStoreLease* kept = nullptr) {
  Json json{{"id", listed.id.hex()}, {"live", live}};
  if (kept != nullptr) {
    json["server"] = {
        {"fence", kept->fence}, {"token", kept->token}, {"expires_in_seconds", kept->left_s}};
  }
  if (listed.stored_at) json["refreshed"] = iso_time(*listed.stored_at);
  if (!listed.lease) {
    json["unreadable"] = listed.reason;
    return json;
  }
  const repo::Lease& lease = *listed.lease;
  json["kind"] = lease.kind == repo::LeaseKind::exclusive ? "maintenance" : "session";
  json["host"] = lease.host;
  json["pid"] = lease.pid;
  json["program"] = lease.program;
  json["key"] = lease.author.label;
  json["created"] = iso_time({lease.created_s, 0});
  json["ttl_s"] = lease.ttl_s;
  return json;
}

ExitCode list_locks(Context& context) {
  const auto repository = context.open_repository();
  const Timestamp now = context.io.clock->now();
  const auto kept = kept_leases(*repository);
  std::vector<Table::Column> columns{{"ID"},  {"KIND"},  {"HOST"}, {"PID"},
                                     {"KEY"}, {"SINCE"}, {"STATE"}};
  if (kept) columns.insert(columns.end(), {{"TOKEN"}, {"FENCE"}, {"EXPIRES"}});
  Table table{columns};
  Json document = Json::array();
  for (const repo::ListedLease& listed : repo::list_leases(*repository)) {
    const bool live = is_live(listed, kept, now);
    const backends::ListedStoreLease* const known = find(kept, listed.id);
    document.push_back(lease_json(listed, live, known));
    std::vector<std::string> row{listed.id.short_hex(), "unreadable", "", "", "", ""};
    if (listed.lease) {
      const repo::Lease& lease = *listed.lease;
      row = {listed.id.short_hex(),
             lease.kind == repo::LeaseKind::exclusive ? "maintenance" : "session",
             printable(lease.host),
             std::to_string(lease.pid),
             printable(lease.author.label),
             iso_time({lease.created_s, 0})};
    }
    row.emplace_back(live ? "live" : "expired");
    if (known != nullptr) {
      row.insert(row.end(), {printable(known->token), std::to_string(known->fence),
                             fmt::format("in {} s", known->left_s)});
    } else if (kept) {
      row.insert(row.end(), {"", "", ""});
    }
    table.add(row);
  }
  context.output.result(table.text());
  context.output.json(document);
  return ExitCode::ok;
}

ExitCode break_locks(Context& context, const BreakOptions& options) {
  if (options.ids.empty() == !options.expired) {
    throw Error{ErrorCode::usage, "name locks, or give --expired", "`lock list` shows them"};
  }
  const auto repository = context.open_repository();
  const Timestamp now = context.io.clock->now();
  const auto kept = kept_leases(*repository);
  const std::vector<repo::ListedLease> leases = repo::list_leases(*repository);
  std::vector<const repo::ListedLease*> chosen;
  for (const std::string& prefix : options.ids) {
    const auto fits = [&](const repo::ListedLease& listed) {
      return !prefix.empty() && listed.id.hex().starts_with(prefix);
    };
    if (std::count_if(leases.begin(), leases.end(), fits) != 1) {
      throw Error{ErrorCode::usage, fmt::format("'{}' does not name one lock", printable(prefix)),
                  "`lock list` shows them"};
    }
    chosen.push_back(&*std::find_if(leases.begin(), leases.end(), fits));
  }
  for (const repo::ListedLease& listed : leases) {
    if (options.expired && !is_live(listed, kept, now)) chosen.push_back(&listed);
  }
  for (const repo::ListedLease* listed : chosen) {
    if (is_live(*listed, kept, now) && !options.force) {
      throw Error{ErrorCode::busy, "that is live: " + repo::describe(*listed),
                  "if its process is certainly dead, --force removes it"};
    }
  }
  Json document = Json::array();
  for (const repo::ListedLease* listed : chosen) {
    repository->backend().remove(format::lease_name(listed->id));
    context.output.line("removed: " + printable(repo::describe(*listed)));
    document.push_back(lease_json(*listed, is_live(*listed, kept, now)));
  }
  context.output.json(document);
  return ExitCode::ok;
}

}  // namespace

Run add_lock_list(CLI::App&) { return list_locks; }

Run add_lock_break(CLI::App& app) {
  auto options = std::make_shared<BreakOptions>();
  app.add_option("ID", options->ids, "The locks, as list shows them; the first digits do")
      ->type_name("");
  app.add_flag("--expired", options->expired, "All whose holders stopped refreshing them");
  app.add_flag("--force", options->force, "Also one that is live");
  return [options](Context& context) { return break_locks(context, *options); };
}

}  // namespace vgerfs::cli
