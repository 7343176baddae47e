#include "server/service.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "server/byte_range.h"
#include "server/database_copy.h"
#include "server/error_reply.h"
#include "server/list_text.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;

/// Objects of these types are small in every repository.
constexpr std::uint64_t kMaxSmallObject = 1 << 20;
constexpr std::uint64_t kMaxCreateBody = 64 * 1024;
/// So long a request that is known by an id gets the same answer again.
constexpr std::int64_t kOperationDays = 7;

std::uint64_t max_bytes(const ServerConfig& config, ObjectType type) {
  switch (type) {
    case ObjectType::config:
    case ObjectType::key:
    case ObjectType::lock: return std::min(kMaxSmallObject, config.max_object_bytes);
    case ObjectType::pack:
    case ObjectType::index:
    case ObjectType::snapshot: break;
  }
  return config.max_object_bytes;
}

/// Some clients send an empty body in chunks.
class NoBody final : public RequestBody {
 public:
  explicit NoBody(Reply reply) : reply_(std::move(reply)) {}
  void write(ByteView bytes) override {
    received_ += bytes.size();
    if (received_ > kMaxCreateBody) throw HttpError{413, "this request has no body"};
  }
  Reply finish() override { return std::move(reply_); }

 private:
  Reply reply_;
  std::uint64_t received_ = 0;
};

}  // namespace

/// The body of an object.
class Service::AddBody final : public RequestBody {
 public:
  AddBody(Service& service, Repository repository, std::optional<std::uint64_t> fence,
          std::unique_ptr<Upload> upload, std::uint64_t limit)
      : service_(service),
        repository_(std::move(repository)),
        fence_(fence),
        upload_(std::move(upload)),
        limit_(limit) {}

  void write(ByteView bytes) override {
    if (bytes.size() > limit_ - upload_->bytes()) throw HttpError{413, "the object is too large"};
    upload_->write(bytes);
  }

  Reply finish() override {
    service_.parts_.leases.fenced(repository_, fence_, [this](const ChangeGuard& guard) {
      service_.parts_.store.add(repository_, *upload_, guard);
    });
    return text_reply(200, {});
  }

 private:
  Service& service_;
  const Repository repository_;
  const std::optional<std::uint64_t> fence_;
  const std::unique_ptr<Upload> upload_;
  const std::uint64_t limit_;
};

Service::Service(const ServiceParts& parts, ServerConfig config)
    : parts_(parts),
      started_at_(parts.clock.boot_ns()),
      access_(parts.authenticator, parts.store, parts.audit, std::move(config)),
      api_({.store = parts.store,
            .leases = parts.leases,
            .ledger = parts.ledger,
            .access = access_,
            .bell = parts.bell,
            .verifier = parts.verifier,
            .log = parts.log,
            .clock = parts.clock}) {}

Answer Service::begin(const Request& request) {
  try {
    return answer(request, parse_route(request.method, request.target));
  } catch (...) {
    return failure(request, std::current_exception());
  }
}

Reply Service::failure(const Request& request, const std::exception_ptr& error) {
  Reply reply = error_reply(error);
  reply.without_body = request.method == Method::head;
  try {
    std::rethrow_exception(error);
  } catch (const Error& failed) {
    if (reply.status >= 500) {
      parts_.log.write(Severity::error, "failed",
                       {{"method", request.method_text},
                        {"target", request.target},
                        {"code", to_string(failed.code())},
                        {"error", failed.message()}});
    }
  } catch (const HttpError&) {  // NOLINT(bugprone-empty-catch): the client's matter
  } catch (const std::exception& failed) {
    parts_.log.write(
        Severity::error, "failed",
        {{"method", request.method_text}, {"target", request.target}, {"error", failed.what()}});
  }
  return reply;
}

Answer Service::answer(const Request& request, const Route& route) {
  struct Visitor {
    Service& service;
    const Request& request;

    Answer operator()(const HealthRoute&) const { return service.health(); }
    Answer operator()(const ApiRoute& at) const { return service.api_.answer(request, at); }
    Answer operator()(const MetricsRoute&) const { return service.metrics_text(request); }
    Answer operator()(const CreateRoute& at) const {
      Reply reply = service.create(request, at);
      if (!request.has_body()) return reply;
      return std::make_unique<NoBody>(std::move(reply));
    }
    Answer operator()(const ListRoute& at) const { return service.list(request, at); }
    Answer operator()(const ReadRoute& at) const { return service.read(request, at); }
    Answer operator()(const AddRoute& at) const { return service.add(request, at); }
    Answer operator()(const RemoveRoute& at) const { return service.remove(request, at); }
    Answer operator()(const UnknownRoute&) const {
      return text_reply(404, "there is no such place");
    }
    Answer operator()(const WrongMethodRoute& at) const {
      Reply reply = text_reply(405, fmt::format("allowed here: {}", at.allowed));
      reply.headers.emplace_back("Allow", at.allowed);
      return reply;
    }
  };
  Answer given = std::visit(Visitor{*this, request}, route);
  if (auto* const reply = std::get_if<Reply>(&given); reply && request.method == Method::head) {
    reply->without_body = true;
  }
  return given;
}

Reply Service::health() {
  const DiskSpace disk = parts_.store.directory().disk_space();
  const std::int64_t uptime_s = (parts_.clock.boot_ns() - started_at_) / kNsPerSecond;
  return {.content_type = "application/json",
          .text = fmt::format(
              R"({{"status":"ok","version":"{}","uptime_seconds":{},"disk_free_bytes":{},)"
              R"("disk_total_bytes":{},"repositories":{}}})"
              "\n",
              VGERFS_VERSION, uptime_s, disk.free_bytes, disk.total_bytes,
              parts_.store.repository_count())};
}

Reply Service::metrics_text(const Request& request) {
  const Principal principal = access_.authenticated(request);
  if (principal.role != Role::admin || principal.repositories.text() != "*") {
    throw HttpError{403, "metrics are for admins of all repositories"};
  }
  const DiskSpace disk = parts_.store.directory().disk_space();
  std::string text = parts_.metrics.text();
  text += fmt::format("# TYPE vgerfs_disk_free_bytes gauge\nvgerfs_disk_free_bytes {}\n",
                      disk.free_bytes);
  text += fmt::format("# TYPE vgerfs_disk_total_bytes gauge\nvgerfs_disk_total_bytes {}\n",
                      disk.total_bytes);
  text += fmt::format("# TYPE vgerfs_reserved_bytes gauge\nvgerfs_reserved_bytes {}\n",
                      parts_.ledger.reserved());
  const auto connection = parts_.store.reader();
  Catalog catalog{*connection};
  std::uint64_t trash_bytes = 0;
  for (const TrashTotalRow& row : catalog.trash_totals()) trash_bytes += row.bytes;
  text += fmt::format("# TYPE vgerfs_trash_bytes gauge\nvgerfs_trash_bytes {}\n", trash_bytes);
  const auto repositories = catalog.repositories();
  std::map<std::int64_t, std::string> names;
  for (const RepositoryRow& row : repositories) names[row.id] = label_value(row.name);
  std::map<std::pair<std::string, std::string_view>, std::pair<std::uint64_t, std::uint64_t>> sums;
  for (const TotalRow& row : catalog.totals()) {
    auto& sum = sums[{names[row.repository], format::directory_name(row.type)}];
    sum.first += row.objects;
    sum.second += row.bytes;
  }
  text += "# TYPE vgerfs_objects gauge\n";
  for (const auto& [key, sum] : sums) {
    text += fmt::format("vgerfs_objects{{repository=\"{}\",type=\"{}\"}} {}\n", key.first,
                        key.second, sum.first);
  }
  text += "# TYPE vgerfs_stored_bytes gauge\n";
  for (const auto& [key, sum] : sums) {
    text += fmt::format("vgerfs_stored_bytes{{repository=\"{}\",type=\"{}\"}} {}\n", key.first,
                        key.second, sum.second);
  }
  text += "# TYPE vgerfs_leases gauge\n";
  const auto leases = parts_.leases.count();
  for (const RepositoryRow& row : repositories) {
    const auto count = leases.find(row.id);
    text += fmt::format("vgerfs_leases{{repository=\"{}\"}} {}\n", label_value(row.name),
                        count == leases.end() ? 0 : count->second);
  }
  text += "# TYPE vgerfs_last_backup_timestamp_seconds gauge\n";
  for (const RepositoryRow& row : repositories) {
    if (!row.last_backup_at) continue;
    text += fmt::format("vgerfs_last_backup_timestamp_seconds{{repository=\"{}\"}} {}\n",
                        label_value(row.name), *row.last_backup_at);
  }
  text += "# TYPE vgerfs_damaged_objects gauge\n";
  for (const RepositoryRow& row : repositories) {
    text += fmt::format("vgerfs_damaged_objects{{repository=\"{}\"}} {}\n", label_value(row.name),
                        catalog.damage_count(row.id));
  }
  // Every object was read, or came, since then; the repository's beginning before the first time.
  text += "# TYPE vgerfs_scrubbed_since_timestamp_seconds gauge\n";
  for (const RepositoryRow& row : repositories) {
    text += fmt::format("vgerfs_scrubbed_since_timestamp_seconds{{repository=\"{}\"}} {}\n",
                        label_value(row.name),
                        catalog.scrub(row.id).complete_since.value_or(row.created_at));
  }
  text += "# TYPE vgerfs_quota_bytes gauge\n";
  for (const RepositoryRow& row : repositories) {
    text += fmt::format("vgerfs_quota_bytes{{repository=\"{}\"}} {}\n", label_value(row.name),
                        access_.quota_of(row.name));
  }
  return {.content_type = "text/plain; version=0.0.4", .text = std::move(text)};
}

Reply Service::create(const Request& request, const CreateRoute& route) {
  const Principal principal = access_.authenticated(request);
  access_.demand(request, principal, route.repository, {.verb = Verb::create});
  parts_.store.create(route.repository);
  return text_reply(200, {});
}

Reply Service::list(const Request& request, const ListRoute& route) {
  const Repository repository = access_.reading(request, route.repository, route.type);
  if (route.type == ObjectType::lock) parts_.leases.remove_dead(repository);
  ListText text{list_version(request.accept), parts_.store.directory().uploads()};
  const auto head = parts_.store.list(repository, route.type,
                                      [&](const ListedObject& object) { text.add(object); });
  Reply reply = text.finish();
  reply.headers.emplace_back("Vgerfs-Repository", repository.name.text());
  if (head) {
    reply.headers.emplace_back("Vgerfs-Sequence", std::to_string(head->sequence));
    reply.headers.emplace_back("Vgerfs-Hash", ObjectId{head->hash}.hex());
  }
  return reply;
}

Reply Service::read(const Request& request, const ReadRoute& route) {
  const Repository repository = access_.reading(request, route.repository, route.object.type);
  const auto object = parts_.store.open(repository, route.object);
  if (!object) throw HttpError{404, "there is no such object"};

  Reply reply{.content_type = "application/octet-stream"};
  reply.headers.emplace_back("Accept-Ranges", "bytes");
  // A range is defined for GET alone (RFC 9110 section 14.2).
  const ByteRange range = request.method == Method::get
                              ? parse_byte_range(request.range, object->bytes)
                              : parse_byte_range({}, object->bytes);
  switch (range.kind) {
    case ByteRange::Kind::unsatisfiable:
      reply = text_reply(416, "the object ends before that range");
      reply.headers.emplace_back("Content-Range", fmt::format("bytes */{}", object->bytes));
      return reply;
    case ByteRange::Kind::part:
      reply.status = 206;
      reply.headers.emplace_back("Content-Range",
                                 fmt::format("bytes {}-{}/{}", range.offset,
                                             range.offset + range.bytes - 1, object->bytes));
      break;
    case ByteRange::Kind::whole: break;
  }
  reply.headers.emplace_back("Vgerfs-Repository", repository.name.text());
  reply.headers.emplace_back("Vgerfs-Stored-At", std::to_string(object->stored_at_ns));
  reply.file = FilePart{object->fd, range.offset, range.bytes};
  return reply;
}

Answer Service::add(const Request& request, const AddRoute& route) {
  const Principal principal = access_.authenticated(request);
  const ObjectType type = route.object.type;
  access_.demand(request, principal, route.repository, {.verb = Verb::add, .type = type});
  if (!request.content_length && !request.is_chunked) {
    throw HttpError{411, "how long is the object?"};
  }
  const std::uint64_t limit = max_bytes(*config(), type);
  const std::uint64_t declared = request.content_length.value_or(0);
  if (declared > limit) throw HttpError{413, "the object is too large"};
  Repository repository = access_.existing(route.repository);
  const auto fence = parse_fence(request.fence);
  parts_.leases.require_live(repository, fence);
  Reservation reservation =
      parts_.ledger.reserve({repository.id, principal.id},
                            access_.limits_for(principal, route.repository, type), declared);
  auto upload = parts_.store.begin(repository, route.object, principal, std::move(reservation));
  return std::make_unique<AddBody>(*this, std::move(repository), fence, std::move(upload), limit);
}

Reply Service::remove(const Request& request, const RemoveRoute& route) {
  const Principal principal = access_.authenticated(request);
  const auto repository = principal.repositories.covers(route.repository)
                              ? parts_.store.find(route.repository)
                              : std::nullopt;
  const bool is_own = repository && route.object.type == ObjectType::lock &&
                      parts_.store.is_own(*repository, route.object, principal);
  access_.demand(request, principal, route.repository,
                 {.verb = Verb::remove, .type = route.object.type, .is_own = is_own});
  if (!repository) throw HttpError{404, "there is no such repository"};
  bool removed = false;
  parts_.leases.fenced(*repository, parse_fence(request.fence), [&](const ChangeGuard& guard) {
    removed = parts_.store.remove(*repository, route.object, principal, guard);
  });
  access_.log_removal(request, principal, removed);
  return text_reply(200, {});
}

void Service::do_chores() {
  parts_.leases.remove_dead();
  constexpr std::int64_t kDay = 86400;
  const auto days = static_cast<std::int64_t>(config()->trash_days);
  const std::size_t deleted = parts_.store.empty_trash_before(parts_.clock.now().s - days * kDay);
  if (deleted > 0) {
    parts_.audit.write(Severity::info, "trash_emptied",
                       {{"objects", static_cast<std::uint64_t>(deleted)}});
  }
  parts_.store.forget_changes_before(parts_.clock.now().s -
                                     static_cast<std::int64_t>(config()->changes_days) * kDay);
  parts_.store.forget_operations_before(parts_.clock.now().s - kOperationDays * kDay);
  const auto connection = parts_.store.reader();
  copy_database_daily(*connection, parts_.store.directory().copies_path(), parts_.clock.now());
}

}  // namespace vgerfs::server
