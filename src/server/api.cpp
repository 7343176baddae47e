#include "server/api.h"

#include <map>
#include <utility>

#include "server/changes.h"
#include "server/compaction_plan.h"
#include "server/error_reply.h"
#include "server/json_body.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;
using nlohmann::json;

/// `have` asks for so many names at most.
constexpr std::size_t kMaxNames = 10'000;
constexpr std::uint64_t kMaxHaveBytes = 1 << 20;
constexpr std::uint64_t kMaxVerifyBytes = 4096;
constexpr std::size_t kMaxDamages = 1000;
/// Proxies end what is silent for a minute.
constexpr std::uint64_t kMaxWait_s = 50;
constexpr std::chrono::seconds kMaxVerifyTime{30};

/// A lease's object, as clients know it (docs/FORMAT.md section 12).
constexpr std::size_t kMaxLeaseBytes = 64 * 1024;
constexpr std::uint64_t kMaxLeaseBody = 2 * kMaxLeaseBytes + 1024;

/// What is known of repositories, by their numbers.
struct Statistics {
  std::map<std::int64_t, std::map<std::string_view, std::pair<std::uint64_t, std::uint64_t>>> types;
  std::map<std::int64_t, TrashTotalRow> trash;
};

Statistics read_statistics(Catalog& catalog) {
  Statistics found;
  for (const TotalRow& row : catalog.totals()) {
    auto& sum = found.types[row.repository][format::directory_name(row.type)];
    sum.first += row.objects;
    sum.second += row.bytes;
  }
  for (const TrashTotalRow& row : catalog.trash_totals()) found.trash[row.repository] = row;
  return found;
}

json number_or_null(const std::optional<std::int64_t>& number) {
  return number ? json(*number) : json(nullptr);
}

json list_of(const std::vector<DamageRow>& damages) {
  json list = json::array();
  for (const DamageRow& damage : damages) {
    list.push_back({{"type", format::directory_name(damage.object.type)},
                    {"name", damage.object.id.hex()},
                    {"found_at", damage.found_at},
                    {"problem", damage.problem}});
  }
  return list;
}

json counts(std::uint64_t objects, std::uint64_t bytes) {
  return {{"objects", objects}, {"bytes", bytes}};
}

json describe(const RepositoryRow& row, const Statistics& statistics, std::uint64_t quota) {
  json types = json::object();
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  if (const auto found = statistics.types.find(row.id); found != statistics.types.end()) {
    for (const auto& [type, sum] : found->second) {
      types[std::string{type}] = counts(sum.first, sum.second);
      objects += sum.first;
      bytes += sum.second;
    }
  }
  const auto trash = statistics.trash.find(row.id);
  json described{{"name", row.name},
                 {"created_at", row.created_at},
                 {"last_backup_at", number_or_null(row.last_backup_at)},
                 {"objects", objects},
                 {"bytes", bytes},
                 {"types", std::move(types)},
                 {"trash", trash == statistics.trash.end()
                               ? counts(0, 0)
                               : counts(trash->second.objects, trash->second.bytes)},
                 {"quota_bytes", quota},
                 {"head", json_of(row.head)}};
  return described;
}

json json_of(const LeaseRow& row) {
  return {{"lease", row.id.hex()}, {"fence", row.fence}, {"ttl_seconds", row.ttl_s}};
}

json json_of(const LiveLease& live, std::int64_t now_s) {
  json described = json_of(live.row);
  described["kind"] = live.row.is_exclusive ? "exclusive" : "shared";
  described["token"] = live.row.token_name;
  described["made_at"] = live.row.made_at;
  described["expires_in_seconds"] = live.left_s;
  described["expires_at"] = now_s + live.left_s;
  return described;
}

WantedLease wanted_lease(const json& body, std::uint64_t max_ttl_s) {
  allow_only(body, {"object", "kind", "ttl_seconds"});
  auto object = parse_hex(body.at("object").get_ref<const std::string&>());
  if (!object || object->empty() || object->size() > kMaxLeaseBytes) {
    throw HttpError{400,
                    fmt::format("\"object\" must be hex digits of 1 to {} bytes", kMaxLeaseBytes)};
  }
  const std::string& kind = body.at("kind").get_ref<const std::string&>();
  if (kind != "shared" && kind != "exclusive") {
    throw HttpError{400, "\"kind\" must be shared or exclusive"};
  }
  const json& ttl = body.at("ttl_seconds");
  if (!ttl.is_number_unsigned() || ttl.get<std::uint64_t>() == 0) {
    throw HttpError{400, "\"ttl_seconds\" must be a whole number above 0"};
  }
  return {.object = std::move(*object),
          .is_exclusive = kind == "exclusive",
          .ttl_s = static_cast<std::int64_t>(std::min(ttl.get<std::uint64_t>(), max_ttl_s))};
}

ObjectId named_lease(const json& body) {
  allow_only(body, {"lease"});
  const auto id = ObjectId::parse(body.at("lease").get_ref<const std::string&>());
  if (!id) throw HttpError{400, "\"lease\" must be 64 lower-case hex digits"};
  return *id;
}

/// Of a compaction; its plan is read as it came, since its hash tells a repeated one.
class PlanBody final : public RequestBody {
 public:
  PlanBody(Compactor& compactor, CompactionRequest request)
      : compactor_(compactor), request_(std::move(request)) {}

  void write(ByteView bytes) override {
    if (bytes.size() > kMaxPlanTextBytes - text_.size()) {
      throw HttpError{413, "the plan is too long"};
    }
    text_ += text_of(bytes);
  }
  Reply finish() override { return compactor_.compact(request_, text_); }

 private:
  Compactor& compactor_;
  const CompactionRequest request_;
  std::string text_;
};

}  // namespace

Answer Api::answer(const Request& request, const ApiRoute& route) {
  switch (route.call) {
    case ApiRoute::Call::repositories: return repositories(request);
    case ApiRoute::Call::repository: return repository(request, *route.repository);
    case ApiRoute::Call::changes: return changes(request, route);
    case ApiRoute::Call::have: return have(request, *route.repository);
    case ApiRoute::Call::verify: return verify(request, route);
    case ApiRoute::Call::leases:
      return request.method == Method::post ? acquire(request, *route.repository)
                                            : leases(request, *route.repository);
    case ApiRoute::Call::renew: return renew(request, *route.repository);
    case ApiRoute::Call::release: return release(request, *route.repository);
    case ApiRoute::Call::compact: return compact(request, *route.repository);
  }
  throw HttpError{404, "there is no such place"};
}

Reply Api::repositories(const Request& request) {
  const Principal principal = parts_.access.authenticated(request);
  const auto connection = parts_.store.reader();
  const Transaction transaction{*connection, Transaction::Mode::read};
  Catalog catalog{*connection};
  const Statistics statistics = read_statistics(catalog);
  json list = json::array();
  for (const RepositoryRow& row : catalog.repositories()) {
    const auto name = RepositoryName::parse(row.name);
    if (!name || !principal.repositories.covers(*name)) continue;
    list.push_back(describe(row, statistics, parts_.access.quota_of(row.name)));
  }
  return json_reply({{"repositories", std::move(list)}});
}

Reply Api::repository(const Request& request, const RepositoryName& name) {
  const Repository repository = parts_.access.reading(request, name, ObjectType::config);
  const auto connection = parts_.store.reader();
  const Transaction transaction{*connection, Transaction::Mode::read};
  Catalog catalog{*connection};
  const auto row = catalog.find_repository(repository.id);
  if (!row) throw HttpError{404, "there is no such repository"};
  return json_reply(describe(*row, read_statistics(catalog), parts_.access.quota_of(row->name)));
}

Answer Api::changes(const Request& request, const ApiRoute& route) {
  const Repository repository =
      parts_.access.reading(request, *route.repository, ObjectType::index);
  ChangeReader reader{parts_.store, repository};
  if (request.accept == kEventStreamType) {
    if (!route.since) throw HttpError{400, "events begin after a number: since=N"};
    return std::make_unique<ChangeEvents>(std::move(reader), parts_.bell, *route.since);
  }
  if (route.since && route.wait_s > 0 && request.method == Method::get) {
    const std::chrono::seconds patience{
        static_cast<std::int64_t>(std::min(route.wait_s, kMaxWait_s))};
    return std::make_unique<ChangeWait>(std::move(reader), parts_.bell, *route.since, patience);
  }
  return reader.reply(route.since);
}

Answer Api::verify(const Request& request, const ApiRoute& route) {
  if (request.method != Method::post) {
    const Repository repository =
        parts_.access.reading(request, *route.repository, ObjectType::pack);
    const auto connection = parts_.store.reader();
    const Transaction transaction{*connection, Transaction::Mode::read};
    Catalog catalog{*connection};
    const ScrubRow scrub = catalog.scrub(repository.id);
    return json_reply({{"complete_since", number_or_null(scrub.complete_since)},
                       {"began_at", number_or_null(scrub.began_at)},
                       {"damaged", list_of(catalog.damages(repository.id, kMaxDamages))},
                       {"damaged_objects", catalog.damage_count(repository.id)}});
  }
  const Principal principal = parts_.access.authenticated(request);
  parts_.access.demand(request, principal, *route.repository, {.verb = Verb::verify});
  const Repository repository = parts_.access.existing(*route.repository);
  return std::make_unique<JsonBody>(kMaxVerifyBytes, [this, repository](const json& body) {
    const auto& level = body.at("level").get_ref<const std::string&>();
    if (level == "structure") {
      allow_only(body, {"level"});
      const StructureCheckResult found =
          parts_.verifier.check_structure(repository, stop_.get_token());
      if (found.was_stopped) throw HttpError{503, "the server stops"};
      return json_reply({{"level", level},
                         {"objects", found.objects},
                         {"packs", found.packs},
                         {"damaged", list_of(found.damaged)},
                         {"unknown_files", found.unknown_files},
                         {"uploads", found.uploads},
                         {"missing_trash", found.missing_trash}});
    }
    if (level != "hash") throw HttpError{400, "\"level\" must be structure or hash"};
    allow_only(body, {"level", "max_bytes"});
    if (!body.at("max_bytes").is_number_unsigned()) {
      throw HttpError{400, "\"max_bytes\" must be a number of bytes"};
    }
    const auto max_bytes = body.at("max_bytes").get<std::uint64_t>();
    const HashCheckResult read = parts_.verifier.check_hashes(
        repository,
        {.max_bytes = max_bytes,
         .max_time = kMaxVerifyTime,
         .bytes_per_second = parts_.access.config()->scrub_bytes_per_second},
        stop_.get_token());
    if (read.was_stopped) throw HttpError{503, "the server stops"};
    return json_reply({{"level", level},
                       {"objects", read.objects},
                       {"bytes", read.bytes},
                       {"damaged", list_of(read.damaged)},
                       {"is_pass_complete", read.is_pass_complete}});
  });
}

Answer Api::have(const Request& request, const RepositoryName& name) {
  const Repository repository = parts_.access.reading(request, name, ObjectType::pack);
  return std::make_unique<JsonBody>(kMaxHaveBytes, [this, repository](const json& body) {
    allow_only(body, {"type", "names"});
    const auto type = format::parse_object_type(body.at("type").get_ref<const std::string&>());
    if (!type || *type == ObjectType::config || *type == ObjectType::lock) {
      throw HttpError{400, "\"type\" must be data, index, keys or snapshots"};
    }
    const json& names = body.at("names");
    if (!names.is_array() || names.size() > kMaxNames) {
      throw HttpError{400, fmt::format("\"names\" must be an array of at most {}", kMaxNames)};
    }
    const auto connection = parts_.store.reader();
    const Transaction transaction{*connection, Transaction::Mode::read};
    Catalog catalog{*connection};
    json objects = json::array();
    for (const json& entry : names) {
      const auto id = ObjectId::parse(entry.get_ref<const std::string&>());
      if (!id) throw HttpError{400, "a name is not 64 lower-case hex digits"};
      const auto row = catalog.find_object(repository.id, {*type, *id});
      if (row) objects.push_back({{"name", id->hex()}, {"size", row->bytes}});
    }
    return json_reply({{"objects", std::move(objects)}});
  });
}

Reply Api::leases(const Request& request, const RepositoryName& name) {
  const Repository repository = parts_.access.reading(request, name, ObjectType::lock);
  parts_.leases.remove_dead(repository);
  json list = json::array();
  for (const LiveLease& live : parts_.leases.list(repository)) {
    list.push_back(json_of(live, parts_.clock.now().s));
  }
  return json_reply({{"leases", std::move(list)}});
}

Answer Api::acquire(const Request& request, const RepositoryName& name) {
  const Principal principal = parts_.access.authenticated(request);
  parts_.access.demand(request, principal, name, {.verb = Verb::add, .type = ObjectType::lock});
  const Repository repository = parts_.access.existing(name);
  return std::make_unique<JsonBody>(kMaxLeaseBody, [this, repository, principal](const json& body) {
    const WantedLease wanted = wanted_lease(body, parts_.access.config()->lock_ttl_seconds);
    const auto answer = parts_.leases.acquire(
        repository, principal, wanted,
        parts_.ledger.reserve(
            {repository.id, principal.id},
            parts_.access.limits_for(principal, repository.name, ObjectType::lock),
            wanted.object.size()));
    if (const auto* const granted = std::get_if<LeaseRow>(&answer)) {
      return json_reply(json_of(*granted));
    }
    json holder = json_of(std::get<LiveLease>(answer), parts_.clock.now().s);
    holder["error"] = "another exclusive lease is live";
    Reply reply = json_reply(holder);
    reply.status = 409;
    return reply;
  });
}

Answer Api::renew(const Request& request, const RepositoryName& name) {
  const Principal principal = parts_.access.authenticated(request);
  parts_.access.demand(request, principal, name, {.verb = Verb::add, .type = ObjectType::lock});
  const Repository repository = parts_.access.existing(name);
  return std::make_unique<JsonBody>(kMaxLeaseBody, [this, repository, principal](const json& body) {
    return json_reply(json_of(parts_.leases.renew(repository, named_lease(body), principal)));
  });
}

Answer Api::release(const Request& request, const RepositoryName& name) {
  const Principal principal = parts_.access.authenticated(request);
  parts_.access.demand(request, principal, name, {.verb = Verb::add, .type = ObjectType::lock});
  const Repository repository = parts_.access.existing(name);
  return std::make_unique<JsonBody>(kMaxLeaseBody, [this, repository, principal,
                                                    request](const json& body) {
    const ObjectId id = named_lease(body);
    const auto row = parts_.leases.find(repository, id);
    if (row) {
      parts_.access.demand(
          request, principal, repository.name,
          {.verb = Verb::remove, .type = ObjectType::lock, .is_own = row->token == principal.id});
      parts_.leases.release(repository, id, principal);
      if (row->token != principal.id) parts_.access.log_removal(request, principal, true);
    }
    return json_reply({{"existed", row.has_value()}});
  });
}

Answer Api::compact(const Request& request, const RepositoryName& name) {
  Principal principal = parts_.access.authenticated(request);
  parts_.access.demand(request, principal, name, {.verb = Verb::compact, .type = ObjectType::pack});
  Repository repository = parts_.access.existing(name);
  if (request.content_length.value_or(0) > kMaxPlanTextBytes) {
    throw HttpError{413, "the plan is too long"};
  }
  const SpaceLimits limits = parts_.access.limits_for(principal, name, ObjectType::pack);
  return std::make_unique<PlanBody>(
      compactor_, CompactionRequest{.repository = std::move(repository),
                                    .principal = std::move(principal),
                                    .limits = limits,
                                    .max_pack_bytes = parts_.access.config()->max_object_bytes});
}

}  // namespace vgerfs::server
