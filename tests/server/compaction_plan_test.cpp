#include "server/compaction_plan.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/error_reply.h"

namespace vgerfs::server {
namespace {

using nlohmann::json;

const std::string kHeader = "564745525041434b0100010000000000" + std::string(32, '7');
const std::string kPack(64, 'a');

json good_plan() {
  return {{"operation", std::string(32, '0')},
          {"packs",
           {{{"header", kHeader},
             {"sources", {{{"pack", kPack}, {"runs", json::array({json::array({32, 300})})}}}}}}}};
}

int status_of(std::string_view text) {
  try {
    parse_compaction_plan(text);
    return 200;
  } catch (const HttpError& refused) {
    return refused.status();
  }
}

TEST(CompactionPlan, ReadsAPlan) {
  const CompactionPlan plan = parse_compaction_plan(good_plan().dump());
  EXPECT_EQ(plan.operation, std::string(32, '0'));
  ASSERT_EQ(plan.packs.size(), 1U);
  EXPECT_EQ(to_hex(plan.packs[0].header), kHeader);
  EXPECT_EQ(plan.packs[0].kind, format::PackKind::data);
  ASSERT_EQ(plan.packs[0].sources.size(), 1U);
  EXPECT_EQ(plan.packs[0].sources[0].pack.hex(), kPack);
  ASSERT_EQ(plan.packs[0].sources[0].runs.size(), 1U);
  EXPECT_EQ(plan.packs[0].sources[0].runs[0].offset, 32U);
  EXPECT_EQ(plan.packs[0].sources[0].runs[0].bytes, 300U);
}

TEST(CompactionPlan, RefusesWhatIsNoJson) {
  for (const char* const text : {"", "{", "nonsense", "[]", "null", "7", "\"text\"", "{}{}",
                                 "{\"operation\":", "\xff\xfe"}) {
    EXPECT_EQ(status_of(text), 400) << text;
  }
  EXPECT_EQ(status_of(std::string(100'000, '[')), 400);
  EXPECT_EQ(status_of(good_plan().dump() + "x"), 400);
}

TEST(CompactionPlan, RefusesEveryMemberThatIsMissingForeignOrOfAnotherType) {
  // A change at each place of a good plan.
  const json plan = good_plan();
  const json flat = plan.flatten();
  for (const auto& [path, value] : flat.items()) {
    const json::json_pointer at{path};
    for (const json& wrong :
         {json(nullptr), json(true), json(-1), json(1.5), json(""), json("no"), json::array(),
          json::object(), json(std::string(64, 'A')), json(18446744073709551615U)}) {
      json changed = plan;
      changed[at] = wrong;
      EXPECT_EQ(status_of(changed.dump()), 400) << path << ' ' << wrong;
    }
  }
  for (const char* const path : {"", "/packs/0", "/packs/0/sources/0"}) {
    json more = plan;
    more[json::json_pointer{path}]["more"] = 1;
    EXPECT_EQ(status_of(more.dump()), 400) << path;
    for (const auto& [name, value] : plan[json::json_pointer{path}].items()) {
      json less = plan;
      less[json::json_pointer{path}].erase(name);
      EXPECT_EQ(status_of(less.dump()), 400) << path << ' ' << name;
      json other = less;
      other[json::json_pointer{path}]["other"] = value;
      EXPECT_EQ(status_of(other.dump()), 400) << path << ' ' << name;
    }
  }
  for (const char* const path :
       {"/packs", "/packs/0/sources", "/packs/0/sources/0/runs", "/packs/0/sources/0/runs/0"}) {
    json empty = plan;
    empty[json::json_pointer{path}] = json::array();
    EXPECT_EQ(status_of(empty.dump()), 400) << path;
  }
  json three = plan;
  three["packs"][0]["sources"][0]["runs"][0].push_back(300);
  EXPECT_EQ(status_of(three.dump()), 400);
}

TEST(CompactionPlan, RefusesHeadersThatAreNone) {
  for (const std::size_t at : {0U, 7U, 8U, 9U, 10U, 11U, 15U}) {
    json plan = good_plan();
    std::string header = kHeader;
    header.replace(2 * at, 2, "fe");
    plan["packs"][0]["header"] = header;
    EXPECT_EQ(status_of(plan.dump()), 400) << at;
  }
}

TEST(CompactionPlan, RefusesRunsThatLieInNoPack) {
  const auto with_run = [](std::uint64_t offset, std::uint64_t bytes) {
    json plan = good_plan();
    plan["packs"][0]["sources"][0]["runs"][0] = json::array({offset, bytes});
    return status_of(plan.dump());
  };
  EXPECT_EQ(with_run(31, 300), 400);
  EXPECT_EQ(with_run(32, format::kMinBlockBytes), 200);
  EXPECT_EQ(with_run(32, format::kMinBlockBytes - 1), 400);
  EXPECT_EQ(with_run(32, 0), 400);
  EXPECT_EQ(with_run(format::kMaxPackBytes, 300), 400);
  EXPECT_EQ(with_run(300, format::kMaxPackBytes - 299), 400);
  EXPECT_EQ(with_run(300, ~std::uint64_t{0} - 100), 400);
  EXPECT_EQ(with_run(~std::uint64_t{0} - 100, 300), 400);
}

TEST(CompactionPlan, RefusesWhatIsTooLarge) {
  json plan = good_plan();
  json& packs = plan["packs"];
  const auto big = [&](std::size_t number, std::uint64_t bytes) {
    json pack = packs[0];
    pack["sources"][0]["pack"] = std::string(63, 'b') + static_cast<char>('0' + number);
    pack["sources"][0]["runs"][0] = json::array({32, bytes});
    return pack;
  };
  json whole = plan;
  whole["packs"][0] = big(0, format::kMaxPackBytes - 32);
  EXPECT_EQ(status_of(whole.dump()), 422) << "no room for a table";
  json most = plan;
  most["packs"] = json::array();
  for (std::size_t i = 0; i < 3; ++i) most["packs"].push_back(big(i, std::uint64_t{340} << 20));
  EXPECT_EQ(status_of(most.dump()), 200);
  most["packs"].push_back(big(3, std::uint64_t{5} << 20));
  EXPECT_EQ(status_of(most.dump()), 413);
  EXPECT_EQ(status_of(good_plan().dump() + std::string(kMaxPlanTextBytes, ' ')), 413);
}

}  // namespace
}  // namespace vgerfs::server
