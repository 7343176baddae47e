#include "server/compaction_plan.h"

#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "server/error_reply.h"

namespace vgerfs::server {
namespace {

using nlohmann::json;

constexpr std::size_t kOperationDigits = 32;

[[noreturn]] void refuse(std::string what) { throw HttpError{400, "the plan " + std::move(what)}; }

/// The members of an object that has these and no others.
void expect_members(const json& object, std::initializer_list<const char*> members) {
  if (!object.is_object() || object.size() != members.size()) {
    refuse("has an object with other members than it must have");
  }
  for (const char* const member : members) {
    if (!object.contains(member)) refuse(fmt::format("lacks \"{}\"", member));
  }
}

const json::array_t& filled_array(const json& object, const char* member) {
  const auto* const array = object.at(member).get_ptr<const json::array_t*>();
  if (array == nullptr || array->empty()) refuse(fmt::format("has no list \"{}\"", member));
  return *array;
}

/// Lower-case hex digits.
std::string hex(const json& object, const char* member, std::size_t digits) {
  const auto* const text = object.at(member).get_ptr<const json::string_t*>();
  if (text == nullptr || text->size() != digits ||
      text->find_first_not_of("0123456789abcdef") != std::string::npos) {
    refuse(fmt::format("has no {} hex digits as \"{}\"", digits, member));
  }
  return *text;
}

BlockRun parse_run(const json& run) {
  if (!run.is_array() || run.size() != 2 || !run[0].is_number_unsigned() ||
      !run[1].is_number_unsigned()) {
    refuse("has a run that is not [offset, bytes]");
  }
  const BlockRun parsed{run[0].get<std::uint64_t>(), run[1].get<std::uint64_t>()};
  if (parsed.offset < format::kPackHeaderBytes || parsed.bytes < format::kMinBlockBytes ||
      parsed.offset > format::kMaxPackBytes ||
      parsed.bytes > format::kMaxPackBytes - parsed.offset) {
    refuse("has a run that lies in no pack");
  }
  return parsed;
}

PlannedSource parse_source(const json& source) {
  expect_members(source, {"pack", "runs"});
  PlannedSource parsed;
  parsed.pack = *PackId::parse(hex(source, "pack", 2 * PackId::kSize));
  std::uint64_t end = 0;
  for (const json& run : filled_array(source, "runs")) {
    parsed.runs.push_back(parse_run(run));
    if (parsed.runs.back().offset < end) refuse("has runs that do not ascend, or overlap");
    end = parsed.runs.back().offset + parsed.runs.back().bytes;
  }
  return parsed;
}

PlannedPack parse_pack(const json& pack) {
  expect_members(pack, {"header", "sources"});
  PlannedPack parsed;
  parsed.header = *parse_hex(hex(pack, "header", 2 * format::kPackHeaderBytes));
  try {
    parsed.kind = format::parse_pack_header(parsed.header);
  } catch (const Error& error) {
    refuse("has a header that is none: " + error.message());
  }
  for (const json& source : filled_array(pack, "sources")) {
    parsed.sources.push_back(parse_source(source));
  }
  return parsed;
}

void check_taken_bytes(const CompactionPlan& plan) {
  std::uint64_t taken = 0;
  for (const PlannedPack& pack : plan.packs) {
    std::uint64_t bytes = format::kPackHeaderBytes + format::pack_tail_bytes(1);
    for (const PlannedSource& source : pack.sources) {
      for (const BlockRun& run : source.runs) {
        bytes += run.bytes;
        if (bytes > format::kMaxPackBytes) {
          throw HttpError{422, "the plan makes a pack that is too large"};
        }
      }
    }
    taken += bytes;
    if (taken > kMaxPlanTakenBytes) throw HttpError{413, "the plan takes too many bytes"};
  }
}

void check_nothing_twice(const CompactionPlan& plan) {
  std::vector<std::tuple<PackId, std::uint64_t, std::uint64_t>> runs;
  for (const PlannedPack& pack : plan.packs) {
    for (const PlannedSource& source : pack.sources) {
      for (const BlockRun& run : source.runs) {
        runs.emplace_back(source.pack, run.offset, run.offset + run.bytes);
      }
    }
  }
  std::sort(runs.begin(), runs.end());
  const auto overlap = [](const auto& a, const auto& b) {
    return std::get<0>(a) == std::get<0>(b) && std::get<1>(b) < std::get<2>(a);
  };
  if (std::adjacent_find(runs.begin(), runs.end(), overlap) != runs.end()) {
    throw HttpError{422, "the plan takes a block twice"};
  }
}

}  // namespace

CompactionPlan parse_compaction_plan(std::string_view text) {
  if (text.size() > kMaxPlanTextBytes) throw HttpError{413, "the plan is too long"};
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) refuse("is no JSON");
  expect_members(parsed, {"operation", "packs"});
  CompactionPlan plan;
  plan.operation = hex(parsed, "operation", kOperationDigits);
  for (const json& pack : filled_array(parsed, "packs")) plan.packs.push_back(parse_pack(pack));
  check_taken_bytes(plan);
  check_nothing_twice(plan);
  return plan;
}

}  // namespace vgerfs::server
