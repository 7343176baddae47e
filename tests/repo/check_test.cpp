#include "repo/maintenance/check.h"

#include <gtest/gtest.h>

#include "repo/extents.h"
#include "repo/tree.h"
#include "repository_fixture.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::random_bytes;
using testing::TestRepository;

/// A snapshot with files "file 0" … of random content, all in one directory.
void commit_files(Repository& repository, std::uint64_t seed, int files) {
  SessionOptions options;
  options.host = "host";
  options.source = "home";
  Session session{repository, options};
  DirectoryBuilder builder{session, repository.keyring().split_key()};
  for (int i = 0; i < files; ++i) {
    Entry entry;
    entry.set_name(fmt::format("file {}", i));
    entry.set_type(format::proto::ENTRY_FILE);
    const Bytes bytes = random_bytes(seed + static_cast<std::uint64_t>(i), 200'000);
    ExtentListBuilder extents{session};
    extents.add(
        {.bytes = bytes.size(), .chunk = session.put(ChunkKind::data, bytes), .chunk_offset = 0});
    extents.finish(entry);
    builder.add(entry);
  }
  Entry root = testing::plain_root();
  root.set_subtree(builder.finish()->raw());
  session.commit(
      {.root = root, .paths = {}, .parent = {}, .tags = {}, .statistics = {}, .trigger = "test"});
}

CheckResult check(Repository& repository, bool read_data) {
  CheckOptions options;
  options.level = read_data ? CheckLevel::data : CheckLevel::metadata;
  options.threads = 2;
  return run_check(repository, options, [](const CheckProgress&) {});
}

std::vector<Finding> errors(const CheckResult& result) {
  std::vector<Finding> found;
  for (const Finding& finding : result.findings) {
    if (finding.severity == Severity::error) found.push_back(finding);
  }
  return found;
}

/// The largest pack: the one with file data.
format::ObjectName data_pack(TestRepository& test) {
  const auto packs = test.store().names(ObjectType::pack);
  return *std::max_element(packs.begin(), packs.end(), [&](const auto& a, const auto& b) {
    return test.store().find(a)->bytes->size() < test.store().find(b)->bytes->size();
  });
}

void flip(TestRepository& test, const format::ObjectName& name, std::size_t at) {
  Bytes bytes = *test.store().find(name)->bytes;
  bytes[at] ^= std::byte{8};
  test.store().overwrite(name, bytes);
}

TEST(Check, FindsNothingInAWholeRepository) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  commit_files(*repository, 1, 5);
  commit_files(*repository, 4, 5);
  const CheckResult result = check(*repository, true);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.snapshots, 2U);
  EXPECT_EQ(result.files, 10U);
  EXPECT_GT(result.read_bytes, 1'400'000U);
}

TEST(Check, OnlyReadingDataSeesAFlippedByteAndItNamesPackAndFile) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  commit_files(*repository, 1, 5);
  const auto victim = data_pack(test);
  flip(test, victim, 300'000);
  EXPECT_TRUE(errors(check(*repository, false)).empty());
  const auto found = errors(check(*repository, true));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].object, victim.path());
  ASSERT_EQ(found[0].affected.size(), 1U) << "one block was hit, the others are good";
  EXPECT_TRUE(found[0].affected[0].path.starts_with("file "));
}

TEST(Check, AMissingPackIsNamedWithAllItsFiles) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  commit_files(*repository, 1, 5);
  const auto victim = data_pack(test);
  test.store().erase(victim);
  const auto found = errors(check(*repository, false));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].object, victim.path());
  EXPECT_EQ(found[0].affected_count, 5U);
}

TEST(Check, ADamagedRecordAndSnapshotAreNamed) {
  TestRepository test;
  {
    const auto repository = test.open(TestRepository::full_key(), "client");
    commit_files(*repository, 1, 2);
  }
  const auto record = test.store().names(ObjectType::index).front();
  const auto snapshot = test.store().names(ObjectType::snapshot).front();
  flip(test, record, 200);
  flip(test, snapshot, 200);
  const auto repository = test.open(TestRepository::full_key(), "other");
  std::set<std::string> named;
  for (const Finding& finding : errors(check(*repository, false))) named.insert(finding.object);
  EXPECT_TRUE(named.contains(record.path()));
  EXPECT_TRUE(named.contains(snapshot.path()));
}

TEST(Check, APackThatNothingNamesIsANote) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  commit_files(*repository, 1, 2);
  testing::MemoryBackend backend{test.shared_store()};
  const auto orphan = backends::write_object(backend, ObjectType::pack, random_bytes(9, 1000));
  backend.barrier();
  const CheckResult result = check(*repository, true);
  EXPECT_FALSE(result.has_errors());
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].object, orphan.path());
}

TEST(Check, AnIngestKeyIsRefused) {
  TestRepository test;
  test.add_ingest_slot("host");
  const auto repository = test.open(TestRepository::ingest_key(), "ingest");
  EXPECT_THROW(check(*repository, false), Error);
}

}  // namespace
}  // namespace vgerfs::repo
