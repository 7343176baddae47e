// What a server notices of objects that went bad after they came.
#include "server/verifier.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "format/pack_layout.h"
#include "server/scrubber.h"
#include "service_world.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;
using nlohmann::json;

constexpr std::chrono::seconds kLong{1000};

class VerifierTest : public ServiceWorld {
 protected:
  std::string path_of(const ObjectName& name) const {
    return directory_ / ("data/repo/" + name.path());
  }
  ObjectName stored(const std::string& bytes, ObjectType type = ObjectType::pack) {
    EXPECT_EQ(put("append", bytes, type), 200);
    return object_of(bytes, type);
  }
  void damage(const ObjectName& name) const {
    std::fstream file{path_of(name), std::ios::in | std::ios::out | std::ios::binary};
    file.put('!');
  }
  HashCheckResult check(std::uint64_t max_bytes = 1 << 30) {
    return verifier_.check_hashes(*world_.store->find(repository_name("repo")),
                                  {.max_bytes = max_bytes, .max_time = kLong}, {});
  }
  StructureCheckResult structure() {
    return verifier_.check_structure(*world_.store->find(repository_name("repo")), {});
  }
  json state() { return json::parse(ask(Method::get, "/api/v1/verify/repo", "read").text); }
  std::string log() const {
    return std::string{text_of(read_whole_file(directory_ / "log", 1 << 20))};
  }
  /// A pack with one block of so many bytes.
  static std::string pack(std::size_t block_bytes) {
    const Bytes random(format::kPackRandomBytes);
    std::string text{text_of(format::pack_header(format::PackKind::data, random))};
    text += std::string(block_bytes, 'b');
    text += text_of(format::pack_tail({static_cast<std::uint32_t>(block_bytes)}));
    return text;
  }
};

TEST_F(VerifierTest, ReadsEverythingAndRemembersWhen) {
  stored("first");
  stored("second", ObjectType::snapshot);
  world_.clock.advance(std::chrono::seconds{100});
  const HashCheckResult result = check();
  EXPECT_EQ(result.objects, 2U);
  EXPECT_EQ(result.bytes, 11U);
  EXPECT_TRUE(result.is_pass_complete);
  EXPECT_TRUE(result.damaged.empty());
  EXPECT_EQ(state()["complete_since"], world_.clock.now().s);
  const auto connection = world_.store->reader();
  EXPECT_EQ(Catalog{*connection}.checked_at(1, object_of("first")), world_.clock.now().s);
}

TEST_F(VerifierTest, ADamagedObjectIsFoundAndStaysKnownUntilItIsWhole) {
  const ObjectName name = stored("first");
  stored("second");
  damage(name);
  HashCheckResult result = check();
  ASSERT_EQ(result.damaged.size(), 1U);
  EXPECT_EQ(result.damaged[0].object, name);
  EXPECT_EQ(result.damaged[0].problem, "its SHA-256 is not its name");
  EXPECT_NE(log().find("damaged"), std::string::npos);
  EXPECT_EQ(state()["damaged"][0]["name"], name.id.hex());
  EXPECT_EQ(state()["damaged_objects"], 1);
  EXPECT_NE(ask(Method::get, "/metrics", "configured")
                .text.find("vgerfs_damaged_objects{repository=\"repo\"} 1\n"),
            std::string::npos);
  // What somebody has mended is no finding any more.
  std::ofstream{path_of(name)} << "first";
  EXPECT_TRUE(check().damaged.empty());
  EXPECT_EQ(state()["damaged_objects"], 0);
}

TEST_F(VerifierTest, AnObjectThatIsGoneOrOfAnotherSizeIsFound) {
  std::filesystem::remove(path_of(stored("first")));
  std::ofstream{path_of(stored("second")), std::ios::app} << "more";
  EXPECT_EQ(check().damaged.size(), 2U);
  EXPECT_EQ(structure().damaged.size(), 2U);
}

TEST_F(VerifierTest, RemovedObjectsAreNoDamage) {
  const ObjectName name = stored("first");
  damage(name);
  EXPECT_EQ(check().damaged.size(), 1U);
  EXPECT_EQ(status(Method::remove, target_of("first"), "maintain"), 200);
  EXPECT_EQ(state()["damaged_objects"], 0);
  EXPECT_TRUE(check().damaged.empty());
}

TEST_F(VerifierTest, GoesOnWhereItEnded) {
  for (int i = 0; i < 10; ++i) stored(std::string(100, static_cast<char>('a' + i)));
  std::uint64_t objects = 0;
  int calls = 0;
  for (bool is_complete = false; !is_complete; ++calls) {
    world_.clock.advance(std::chrono::seconds{10});
    const HashCheckResult result = check(250);
    EXPECT_LE(result.objects, 3U);
    objects += result.objects;
    is_complete = result.is_pass_complete;
  }
  EXPECT_EQ(objects, 10U);
  EXPECT_EQ(calls, 4);
  // The pass began with the first call: what that read is the oldest.
  EXPECT_EQ(state()["complete_since"], world_.clock.now().s - 30);
  // A new pass begins at the beginning.
  EXPECT_EQ(check().objects, 10U);
}

TEST_F(VerifierTest, APackWithAWrongTableIsFoundInOurRepositoriesOnly) {
  const std::string good = pack(500);
  std::string bad = pack(600);
  bad.replace(bad.size() - 20, 1, "x");
  stored(good);
  const ObjectName name = stored(bad);
  stored("too short");
  EXPECT_TRUE(structure().damaged.empty()) << "another program's repository";
  ASSERT_EQ(status(Method::post, "/repo/config", "admin", "VGERCONF..."), 200);
  const StructureCheckResult found = structure();
  EXPECT_EQ(found.packs, 3U);
  ASSERT_EQ(found.damaged.size(), 2U);
  EXPECT_TRUE(found.damaged[0].object == name || found.damaged[1].object == name);
  EXPECT_TRUE(check().damaged.empty()) << "they are what they were when they came";
}

TEST_F(VerifierTest, CountsWhatTheDatabaseDoesNotKnow) {
  std::ofstream{path_of({ObjectType::index, object_of("x").id})} << "x";
  stored("first");
  ASSERT_EQ(status(Method::remove, target_of("first"), "maintain"), 200);
  DataDirectory::list_names(world_.directory.trash(), [&](const std::string& file) {
    std::filesystem::remove(directory_ / ("data/.vgerfs-server/trash/" + file));
  });
  const StructureCheckResult found = structure();
  EXPECT_EQ(found.unknown_files, 1U);
  EXPECT_EQ(found.missing_trash, 1U);
  EXPECT_EQ(found.uploads, 0U);
}

TEST_F(VerifierTest, TheNetworkAsksForItWithTheRoleMaintain) {
  damage(stored("first"));
  const std::string hash = R"({"level":"hash","max_bytes":1000})";
  for (const std::string token : {"read", "append"}) {
    EXPECT_EQ(status(Method::post, "/api/v1/verify/repo", token, hash), 403) << token;
  }
  const Reply reply = ask(Method::post, "/api/v1/verify/repo", "maintain", hash);
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(json::parse(reply.text)["damaged"].size(), 1U);
  const Reply structure =
      ask(Method::post, "/api/v1/verify/repo", "maintain", R"({"level":"structure"})");
  EXPECT_EQ(json::parse(structure.text)["objects"], 1);
  for (const std::string wrong :
       {R"({"level":"all"})", R"({"level":"hash"})", R"({"level":"hash","max_bytes":-1})",
        R"({"level":"hash","max_bytes":"1"})", R"({"level":"structure","max_bytes":1})", "{}"}) {
    EXPECT_EQ(status(Method::post, "/api/v1/verify/repo", "maintain", wrong), 400) << wrong;
  }
}

TEST_F(VerifierTest, WhatTheNetworkAskedForEndsWithTheServer) {
  stored("first");
  service_.stop();
  for (const std::string level :
       {R"({"level":"hash","max_bytes":1000})", R"({"level":"structure"})"}) {
    EXPECT_EQ(status(Method::post, "/api/v1/verify/repo", "maintain", level), 503) << level;
  }
}

TEST_F(VerifierTest, TheScrubberReadsItsShare) {
  for (int i = 0; i < 20; ++i) stored(std::string(100, static_cast<char>('a' + i)));
  auto config = std::make_shared<ServerConfig>();
  config->scrub_days = 10;
  Scrubber scrubber{*world_.store, verifier_, log_,
                    [&] { return std::shared_ptr<const ServerConfig>{config}; }};
  const auto read = [&] {
    int count = 0;
    const auto connection = world_.store->reader();
    for (int i = 0; i < 20; ++i) {
      const ObjectName name = object_of(std::string(100, static_cast<char>('a' + i)));
      if (Catalog{*connection}.checked_at(1, name) > 0) ++count;
    }
    return count;
  };
  scrubber.scrub(86400, {});
  EXPECT_EQ(read(), 3) << "a tenth of 2000 bytes and one, in whole objects";
  config->scrub_days = 0;
  scrubber.scrub(86400, {});
  EXPECT_EQ(read(), 3) << "it is off";
  config->scrub_days = 1;
  scrubber.scrub(86400, {});
  EXPECT_EQ(read(), 20);
}

TEST_F(VerifierTest, WhatWasRefusedAndRemovedIsInTheAuditLog) {
  stored("first");
  EXPECT_EQ(status(Method::remove, target_of("first"), "append"), 403);
  EXPECT_EQ(status(Method::remove, target_of("first"), "maintain"), 200);
  EXPECT_EQ(status(Method::get, "/repo/config", "a-secret-that-is-wrong"), 401);
  const std::string moved = world_.directory.audit_path() + ".1";
  const auto lines = [&](const std::string& path) {
    std::vector<json> found;
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) found.push_back(json::parse(line));
    return found;
  };
  const auto before = lines(world_.directory.audit_path());
  ASSERT_EQ(before.size(), 3U);
  EXPECT_EQ(before[0]["event"], "refused");
  EXPECT_EQ(before[0]["token"], "append");
  EXPECT_EQ(before[1]["event"], "removed");
  EXPECT_EQ(before[1]["token"], "maintain");
  EXPECT_EQ(before[2]["reason"], "unknown token");
  EXPECT_EQ(before[2].dump().find("secret"), std::string::npos);
  std::filesystem::rename(world_.directory.audit_path(), moved);
  configure({});
  EXPECT_EQ(status(Method::remove, target_of("first"), "append"), 403);
  EXPECT_EQ(lines(moved).size(), 3U);
  EXPECT_EQ(lines(world_.directory.audit_path()).size(), 1U) << "a new file after a reload";
}

}  // namespace
}  // namespace vgerfs::server
