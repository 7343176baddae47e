// Damage, followed as the commands advise: check, restore, repair, back up again.
#include <filesystem>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string read(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// One chunk, which compression does not make smaller.
std::string noise(unsigned seed) {
  std::mt19937 random{seed};
  std::string text(60'000, ' ');
  for (char& byte : text) byte = static_cast<char>(random() & 0xff);
  return text;
}

class RepairCommand : public Commands {
 protected:
  enum class Kind { data = 1, metadata = 2 };  // docs/FORMAT.md section 8

  void SetUp() override {
    Commands::SetUp();
    for (int i = 0; i < kFiles; ++i) {
      directory_.write("src/file" + std::to_string(i), noise(static_cast<unsigned>(i)));
    }
    ASSERT_EQ(back_up().status, 0);
  }

  RunResult back_up() { return admin({"backup", "--source", "s", directory_ / "src"}); }
  std::string pack(Kind kind) const {
    for (const auto& file : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
      if (file.is_regular_file() && read(file.path()).at(10) == static_cast<char>(kind)) {
        return file.path();
      }
    }
    ADD_FAILURE() << "there is none";
    return {};
  }
  /// One bit in the middle: in one block of several.
  void flip(const std::string& pack) {
    std::string bytes = read(pack);
    bytes.at(bytes.size() / 2) ^= 4;
    std::filesystem::permissions(pack, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::ofstream{pack, std::ios::binary} << bytes;
  }
  /// Of the files that `restore` writes; it may fail.
  std::set<std::string> restored_right(const std::string& snapshot, const std::string& target) {
    restore_ = admin({"restore", snapshot, directory_ / target});
    std::set<std::string> right;
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = "file" + std::to_string(i);
      const std::string copy = directory_ / (target + "/" + name);
      if (!std::filesystem::exists(copy)) continue;
      EXPECT_EQ(read(copy), read(directory_ / ("src/" + name))) << "a wrong byte";
      right.insert(name);
    }
    return right;
  }

  static constexpr int kFiles = 40;  // three blocks
  RunResult restore_;
};

TEST_F(RepairCommand, TheAdviceOfCheckIsTrueWhenFollowed) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  flip(pack(Kind::data));
  const RunResult found = admin({"check", "--read-data"});
  EXPECT_EQ(found.status, 14);
  EXPECT_THAT(found.out, AllOf(HasSubstr("vgerfs-admin repair"), HasSubstr("affects ")));
  const std::set<std::string> good = restored_right(old, "before");
  EXPECT_EQ(restore_.status, 14);
  EXPECT_THAT(restore_.err, HasSubstr("file"));
  const std::size_t lost = kFiles - good.size();
  ASSERT_GT(lost, 0U);
  ASSERT_LT(lost, std::size_t{kFiles});

  const RunResult planned = admin({"repair", "--dry-run", "--json"});
  EXPECT_EQ(planned.status, 3) << planned.err;
  EXPECT_EQ(planned.json().at("damaged_packs").size(), 1U);
  EXPECT_EQ(planned.json().at("condemned_packs"), 0);
  const RunResult repaired = admin({"repair"});
  EXPECT_EQ(repaired.status, 3) << repaired.err;
  EXPECT_THAT(repaired.out,
              AllOf(HasSubstr("gave 1 pack up, stored " + std::to_string(good.size()) + " chunk"),
                    HasSubstr("affects ")));
  EXPECT_THAT(repaired.err, HasSubstr("back up the same data again"));

  const RunResult still = admin({"check", "--read-data", "--json"});
  EXPECT_EQ(still.status, 14);
  const auto report = still.json();
  for (const auto& finding : report.at("findings")) {
    if (finding.at("severity") != "error") continue;
    EXPECT_EQ(finding.at("affected_count"), lost) << finding;
  }
  EXPECT_EQ(restored_right(old, "between"), good);
  EXPECT_EQ(admin({"repair", "--json"}).json().at("saved_chunks"), 0) << "once is enough";

  EXPECT_EQ(back_up().status, 0);
  const RunResult healed = admin({"check", "--read-data"});
  EXPECT_EQ(healed.status, 0) << healed.out;
  EXPECT_EQ(restored_right(old, "after").size(), std::size_t{kFiles});
  EXPECT_EQ(restore_.status, 0) << restore_.err;
  EXPECT_EQ(admin({"repair"}).status, 0);
}

TEST_F(RepairCommand, WithoutItABackupOfUnchangedFilesHealsNothing) {
  std::filesystem::remove(pack(Kind::data));
  EXPECT_EQ(back_up().status, 0);
  EXPECT_EQ(admin({"check"}).status, 14) << "else the tests here show nothing";
}

TEST_F(RepairCommand, AMissingPackOfFilesIsHealedByABackupOfUnchangedFiles) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  std::filesystem::remove(pack(Kind::data));
  EXPECT_EQ(admin({"repair"}).status, 3);
  EXPECT_EQ(admin({"check"}).status, 14);
  EXPECT_EQ(back_up().status, 0);
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
  EXPECT_EQ(restored_right(old, "after").size(), std::size_t{kFiles});
}

TEST_F(RepairCommand, AMissingPackOfTreesIsHealedByABackupOfUnchangedFiles) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  std::filesystem::remove(pack(Kind::metadata));
  EXPECT_EQ(admin({"repair"}).status, 3);
  const RunResult again = back_up();
  EXPECT_EQ(again.status, 0) << again.err;
  const RunResult healed = admin({"check", "--read-data"});
  EXPECT_EQ(healed.status, 0) << healed.out;
  EXPECT_EQ(restored_right(old, "after").size(), std::size_t{kFiles});
}

TEST_F(RepairCommand, WhatIsLostWithItsRecordIsHealedByReadingAll) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  std::filesystem::remove(pack(Kind::data));
  std::filesystem::remove_all(repository_ + "/index");
  std::filesystem::create_directory(repository_ + "/index");
  EXPECT_EQ(admin({"repair"}).status, 15) << "a loss is not taken for granted";
  EXPECT_THAT(admin({"repair"}).err, HasSubstr("repair"));
  const RunResult repaired = admin({"--accept-rollback", "repair"});
  EXPECT_EQ(repaired.status, 3) << repaired.err;
  EXPECT_THAT(repaired.out, HasSubstr("backup --read-all"));
  EXPECT_EQ(admin({"backup", "--read-all", "--source", "s", directory_ / "src"}).status, 0);
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
  EXPECT_EQ(restored_right(old, "after").size(), std::size_t{kFiles});
}

TEST_F(RepairCommand, ALostSnapshotIsGoneOnWithout) {
  directory_.write("src/file0", "changed");
  ASSERT_EQ(back_up().status, 0);
  const std::string newest = admin({"list", "--latest", "--json"}).json()[0].at("id");
  for (const auto& snapshot : std::filesystem::directory_iterator{repository_ + "/snapshots"}) {
    if (snapshot.path().filename() != newest) std::filesystem::remove(snapshot);
  }
  EXPECT_EQ(admin({"list"}).status, 15);
  const RunResult repaired = admin({"--accept-rollback", "repair"});
  EXPECT_EQ(repaired.status, 0) << repaired.err;
  EXPECT_THAT(repaired.out, HasSubstr("go on without it"));
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(RepairCommand, OfAHealthyRepositoryDoesNothing) {
  const RunResult result = admin({"repair", "--read-data"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("nothing to repair"), Not(HasSubstr("affects"))));
}

}  // namespace
}  // namespace vgerfs::cli
