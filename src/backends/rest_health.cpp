#include "backends/rest_health.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vgerfs::backends {
namespace {

using nlohmann::json;

/// The answer to a call; nullopt if the server does not know it.
std::optional<json> ask(RestWire& wire, HttpMethod method, const std::string& body,
                        const std::string& what) {
  const auto answer = wire.ask_api(method, "verify", body, what);
  if (!answer) return std::nullopt;
  if (!answer->reply.is_success()) throw wire.failure(what, answer->reply);
  json value = json::parse(answer->text, nullptr, false);
  if (!value.is_object()) {
    throw Error{ErrorCode::unavailable, wire.location() + ": " + what + ": the answer is no JSON"};
  }
  return value;
}

/// What `read` makes of the answer.
template <class Read>
auto understood(const RestWire& wire, Read read) {
  try {
    return read();
  } catch (const json::exception&) {
    throw Error{ErrorCode::unavailable, wire.location() + ": the answer is none to what was asked"};
  }
}

}  // namespace

std::optional<StoreHealth> rest_health(RestWire& wire) {
  const auto answer = ask(wire, HttpMethod::get, {}, "asking what the server has found");
  if (!answer) return std::nullopt;
  return understood(wire, [&] {
    StoreHealth health{.is_at_beginning = answer->at("began_at").is_null(), .damaged = {}};
    for (const json& each : answer->at("damaged")) {
      const auto type = format::parse_object_type(each.at("type").get_ref<const std::string&>());
      const auto id = ObjectId::parse(each.at("name").get_ref<const std::string&>());
      if (!type || !id) continue;  // of a newer server
      health.damaged.push_back({{*type, *id}, each.at("problem").get<std::string>()});
    }
    return health;
  });
}

std::optional<StoreReading> rest_read_again(RestWire& wire, std::uint64_t max_bytes) {
  const json request{{"level", "hash"}, {"max_bytes", max_bytes}};
  const auto answer =
      ask(wire, HttpMethod::post, request.dump(), "having the server read its objects");
  if (!answer) return std::nullopt;
  return understood(wire, [&] {
    return StoreReading{.objects = answer->at("objects").get_ref<const json::number_unsigned_t&>(),
                        .bytes = answer->at("bytes").get_ref<const json::number_unsigned_t&>(),
                        .is_pass_complete = answer->at("is_pass_complete").get<bool>()};
  });
}

}  // namespace vgerfs::backends
