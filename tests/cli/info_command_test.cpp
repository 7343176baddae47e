// info --exclusive and info --growth.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"
#include "cli/quantity.h"

namespace vgerfs::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Exclusive : public Commands {
 protected:
  /// Bytes that do not compress.
  static std::string noise(unsigned seed, std::size_t count) {
    std::string text(count, '\0');
    std::uint64_t state = seed;
    for (char& c : text) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      c = static_cast<char>(state >> 56U);
    }
    return text;
  }
  std::string back_up() {
    const RunResult made = admin({"backup", "--source", "s", directory_ / "src", "--json"});
    EXPECT_EQ(made.status, 0) << made.err;
    return made.json().at("id");
  }
  nlohmann::json exclusive(const std::string& id) {
    const auto json = admin({"info", "--exclusive", id, "--json"}).json();
    EXPECT_THAT(json.at("snapshots"), SizeIs(1));
    return json.at("snapshots")[0].at("exclusive");
  }
};

TEST_F(Exclusive, IsWhatNoOtherSnapshotNeeds) {
  directory_.write("src/d/shared", noise(1, 50'000));
  directory_.write("src/one", noise(2, 10'000));
  const std::string one = back_up();
  std::filesystem::remove(directory_ / "src/one");
  directory_.write("src/two", noise(3, 20'000));
  const std::string two = back_up();
  const auto in_range = [](const nlohmann::json& usage, std::uint64_t content) {
    EXPECT_GE(usage.at("plain_bytes"), content);
    EXPECT_LE(usage.at("plain_bytes"), content + 2000);
    EXPECT_GE(usage.at("stored_bytes"), content);
    // The content, and the root's own nodes: one or, as the repository's key splits it, three.
    EXPECT_GE(usage.at("chunks"), 2);
    EXPECT_LE(usage.at("chunks"), 4);
  };
  in_range(exclusive(one), 10'000);
  in_range(exclusive(two), 20'000);
  const auto all = admin({"info", "--exclusive", "--json"}).json();
  EXPECT_GE(all.at("shared").at("plain_bytes"), 50'000);
  EXPECT_EQ(all.at("unused").at("chunks"), 0);
  ASSERT_THAT(all.at("snapshots"), SizeIs(2));
  EXPECT_THAT(admin({"info", "--exclusive"}).out,
              ContainsRegex(one.substr(0, 8) + ".*here +s .* " +
                            format_size(exclusive(one).at("plain_bytes").get<std::uint64_t>())));

  // What only the removed one had is unused, what it shared is the other's alone.
  ASSERT_EQ(admin({"delete", one}).status, 0);
  EXPECT_GE(exclusive(two).at("plain_bytes"), 70'000);
  const auto left = admin({"info", "--exclusive", "--json"}).json();
  EXPECT_GE(left.at("unused").at("plain_bytes"), 10'000);
  EXPECT_EQ(left.at("shared").at("chunks"), 0);
}

TEST_F(Exclusive, WhatThreeShareIsNobodysAlone) {
  directory_.write("src/d/e/f", noise(1, 30'000));
  directory_.write("src/a", "1");
  const std::string one = back_up();
  directory_.write("src/a", "two");
  const std::string two = back_up();
  directory_.write("src/a", "three");
  const std::string three = back_up();
  for (const std::string& id : {one, two, three}) EXPECT_LT(exclusive(id).at("plain_bytes"), 2000);
}

TEST_F(Exclusive, GrowthIsByMonths) {
  const auto add = [&](const std::string& source, std::int64_t time_s) {
    add_snapshot(
        {.host = "here", .source = source, .tags = {}, .time = Timestamp{time_s, 0}, .key = {}});
  };
  add("s", 1'767'225'600);
  add("t", 1'767'225'601);
  add("s", 1'772'323'200);
  const auto growth = admin({"info", "--growth", "--json"}).json();
  ASSERT_THAT(growth, SizeIs(2));
  EXPECT_EQ(growth[0].at("month"), "2026-01");
  EXPECT_EQ(growth[0].at("snapshots"), 2);
  EXPECT_GT(growth[0].at("added_bytes"), 0);
  EXPECT_EQ(growth[1].at("month"), "2026-03");
  EXPECT_EQ(growth[1].at("total_stored_bytes").get<std::uint64_t>(),
            growth[0].at("stored_bytes").get<std::uint64_t>() +
                growth[1].at("stored_bytes").get<std::uint64_t>());
  EXPECT_THAT(admin({"info", "--growth"}).out, HasSubstr("2026-03"));
  EXPECT_EQ(admin({"info", "--growth", "latest"}).status, 2);
  EXPECT_EQ(admin({"info", "--growth", "--exclusive"}).status, 2);
}

TEST_F(Exclusive, WhatClaimsTheFutureGrewWhenTheStoreReceivedIt) {
  const std::string id = add_snapshot(
      {.host = "here", .source = "s", .tags = {}, .time = Timestamp{4'000'000'000, 0}, .key = {}});
  set_stored_at(id, {1'767'225'600, 0});
  const auto growth = admin({"info", "--growth", "--json"}).json();
  ASSERT_THAT(growth, SizeIs(1));
  EXPECT_EQ(growth[0].at("month"), "2026-01");
}

TEST_F(Exclusive, AnUnreadableSnapshotIsNotCountedAndSaidToBe) {
  add_snapshot();
  damage_snapshot(add_snapshot());
  const RunResult usage = admin({"info", "--exclusive", "--json"});
  EXPECT_EQ(usage.status, 14);
  EXPECT_THAT(usage.json().at("snapshots"), SizeIs(1));
  const RunResult growth = admin({"info", "--growth", "--json"});
  EXPECT_EQ(growth.status, 14);
  EXPECT_EQ(growth.json()[0].at("snapshots"), 1);
}

}  // namespace
}  // namespace vgerfs::cli
