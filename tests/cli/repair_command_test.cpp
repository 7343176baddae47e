// Damage, followed as the commands advise: check, restore, repair, back up again.
#include <filesystem>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"
#include "support/read_text.h"

namespace vgerfs::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using vgerfs::testing::read_text;

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
      if (file.is_regular_file() && read_text(file.path()).at(10) == static_cast<char>(kind)) {
        return file.path();
      }
    }
    ADD_FAILURE() << "there is none";
    return {};
  }
  /// One bit in the middle: of a pack, in one block of several.
  void flip(const std::string& object) {
    std::string bytes = read_text(object);
    bytes.at(bytes.size() / 2) ^= 4;
    overwrite(object, bytes);
  }
  void overwrite(const std::string& object, const std::string& bytes) {
    std::filesystem::permissions(object, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::ofstream{object, std::ios::binary} << bytes;
  }
  /// Of the files that `restore` writes; it may fail.
  std::set<std::string> restored_right(const std::string& snapshot, const std::string& target) {
    restore_ = admin({"restore", snapshot, directory_ / target});
    std::set<std::string> right;
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = "file" + std::to_string(i);
      const std::string copy = directory_ / (target + "/" + name);
      if (!std::filesystem::exists(copy)) continue;
      EXPECT_EQ(read_text(copy), read_text(directory_ / ("src/" + name))) << "a wrong byte";
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
  EXPECT_EQ(repaired.status, 3) << repaired.err;
  EXPECT_THAT(repaired.out, HasSubstr("go on without it"));
  EXPECT_THAT(repaired.err, AllOf(HasSubstr("1 snapshot lost"), HasSubstr("vgerfs-admin undelete"),
                                  Not(HasSubstr("back up the same data"))));
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
  EXPECT_EQ(admin({"repair"}).status, 0) << "it counts as deleted";
}

TEST_F(RepairCommand, ASnapshotThatOnlyThisClientKnewIsNamedWhenItsLossIsAccepted) {
  const std::string only = admin({"list", "--json"}).json()[0].at("id");
  std::filesystem::remove(repository_ + "/snapshots/" + only);
  EXPECT_EQ(admin({"repair"}).status, 15);
  EXPECT_THAT(admin({"--accept-rollback", "repair"}).err, HasSubstr("snapshots/" + only));
}

TEST_F(RepairCommand, ALostSnapshotThatIsPutBackIsUndeleted) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  const std::string object = repository_ + "/snapshots/" + old;
  const std::string good = read_text(object);
  directory_.write("src/file0", "changed");
  ASSERT_EQ(back_up().status, 0);
  std::filesystem::remove(object);
  ASSERT_EQ(admin({"--accept-rollback", "repair"}).status, 3);
  std::ofstream{object, std::ios::binary} << good;
  EXPECT_EQ(admin({"list", "--json"}).json().size(), 1U) << "it counts as deleted";
  EXPECT_EQ(admin({"undelete", old}).status, 0);
  EXPECT_EQ(admin({"list", "--json"}).json().size(), 2U);
}

TEST_F(RepairCommand, ADamagedSnapshotIsNamedAndLeftAlone) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  const std::string object = repository_ + "/snapshots/" + old;
  const std::string good = read_text(object);
  flip(object);
  const std::string bad = read_text(object);
  for (const char* how : {"--dry-run", "--read-data"}) {
    const RunResult repaired = admin({"repair", how});
    EXPECT_EQ(repaired.status, 3);
    EXPECT_THAT(repaired.out, AllOf(HasSubstr("damaged: snapshots/" + old),
                                    Not(HasSubstr("there is nothing to repair"))));
    EXPECT_THAT(repaired.err,
                AllOf(HasSubstr("put it back"), HasSubstr("vgerfs-admin delete"),
                      HasSubstr("vgerfs-admin compact"), Not(HasSubstr("back up the same data"))));
    EXPECT_EQ(read_text(object), bad);
  }
  const auto json = admin({"repair", "--json"}).json();
  EXPECT_EQ(json.at("unreadable_snapshots"), nlohmann::json::array({old}));
  EXPECT_EQ(json.at("lost_data"), true);
  EXPECT_EQ(admin({"compact"}).status, 14) << "as it says";

  overwrite(object, good);
  const RunResult whole = admin({"repair", "--read-data"});
  EXPECT_EQ(whole.status, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("there is nothing to repair"));
  EXPECT_EQ(restored_right(old, "after").size(), std::size_t{kFiles});
}

TEST_F(RepairCommand, ADamagedSnapshotCanBeGivenUp) {
  const std::string old = admin({"list", "--json"}).json()[0].at("id");
  flip(repository_ + "/snapshots/" + old);
  EXPECT_THAT(admin({"check"}).out, AllOf(HasSubstr("put it back"), HasSubstr("delete")));
  EXPECT_EQ(admin({"delete", old}).status, 0);
  EXPECT_EQ(admin({"repair"}).status, 0);
  EXPECT_EQ(admin({"compact"}).status, 0);
  EXPECT_EQ(admin({"check"}).status, 0);
}

TEST_F(RepairCommand, OfAHealthyRepositoryDoesNothing) {
  const RunResult result = admin({"repair", "--read-data"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("nothing to repair"), Not(HasSubstr("affects"))));
}

}  // namespace
}  // namespace vgerfs::cli
