#include "backends/rest_compaction.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"

namespace vgerfs::backends {
namespace {

using nlohmann::json;

PackId pack_id(const json& value) {
  const auto id = PackId::parse(value.get_ref<const std::string&>());
  if (!id) throw Error{ErrorCode::unavailable, "the server names a pack that cannot be"};
  return *id;
}

std::optional<MadePack> made_pack(const json& value) {
  if (value.is_null()) return std::nullopt;
  return MadePack{pack_id(value.at("id")),
                  value.at("bytes").get_ref<const json::number_unsigned_t&>()};
}

/// A role that may do less, an older server, a plan that it does not like: the client does it.
bool is_other_way_left(int status) {
  switch (status) {
    case 400:
    case 403:
    case 409:
    case 413:
    case 422: return true;
    default: return false;
  }
}

}  // namespace

std::string compaction_plan_text(const CompactionPlan& plan) {
  std::string text = fmt::format(R"({{"operation":"{}","packs":[)", to_hex(plan.operation));
  const char* before_pack = "";
  for (const CompactedPack& pack : plan.packs) {
    text += fmt::format(R"({}{{"header":"{}","sources":[)", before_pack, to_hex(pack.header));
    before_pack = ",";
    const char* before_source = "";
    for (const CompactionSource& source : pack.sources) {
      text += fmt::format(R"({}{{"pack":"{}","runs":[)", before_source, source.pack.hex());
      before_source = ",";
      const char* before_run = "";
      for (const BlockRun& run : source.runs) {
        text += fmt::format("{}[{},{}]", before_run, run.offset, run.bytes);
        before_run = ",";
      }
      text += "]}";
    }
    text += "]}";
  }
  return text + "]}";
}

CompactionAnswer parse_compaction_answer(std::string_view text, const CompactionPlan& plan) {
  CompactionAnswer answer;
  try {
    const json parsed = json::parse(text);
    for (const json& pack : parsed.at("packs")) answer.packs.push_back(made_pack(pack));
    for (const json& pack : parsed.at("damaged")) answer.damaged.push_back(pack_id(pack));
  } catch (const json::exception&) {
    throw Error{ErrorCode::unavailable, "the server's answer is none to a compaction"};
  }
  if (answer.packs.size() != plan.packs.size()) {
    throw Error{ErrorCode::unavailable, "the server's answer is to another plan"};
  }
  return answer;
}

std::optional<CompactionAnswer> rest_compact(RestWire& wire, const CompactionPlan& plan) {
  const std::string what = "having packs compacted";
  std::optional<CompactionAnswer> made;
  const auto answer =
      wire.ask_api(HttpMethod::post, "compact", compaction_plan_text(plan), what,
                   [&](const std::string& text) { made = parse_compaction_answer(text, plan); });
  if (made || !answer) return made;
  if (!is_other_way_left(answer->reply.status)) throw wire.failure(what, answer->reply);
  log::info("the server does not compact: {}", wire.failure(what, answer->reply).message());
  return std::nullopt;
}

}  // namespace vgerfs::backends
