#include "server/changes.h"

#include <utility>

#include <fmt/format.h>

#include "server/error_reply.h"
#include "server/json_body.h"

namespace vgerfs::server {
namespace {

using format::StoreChange;
using nlohmann::json;

/// So many changes at most in one reply or burst of events.
constexpr std::size_t kMaxChanges = 5000;

std::string hex_of(const Sha256Digest& hash) { return ObjectId{hash}.hex(); }

json json_of(const StoreChange& change) {
  return {{"sequence", change.sequence},
          {"change", change.is_added ? "added" : "removed"},
          {"type", format::directory_name(change.object.type)},
          {"name", change.object.id.hex()},
          {"bytes", change.bytes},
          {"stored_at_ns", change.stored_at_ns},
          {"at", change.at_s},
          {"token", change.token}};
}

/// The hash after `since`; nullopt if the history does not go back so far.
std::optional<Sha256Digest> hash_at(Catalog& catalog, const RepositoryRow& row,
                                    std::uint64_t since) {
  if (since == row.head.sequence) return row.head.hash;
  return since < row.head.sequence ? catalog.hash_at(row.id, since) : std::nullopt;
}

}  // namespace

json json_of(const format::ChainHead& head) {
  return {{"sequence", head.sequence}, {"hash", hex_of(head.hash)}};
}

Reply ChangeReader::reply(std::optional<std::uint64_t> since) {
  const auto connection = store_.reader();
  const Transaction transaction{*connection, Transaction::Mode::read};
  Catalog catalog{*connection};
  const auto row = catalog.find_repository(repository_.id);
  if (!row) throw HttpError{404, "there is no such repository"};
  if (!since) return json_reply({{"head", json_of(row->head)}});
  auto hash = hash_at(catalog, *row, *since);
  if (!hash) {
    Reply gone = json_reply(
        {{"error", "the history has no such number (any more)"}, {"head", json_of(row->head)}});
    gone.status = 410;
    return gone;
  }
  format::ChainHead last{*since, *hash};
  json list = json::array();
  catalog.changes_since(repository_.id, *since, [&](const StoreChange& change) {
    last = {change.sequence, format::link_hash(last.hash, change)};
    list.push_back(json_of(change));
    return list.size() < kMaxChanges;
  });
  return json_reply(
      {{"changes", std::move(list)}, {"last", json_of(last)}, {"head", json_of(row->head)}});
}

std::optional<Reply> ChangeReader::reply_if_any(std::uint64_t since) {
  {
    const auto connection = store_.reader();
    const auto row = Catalog{*connection}.find_repository(repository_.id);
    if (row && row->head.sequence == since) return std::nullopt;
  }
  return reply(since);
}

std::string ChangeReader::events(std::uint64_t& since) {
  const auto connection = store_.reader();
  const Transaction transaction{*connection, Transaction::Mode::read};
  Catalog catalog{*connection};
  const auto row = catalog.find_repository(repository_.id);
  auto hash = row ? hash_at(catalog, *row, since) : std::nullopt;
  if (!hash) throw HttpError{410, "the history has no such number (any more)"};
  std::string text;
  std::size_t count = 0;
  catalog.changes_since(repository_.id, since, [&](const StoreChange& change) {
    hash = format::link_hash(*hash, change);
    json data = json_of(change);
    data["hash"] = hex_of(*hash);
    text += fmt::format("id: {}\nevent: change\ndata: {}\n\n", change.sequence, data.dump());
    since = change.sequence;
    return ++count < kMaxChanges;
  });
  return text;
}

void ChangeWait::listen(std::function<void()> wake) {
  listener_ = bell_.listen(reader_.repository().id, std::move(wake));
}

std::optional<Reply> ChangeWait::reply(bool is_last) {
  return is_last ? reader_.reply(since_) : reader_.reply_if_any(since_);
}

void ChangeEvents::listen(std::function<void()> wake) {
  listener_ = bell_.listen(reader_.repository().id, std::move(wake));
}

std::optional<Reply> ChangeEvents::reply(bool) {
  Reply begun{.content_type = std::string{kEventStreamType},
              .text = reader_.events(since_),
              .closes = true,
              .is_endless = true};
  begun.headers.emplace_back("Cache-Control", "no-store");
  begun.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
  return begun;
}

}  // namespace vgerfs::server
