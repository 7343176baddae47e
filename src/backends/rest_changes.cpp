#include "backends/rest_changes.h"

#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vgerfs::backends {
namespace {

using format::ChainHead;
using format::StoreChange;
using nlohmann::json;

[[noreturn]] void refuse() {
  throw Error{ErrorCode::unavailable, "the answer is no history of changes"};
}

ObjectId id_of(const json& value) {
  const auto id = ObjectId::parse(value.get_ref<const std::string&>());
  if (!id) refuse();
  return *id;
}

format::ObjectType type_of(const json& value) {
  const auto type = format::parse_object_type(value.get_ref<const std::string&>());
  if (!type) refuse();
  return *type;
}

std::uint64_t number_of(const json& value) {
  return value.get_ref<const json::number_unsigned_t&>();
}

ChainHead head_of(const json& value) {
  return {number_of(value.at("sequence")), id_of(value.at("hash")).bytes()};
}

StoreChange change_of(const json& value) {
  const auto& what = value.at("change").get_ref<const std::string&>();
  if (what != "added" && what != "removed") refuse();
  return {.sequence = number_of(value.at("sequence")),
          .is_added = what == "added",
          .object = {type_of(value.at("type")), id_of(value.at("name"))},
          .bytes = number_of(value.at("bytes")),
          .stored_at_ns = value.at("stored_at_ns").get<std::int64_t>(),
          .at_s = value.at("at").get<std::int64_t>(),
          .token = value.at("token").get<std::string>()};
}

}  // namespace

RestChanges parse_rest_changes(std::string_view text) {
  const json answer = json::parse(text, nullptr, false);
  if (!answer.is_object()) refuse();
  try {
    RestChanges parsed{
        .changes = {}, .last = head_of(answer.at("last")), .head = head_of(answer.at("head"))};
    for (const json& value : answer.at("changes")) parsed.changes.push_back(change_of(value));
    return parsed;
  } catch (const json::exception&) {
    refuse();
  }
}

bool is_linked(const ChainHead& before, const RestChanges& changes) {
  ChainHead at = before;
  for (const StoreChange& change : changes.changes) {
    if (change.sequence != at.sequence + 1) return false;
    at = {change.sequence, format::link_hash(at.hash, change)};
  }
  return at == changes.last;
}

}  // namespace vgerfs::backends
