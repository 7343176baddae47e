// Commands on a repository in a directory: what they print, and their exit codes.
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(Commands, InitRefusesASecondRepositoryAndKeepsTheFirst) {
  const std::string second = directory_ / "second-key";
  const RunResult result = admin({"init", "--new-key-file", second});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("there is a repository"));
  EXPECT_FALSE(std::filesystem::exists(second));
  EXPECT_EQ(admin({"list"}).status, 0);
}

TEST_F(Commands, InitSaysItsIdInJson) {
  TestIo surroundings;
  surroundings.environment["VGERFS_PASSPHRASE"] = "a passphrase";
  const RunResult result =
      run({"-r", directory_ / "other", "init", "--json", "--encryption", "chacha20poly1305"},
          surroundings);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.json().at("id").get<std::string>(), SizeIs(64));
  EXPECT_EQ(result.json().at("encryption"), "chacha20poly1305");
}

TEST_F(Commands, NoRepositoryHasItsExitCodeBeforeASecretIsAskedFor) {
  TestIo surroundings;
  const RunResult result = run({"-r", directory_ / "nowhere", "list"}, surroundings);
  EXPECT_EQ(result.status, 10);
  std::filesystem::create_directory(directory_ / "empty");
  TestIo others;
  EXPECT_EQ(run({"-r", directory_ / "empty", "list", "--json"}, others).error().at("exit_code"),
            10);
}

TEST_F(Commands, AWrongKeyHasItsExitCode) {
  const std::string other =
      directory_.write("other", "vgerfs-key-1:" + std::string(64, '0') + "\n");
  EXPECT_EQ(with_key(other, {"list"}).status, 12);
  const std::string broken = directory_.write("broken", "no key\n");
  const RunResult result = with_key(broken, {"list"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr(broken));
}

TEST_F(Commands, NoRepositoryChosenIsAUsageError) {
  TestIo surroundings;
  const RunResult result = run({"list"}, surroundings);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("VGERFS_REPOSITORY"));
}

TEST_F(Commands, TheConfigurationSuppliesRepositoryAndSecret) {
  add_snapshot();
  TestIo surroundings;
  const std::string file = surroundings.directory.write(
      "vgerfs.yaml",
      fmt::format("repositories:\n  - {{url: {}, label: main, encryption: {{key_file: {}}}}}\n"
                  "cache_dir: cache\nstate_dir: state\n",
                  repository_, key_));
  const RunResult result = run({"--config", file, "-r", "main", "list", "--json"}, surroundings);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.json(), SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(surroundings.directory / "cache"));
  TestIo only;
  EXPECT_EQ(run({"--config", file, "list"}, only).status, 0);
  TestIo by_path;
  EXPECT_EQ(run({"--config", file, "-r", repository_ + "/", "list"}, by_path).status, 0);
  TestIo unknown;
  const RunResult refused = run({"--config", file, "-r", "mian", "list"}, unknown);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("the configuration has: main"));
}

TEST_F(Commands, ADemandedCipherIsCompared) {
  TestIo surroundings;
  prepare(surroundings);
  const std::string file = surroundings.directory.write(
      "vgerfs.yaml", "encryption: {mode: chacha20poly1305, key_file: " + key_ + "}\n");
  EXPECT_EQ(run({"--config", file, "list"}, surroundings).status, 1);
  EXPECT_THAT(surroundings.err(), HasSubstr("encryption.mode"));
}

TEST_F(Commands, ListIsAnArrayWithTheNamesThatScriptsRelyOn) {
  EXPECT_EQ(admin({"list", "--json"}).json(), nlohmann::json::array());
  EXPECT_EQ(admin({"list"}).out, "no snapshots\n");
  const std::string id = add_snapshot("here", "home", {"weekly", "keep"});
  add_snapshot("there", "etc");
  const auto all = admin({"list", "--json"}).json();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].at("id"), id);
  EXPECT_EQ(all[0].at("host"), "here");
  EXPECT_EQ(all[0].at("source"), "home");
  EXPECT_THAT(all[0].at("tags"), ElementsAre("weekly", "keep"));
  EXPECT_TRUE(all[0].at("time").get<std::string>().ends_with("Z"));
  EXPECT_EQ(all[0].at("statistics").at("logical_bytes"), 110);
  EXPECT_THAT(admin({"list", "home", "--json"}).json(), SizeIs(1));
  EXPECT_THAT(admin({"list", "there/", "--json"}).json(), SizeIs(1));
  EXPECT_THAT(admin({"list", "there/home", "--json"}).json(), IsEmpty());
  EXPECT_THAT(admin({"list", "--tag", "keep", "--json"}).json(), SizeIs(1));
  EXPECT_THAT(admin({"list"}).out, HasSubstr(id.substr(0, 8)));
}

TEST_F(Commands, ListNamesASnapshotThatCannotBeRead) {
  add_snapshot();
  const std::string damaged = add_snapshot();
  damage_snapshot(damaged);
  const RunResult result = admin({"list", "--json"});
  EXPECT_EQ(result.status, 14);
  EXPECT_THAT(result.json(), SizeIs(1));
  EXPECT_THAT(result.err, HasSubstr(damaged));
}

TEST_F(Commands, LsShowsADirectoryOrEverything) {
  add_snapshot();
  EXPECT_EQ(admin({"ls", "latest"}).out, "caf\\xe9\\n\nd\nlink\n");
  EXPECT_EQ(admin({"ls", "-R", "latest"}).out, "caf\\xe9\\n\nd\nd/file\nlink\n");
  EXPECT_EQ(admin({"ls", "latest:home:d"}).out, "d/file\n");
  EXPECT_THAT(admin({"ls", "-l", "latest:home:/d/file"}).out, HasSubstr("-rw-r----- ann"));
  EXPECT_THAT(admin({"ls", "-l", "latest"}).out, HasSubstr("link -> d/file"));
  const auto json = admin({"ls", "-R", "latest", "--json"}).json();
  ASSERT_THAT(json, SizeIs(4));
  EXPECT_EQ(json[0].at("path_hex"), "636166e90a");
  EXPECT_EQ(json[2].at("path"), "d/file");
  EXPECT_EQ(json[2].at("size"), 110);
  EXPECT_EQ(json[3].at("target"), "d/file");
  EXPECT_EQ(admin({"ls", "latest:home:nothing"}).status, 1);
}

TEST_F(Commands, DumpWritesHolesAndSlicesAsTheFileHadThem) {
  const std::string id = add_snapshot();
  const RunResult result = admin({"dump", id.substr(0, 10) + ":d/file"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "hello" + std::string(100, '\0') + "world");
  EXPECT_EQ(admin({"dump", "latest:home:link"}).status, 2);
  EXPECT_EQ(admin({"dump", "latest:home:nothing"}).status, 1);
  EXPECT_EQ(admin({"dump", "nosuch:d/file"}).status, 1);
}

TEST_F(Commands, DumpOfWhatIsDamagedFails) {
  add_snapshot();
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
    if (!pack.is_regular_file()) continue;
    std::filesystem::permissions(pack, std::filesystem::perms::owner_all);
    std::fstream file{pack.path(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(-200, std::ios::end);
    file.put('x');
  }
  const RunResult result = admin({"dump", "latest:home:d/file"});
  EXPECT_EQ(result.status, 14);
  EXPECT_THAT(result.err, HasSubstr("not authentic"));
}

TEST_F(Commands, DeleteRemovesAllOrNothing) {
  const std::string first = add_snapshot();
  const std::string second = add_snapshot();
  EXPECT_EQ(admin({"delete", first, "nosuch"}).status, 1);
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(2));
  EXPECT_EQ(admin({"delete", "--dry-run", first}).status, 0);
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(2));
  const RunResult result = admin({"delete", first, first, "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.json(), SizeIs(1));
  const auto left = admin({"list", "--json"}).json();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].at("id"), second);
  EXPECT_EQ(admin({"delete", second + ":d"}).status, 2);
}

TEST_F(Commands, InfoAddsUpTheRepository) {
  const std::string id = add_snapshot();
  const auto info = admin({"info", "--json"}).json();
  EXPECT_EQ(info.at("snapshots"), 1);
  EXPECT_EQ(info.at("logical_bytes"), 110);
  EXPECT_GT(info.at("unique_bytes"), 14);
  EXPECT_GT(info.at("stored_bytes"), 0);
  EXPECT_GT(info.at("ratio"), 0);
  EXPECT_THAT(info.at("snapshot_heads"), ElementsAre(id));
  EXPECT_EQ(info.at("key").at("role"), "full");
  EXPECT_THAT(admin({"info"}).out, HasSubstr("logical:"));
  EXPECT_EQ(admin({"info", "latest", "--json"}).json().at("id"), id);
  EXPECT_THAT(admin({"info", id.substr(0, 8)}).out, HasSubstr(id));
}

class KeyCommands : public Commands {
 protected:
  /// The only key of a role, as list shows it.
  nlohmann::json key_of(const std::string& role) {
    for (const auto& key : admin({"key", "list", "--json"}).json()) {
      if (key.at("role") == role) return key;
    }
    return {};
  }
  /// Adds a key and returns its file.
  std::string add(const std::string& role, std::vector<std::string> more = {}) {
    const std::string file = directory_ / (role + "-key");
    more.insert(more.begin(), {"key", "add", "--role", role, "--new-key-file", file});
    const RunResult result = admin(more);
    EXPECT_EQ(result.status, 0) << result.err;
    return file;
  }
};

TEST_F(KeyCommands, AnIngestKeyIsForThisHostUnlessSaidOtherwise) {
  add("ingest");
  EXPECT_EQ(key_of("full").at("current"), true);
  EXPECT_EQ(key_of("ingest").at("current"), false);
  EXPECT_THAT(key_of("ingest").at("hosts"), ElementsAre("here"));
}

TEST_F(KeyCommands, HostsAfterTheCommandAreTheKeysHosts) {
  add("ingest", {"--host", "a", "--host", "b", "--label", "two"});
  EXPECT_THAT(key_of("ingest").at("hosts"), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(key_of("ingest").at("label"), "two");
}

TEST_F(KeyCommands, AFullKeyHasNoHosts) {
  EXPECT_EQ(
      admin({"key", "add", "--role", "full", "--host", "a", "--new-key-file", directory_ / "x"})
          .status,
      2);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "x"));
}

TEST_F(KeyCommands, ANewPassphraseOpensTheRepository) {
  const std::string file = directory_.write("passphrase", "correct horse\n");
  ASSERT_EQ(admin({"key", "add", "--new-passphrase-file", file}).status, 0);
  TestIo surroundings;
  prepare(surroundings);
  surroundings.environment["VGERFS_PASSPHRASE"] = "correct horse";
  EXPECT_EQ(run({"list"}, surroundings).status, 0);
}

TEST_F(KeyCommands, WithoutASecretAndATerminalAddFails) {
  EXPECT_EQ(admin({"key", "add"}).status, 2);
  EXPECT_THAT(admin({"key", "list", "--json"}).json(), SizeIs(1));
}

TEST_F(KeyCommands, AnIngestKeyCannotReadNorChangeAnything) {
  const std::string snapshot = add_snapshot();
  const std::string ingest = add("ingest");
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"list"},
           {"ls", "latest"},
           {"dump", "latest:home:d/file"},
           {"info", "latest"},
           {"delete", snapshot},
           {"key", "add", "--role", "full", "--new-key-file", directory_ / "evil"},
           {"key", "remove", "0"}}) {
    const RunResult result = with_key(ingest, command);
    EXPECT_EQ(result.status, 1) << command[0];
    EXPECT_THAT(result.out, IsEmpty()) << command[0];
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "evil"));
  EXPECT_EQ(with_key(ingest, {"info"}).status, 0);
  EXPECT_EQ(with_key(ingest, {"key", "list"}).status, 0);
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(1));
}

TEST_F(KeyCommands, RemovedKeysOpenNothing) {
  const std::string second = add("full");
  const auto keys = admin({"key", "list", "--json"}).json();
  const std::string current = keys[0].at("current") ? keys[0].at("id") : keys[1].at("id");
  const std::string other = keys[0].at("current") ? keys[1].at("id") : keys[0].at("id");
  EXPECT_EQ(admin({"key", "remove", current}).status, 2);
  EXPECT_EQ(admin({"key", "remove", "nosuch"}).status, 1);
  EXPECT_EQ(admin({"key", "remove", other.substr(0, 12)}).status, 0);
  EXPECT_EQ(with_key(second, {"list"}).status, 12);
  EXPECT_EQ(admin({"key", "remove", "--force", current}).status, 2)
      << "the last full key was removed";
  EXPECT_EQ(admin({"list"}).status, 0);
}

class Passphrases : public KeyCommands {
 protected:
  void SetUp() override {
    KeyCommands::SetUp();
    ASSERT_EQ(admin({"key", "add", "--new-passphrase-file", write("old")}).status, 0);
  }
  std::string write(const std::string& passphrase) {
    return directory_.write("passphrase " + passphrase, passphrase + "\n");
  }
  RunResult with_passphrase(const std::string& passphrase, std::vector<std::string> arguments) {
    TestIo surroundings;
    prepare(surroundings);
    surroundings.environment["VGERFS_PASSPHRASE"] = passphrase;
    return run(arguments, surroundings);
  }
  std::size_t slots() {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator{repository_ + "/keys"}) {
      if (each.is_regular_file()) ++count;
    }
    return count;
  }
};

TEST_F(Passphrases, ChangingOneKeepsTheKeyAndDropsTheOldPassphrase) {
  const auto before = with_passphrase("old", {"key", "list", "--json"}).json();
  const RunResult changed = with_passphrase(
      "old", {"key", "passphrase", "--json", "--new-passphrase-file", write("new")});
  ASSERT_EQ(changed.status, 0) << changed.err;
  EXPECT_EQ(with_passphrase("old", {"list"}).status, 12);
  const auto after = with_passphrase("new", {"key", "list", "--json"}).json();
  ASSERT_THAT(after, SizeIs(2));
  const auto current = [](const nlohmann::json& keys) {
    return keys[0].at("current") ? keys[0] : keys[1];
  };
  EXPECT_EQ(current(after).at("id"), changed.json().at("id"));
  EXPECT_NE(current(after).at("id"), current(before).at("id"));
  EXPECT_EQ(current(after).at("author"), current(before).at("author"));
  EXPECT_EQ(slots(), 2U);
}

TEST_F(Passphrases, AKeyFileHasNone) {
  const RunResult result = admin({"key", "passphrase", "--new-passphrase-file", write("new")});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(slots(), 2U);
}

TEST_F(Passphrases, AnEmptyNewOneChangesNothing) {
  EXPECT_EQ(with_passphrase(
                "old", {"key", "passphrase", "--new-passphrase-file", directory_.write("e", "\n")})
                .status,
            2);
  EXPECT_EQ(with_passphrase("old", {"list"}).status, 0);
}

TEST_F(Passphrases, AnExportedKeyComesBackIntoARepositoryThatLostItsKeys) {
  const std::string copy = directory_ / "copy";
  const RunResult exported = with_passphrase("old", {"key", "export", "--json", copy});
  ASSERT_EQ(exported.status, 0) << exported.err;
  EXPECT_EQ(std::filesystem::status(copy).permissions(), std::filesystem::perms(0600));
  for (const auto& each : std::filesystem::directory_iterator{repository_ + "/keys"})
    std::filesystem::remove(each.path());
  EXPECT_EQ(with_passphrase("old", {"list"}).status, 12);
  EXPECT_EQ(with_passphrase("wrong", {"key", "import", copy}).status, 12);
  EXPECT_EQ(slots(), 0U);
  const RunResult imported = with_passphrase("old", {"key", "import", "--json", copy});
  ASSERT_EQ(imported.status, 0) << imported.err;
  EXPECT_EQ(imported.json().at("id"), exported.json().at("id"));
  EXPECT_EQ(with_passphrase("old", {"list"}).status, 0);
}

TEST_F(Passphrases, ExportOverwritesNothingAndImportTakesNothingElse) {
  const std::string other = directory_.write("other", "something else");
  EXPECT_EQ(with_passphrase("old", {"key", "export", other}).status, 1);
  EXPECT_EQ(std::filesystem::file_size(other), 14U);
  EXPECT_EQ(with_passphrase("old", {"key", "import", other}).status, 14);
  EXPECT_EQ(slots(), 2U);
}

TEST_F(Passphrases, AKeyOfAnotherRepositoryIsNotImported) {
  const std::string copy = directory_ / "copy";
  const std::string mine = std::exchange(repository_, directory_ / "other");
  ASSERT_EQ(with_passphrase("old", {"init"}).status, 0);
  ASSERT_EQ(with_passphrase("old", {"key", "export", copy}).status, 0);
  repository_ = mine;
  EXPECT_EQ(with_passphrase("old", {"key", "import", copy}).status, 12);
  EXPECT_EQ(slots(), 2U);
}

class Revocation : public KeyCommands {
 protected:
  void SetUp() override {
    KeyCommands::SetUp();
    ingest_ = add("ingest");
    early_ = add_ingested();
  }
  std::string add_ingested() {
    return add_snapshot({.host = "here", .source = "home", .tags = {}, .time = {}, .key = ingest_});
  }
  /// A client that has stolen the slot, too.
  std::string add_by_thief(const std::string& slot_copy, const std::string& slot) {
    std::filesystem::copy_file(slot_copy, slot);
    const std::string id = add_ingested();
    std::filesystem::remove(slot);
    return id;
  }
  std::vector<std::string> listed() {
    std::vector<std::string> ids;
    for (const auto& each : admin({"list", "--json"}).json()) ids.push_back(each.at("id"));
    return ids;
  }

  std::string ingest_;
  std::string early_;
};

TEST_F(Revocation, WhatAnIngestKeyWroteStaysAndWhatItWritesLaterDoesNotCount) {
  const nlohmann::json key = key_of("ingest");
  const std::string slot = repository_ + "/keys/" + std::string{key.at("id")};
  std::filesystem::copy_file(slot, directory_ / "stolen");
  const RunResult revoked = admin({"key", "revoke", "--json", key.at("id")});
  ASSERT_EQ(revoked.status, 0) << revoked.err;
  EXPECT_EQ(revoked.json().at("snapshots"), 1);
  EXPECT_EQ(revoked.json().at("author"), key.at("author"));
  EXPECT_FALSE(std::filesystem::exists(slot));

  const std::string late = add_by_thief(directory_ / "stolen", slot);
  EXPECT_THAT(listed(), ElementsAre(early_));
  EXPECT_EQ(admin({"restore", early_, directory_ / "target"}).status, 0);
  EXPECT_EQ(admin({"restore", late, directory_ / "other"}).status, 1);
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(Revocation, AKeyWhoseSlotIsGoneIsRevokedByItsAuthor) {
  const nlohmann::json key = key_of("ingest");
  const std::string slot = repository_ + "/keys/" + std::string{key.at("id")};
  std::filesystem::copy_file(slot, directory_ / "stolen");
  ASSERT_EQ(admin({"key", "remove", key.at("id")}).status, 0);
  const std::string author = std::string{key.at("author")}.substr(0, 16);
  EXPECT_EQ(admin({"key", "revoke", author}).status, 0);
  const RunResult again = admin({"key", "revoke", "--json", author});
  EXPECT_EQ(again.json().at("was_revoked"), true);
  add_by_thief(directory_ / "stolen", slot);
  EXPECT_THAT(listed(), ElementsAre(early_));
}

TEST_F(Revocation, AFullKeyCannotBeRevoked) {
  const nlohmann::json key = key_of("full");
  EXPECT_EQ(admin({"key", "revoke", key.at("id")}).status, 2);
  add_snapshot();
  EXPECT_EQ(admin({"key", "revoke", key.at("author")}).status, 2);
  EXPECT_EQ(with_key(ingest_, {"key", "revoke", key_of("ingest").at("id")}).status, 1);
}

TEST_F(Revocation, AClientThatIsNewNoticesThatItIsHidden) {
  std::set<std::string> before;
  for (const auto& each : std::filesystem::directory_iterator{repository_ + "/index"})
    before.insert(each.path().string());
  ASSERT_EQ(admin({"key", "revoke", key_of("ingest").at("id")}).status, 0);
  std::string record;
  for (const auto& each : std::filesystem::directory_iterator{repository_ + "/index"}) {
    if (before.count(each.path().string()) == 0) record = each.path().string();
  }
  ASSERT_EQ(admin({"tag", "--add", "later", early_}).status, 0);
  std::filesystem::remove(record);
  EXPECT_EQ(admin({"--state-dir", directory_ / "new state", "--cache-dir", directory_ / "new cache",
                   "list"})
                .status,
            15);
}

}  // namespace
}  // namespace vgerfs::cli
