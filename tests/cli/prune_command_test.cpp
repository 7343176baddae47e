// prune: what it prints, keeps and removes.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"
#include "repo/maintenance/exclusive_lease.h"
#include "support/local_zone.h"

namespace vgerfs::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;

class Prune : public Commands {
 protected:
  /// Noon UTC of a day of 2025, and when the store received it.
  static Timestamp noon(std::int64_t day) {
    return {parse_time("2025-01-01T12:00:00Z").value() + (day - 1) * kDay, 0};
  }
  std::string add_day(std::int64_t day, const std::string& source = "home") {
    return add_snapshot(
        {.host = "here", .source = source, .tags = {}, .time = noon(day), .key = {}});
  }
  std::set<std::string> listed() {
    std::set<std::string> ids;
    for (const auto& snapshot : admin({"list", "--json"}).json()) ids.insert(snapshot.at("id"));
    return ids;
  }
  /// What a run says of each snapshot: its action and rules.
  static std::map<std::string, std::pair<std::string, std::vector<std::string>>> actions(
      const nlohmann::json& document) {
    std::map<std::string, std::pair<std::string, std::vector<std::string>>> by_id;
    for (const auto& each : document.at("snapshots")) {
      by_id[each.at("id")] = {each.at("action"), each.at("rules")};
    }
    return by_id;
  }

  const testing::LocalZone zone_{"UTC0"};
};

TEST_F(Prune, OfThirtySnapshotsKeepsWhatTheRulesSayAndNamesThem) {
  std::vector<std::string> ids;
  // Every other day from day 2 to day 58 of 2025; two on the last.
  for (std::int64_t day = 2; day <= 58; day += 2) ids.push_back(add_day(day));
  ids.push_back(add_snapshot({.host = "here",
                              .source = "home",
                              .tags = {},
                              .time = Timestamp{noon(58).s + kHour, 0},
                              .key = {}}));
  ASSERT_THAT(ids, SizeIs(30));
  const std::vector<std::string> command{"prune", "--keep-last",   "2", "--keep-daily",
                                         "3",     "--keep-weekly", "3", "--keep-monthly",
                                         "12",    "--keep-within", "1d"};
  std::vector<std::string> dry = command;
  dry.insert(dry.end(), {"--dry-run", "--json"});
  const RunResult shown = admin(dry);
  ASSERT_EQ(shown.status, 0) << shown.err;
  const auto by_id = actions(shown.json());
  ASSERT_THAT(by_id, SizeIs(30));
  using Strings = std::vector<std::string>;
  // Day 58 is Thursday, 27 February; day 54 a Sunday; January's last snapshot is of day 30.
  const std::map<std::size_t, Strings> kept_by{
      {29, {"last", "daily", "weekly", "monthly", "within"}},
      {28, {"last", "within"}},
      {27, {"daily"}},
      {26, {"daily", "weekly"}},
      {22, {"weekly"}},
      {14, {"monthly"}}};
  std::set<std::string> kept;
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const auto rules = kept_by.find(at);
    if (rules != kept_by.end()) kept.insert(ids[at]);
    EXPECT_EQ(by_id.at(ids[at]).first, rules != kept_by.end() ? "keep" : "remove") << at;
    EXPECT_EQ(by_id.at(ids[at]).second, rules != kept_by.end() ? rules->second : Strings{}) << at;
  }
  EXPECT_THAT(listed(), SizeIs(30)) << "a dry run removed";
  EXPECT_TRUE(std::filesystem::is_empty(repository_ + "/locks")) << "a dry run wrote";

  const RunResult text = admin({"prune", "--keep-last", "1", "--dry-run"});
  EXPECT_EQ(text.status, 0);
  for (const std::string& id : ids) EXPECT_THAT(text.out, HasSubstr(id.substr(0, 8)));
  EXPECT_THAT(text.out, AllOf(HasSubstr("KEPT BY"), HasSubstr("would keep 1, remove 29")));

  const RunResult done = admin(command);
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(listed(), kept);
  EXPECT_THAT(done.out, HasSubstr("removed " + ids[0].substr(0, 8)));
  EXPECT_TRUE(std::filesystem::is_empty(repository_ + "/locks"));
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(Prune, WithoutARuleItIsAUsageError) {
  add_day(1);
  add_day(2);
  EXPECT_EQ(admin({"prune"}).status, 2);
  EXPECT_EQ(admin({"prune", "--dry-run"}).status, 2);
  EXPECT_EQ(admin({"prune", "--keep-within", "30x"}).status, 2);
  EXPECT_EQ(admin({"prune", "--keep-last", "-1"}).status, 2);
  EXPECT_THAT(listed(), SizeIs(2));
}

TEST_F(Prune, RulesComeFromTheConfigurationAndOptionsOverrideThem) {
  for (std::int64_t day = 1; day <= 6; ++day) add_day(day);
  const std::string file = directory_.write(
      "vgerfs.yaml", "retention: {keep_daily: 4, keep_last: 1, keep_within: 1y6m}\n");
  const auto rules = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--config", file, "prune", "--dry-run", "--json"});
    const RunResult result = admin(more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.json();
  };
  EXPECT_EQ(rules({}).at("rules"),
            nlohmann::json::parse(R"({"keep_last": 1, "keep_daily": 4, "keep_within": "1y6m"})"));
  EXPECT_EQ(rules({}).at("removed"), 0);
  const auto other = rules({"--keep-daily", "2", "--keep-within", "1h", "--keep-tag", "x"});
  EXPECT_EQ(other.at("rules"),
            nlohmann::json::parse(
                R"({"keep_last": 1, "keep_daily": 2, "keep_within": "1h", "keep_tags": ["x"]})"));
  EXPECT_EQ(other.at("removed"), 4);
}

TEST_F(Prune, DoesNotEmptyALineUnlessAskedTo) {
  add_snapshot({.host = "here", .source = "etc", .tags = {"keep"}, .time = noon(1), .key = {}});
  add_day(1);
  add_day(2);
  const RunResult refused = admin({"prune", "--keep-tag", "keep"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("here/home"), HasSubstr("--allow-empty")));
  EXPECT_THAT(listed(), SizeIs(3));
  EXPECT_EQ(admin({"prune", "--keep-tag", "keep", "--dry-run"}).status, 2);
  EXPECT_EQ(admin({"prune", "--keep-last", "0"}).status, 2);
  EXPECT_THAT(listed(), SizeIs(3));
  EXPECT_EQ(admin({"prune", "--keep-tag", "keep", "--allow-empty"}).status, 0);
  EXPECT_THAT(listed(), SizeIs(1));
}

TEST_F(Prune, FiltersChooseWhatItIsAbout) {
  const std::string home1 = add_day(1);
  const std::string home2 = add_day(2);
  const std::string etc1 = add_day(1, "etc");
  const std::string etc2 = add_day(2, "etc");
  const auto there = [&](std::int64_t day, const std::string& tag) {
    return add_snapshot(
        {.host = "there", .source = "home", .tags = {tag}, .time = noon(day), .key = {}});
  };
  const std::string there1 = there(1, "a");
  const std::string there2 = there(2, "b");
  const std::string there3 = there(3, "b");
  ASSERT_EQ(admin({"prune", "--keep-last", "1", "--host", "here", "--source", "etc"}).status, 0);
  EXPECT_THAT(listed(), UnorderedElementsAreArray({home1, home2, etc2, there1, there2, there3}));
  ASSERT_EQ(admin({"prune", "--keep-last", "1", "--tag", "b"}).status, 0);
  EXPECT_THAT(listed(), UnorderedElementsAreArray({home1, home2, etc2, there1, there3}));
  const RunResult rest =
      admin({"prune", "--keep-last", "1", "--source", "home", "--source", "etc", "--json"});
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(rest.json().at("removed"), 2);
  EXPECT_THAT(listed(), UnorderedElementsAreArray({home2, etc2, there3}));
}

TEST_F(Prune, GoesOnBesideASnapshotThatCannotBeReadAndLeavesIt) {
  const std::string damaged = add_day(1);
  add_day(2);
  const std::string newest = add_day(3);
  damage_snapshot(damaged);
  const RunResult result = admin({"prune", "--keep-last", "1", "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.json().at("removed"), 1);
  EXPECT_EQ(result.json().at("unreadable")[0].at("id"), damaged);
  EXPECT_THAT(listed(), ElementsAre(newest));
  EXPECT_TRUE(std::filesystem::exists(snapshot_path(damaged)));
  EXPECT_THAT(admin({"prune", "--keep-last", "1", "--dry-run"}).out,
              HasSubstr("not counted: unreadable"));
}

TEST_F(Prune, StopsIfAnIndexRecordCannotBeRead) {
  add_day(1);
  add_day(2);
  const auto record = std::filesystem::directory_iterator { repository_ + "/index" } -> path();
  std::filesystem::permissions(record, std::filesystem::perms::owner_all);
  std::filesystem::resize_file(record, 100);
  std::filesystem::remove_all(directory_ / "cache");
  const RunResult result = admin({"prune", "--keep-last", "1"});
  EXPECT_EQ(result.status, 14);
  EXPECT_THAT(result.err, HasSubstr(record.filename().string()));
  EXPECT_THAT(listed(), SizeIs(2));
}

TEST_F(Prune, AnotherMaintenanceRunMakesItWait) {
  add_day(1);
  add_day(2);
  repo::OpenOptions options;
  options.directories = {.cache = directory_ / "other-cache", .state = directory_ / "other-state"};
  TestIo surroundings;
  const auto other =
      repo::Repository::open(backends::open_backend(repository_),
                             to_credential(read_key_file(key_, surroundings.io)), options);
  {
    const auto lease = repo::ExclusiveLease::acquire(*other);
    const RunResult busy = admin({"prune", "--keep-last", "1"});
    EXPECT_EQ(busy.status, 11);
    EXPECT_THAT(busy.err, HasSubstr("another maintenance run"));
    EXPECT_THAT(listed(), SizeIs(2));
  }
  EXPECT_EQ(admin({"prune", "--keep-last", "1"}).status, 0);
  EXPECT_THAT(listed(), SizeIs(1));
}

TEST_F(Prune, AnIngestKeyMayNotPrune) {
  add_day(1);
  add_day(2);
  const std::string ingest = directory_ / "ingest";
  ASSERT_EQ(admin({"key", "add", "--role", "ingest", "--new-key-file", ingest}).status, 0);
  EXPECT_EQ(with_key(ingest, {"prune", "--keep-last", "1"}).status, 1);
  EXPECT_THAT(listed(), SizeIs(2));
}

// A thief of a client's key makes snapshots of the past, of the future, and many at once.
TEST_F(Prune, ForgedTimesPushNoRealSnapshotOut) {
  const std::string ingest = directory_ / "ingest";
  ASSERT_EQ(admin({"key", "add", "--role", "ingest", "--new-key-file", ingest}).status, 0);
  std::vector<std::string> real;
  for (std::int64_t day = 1; day <= 6; ++day) {
    real.push_back(add_snapshot(
        {.host = "here", .source = "home", .tags = {}, .time = noon(day), .key = ingest}));
  }
  for (int i = 0; i < 8; ++i) {
    const std::int64_t says = i < 4 ? noon(i + 1).s + kHour : noon(3'000'000 + i * 400).s;
    const std::string forged = add_snapshot(
        {.host = "here", .source = "home", .tags = {}, .time = Timestamp{says, 0}, .key = ingest});
    set_stored_at(forged, {noon(6).s + 2 * kHour + i, 0});
  }
  ASSERT_EQ(admin({"prune", "--keep-daily", "4", "--keep-last", "3"}).status, 0);
  // Day 6 is where the forged ones belong, whatever they say.
  EXPECT_THAT(listed(), IsSupersetOf({real[2], real[3], real[4]}));
  EXPECT_THAT(listed(), Not(Contains(real[0])));
}

}  // namespace
}  // namespace vgerfs::cli
