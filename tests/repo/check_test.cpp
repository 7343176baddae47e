// A check names what is wrong and whom it hurts, and nothing else.
#include "repo/maintenance/check.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "backends/store_services.h"
#include "damage.h"
#include "maintenance_world.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::cut;
using ::testing::ElementsAre;
using testing::error_of;
using testing::Files;
using testing::flip;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::largest;
using testing::MaintenanceWorld;
using testing::random_files;
using ::testing::SizeIs;
using testing::TestRepository;
using ::testing::UnorderedElementsAre;

class Check : public ::testing::Test, protected MaintenanceWorld {
 protected:
  CheckResult check(Repository& repository, CheckLevel level = CheckLevel::metadata,
                    ReadShare share = {}) {
    CheckOptions options;
    options.level = level;
    options.share = share;
    options.threads = 2;
    return run_check(repository, options, [](const CheckProgress&) {});
  }
  CheckResult check_as(const std::string& client, CheckLevel level) {
    return check(*open(client), level);
  }
  static std::vector<Finding> of(const CheckResult& result, Severity severity) {
    std::vector<Finding> found;
    for (const Finding& finding : result.findings) {
      if (finding.severity == severity) found.push_back(finding);
    }
    return found;
  }
  static std::vector<Finding> errors(const CheckResult& result) {
    return of(result, Severity::error);
  }
  static std::vector<std::string> paths(const Finding& finding) {
    std::vector<std::string> all;
    for (const AffectedPath& affected : finding.affected) all.push_back(affected.path);
    return all;
  }
  testing::MemoryStore& store() { return test.store(); }
  std::unique_ptr<Repository> open_ingest() {
    return test.open(TestRepository::ingest_key(), "ingest");
  }

  std::unique_ptr<Repository> repository_ = open("client");
};

TEST_F(Check, FindsNothingInAWholeRepository) {
  commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(4, 5));
  for (const CheckLevel level : {CheckLevel::quick, CheckLevel::metadata, CheckLevel::data}) {
    const CheckResult result = check(*repository_, level);
    EXPECT_THAT(result.findings, IsEmpty());
    EXPECT_EQ(result.snapshots, 2U);
    EXPECT_EQ(result.records, 2U);
    EXPECT_EQ(result.packs, 4U);
    EXPECT_EQ(result.files, level == CheckLevel::quick ? 0U : 10U);
    EXPECT_EQ(result.read_packs, level == CheckLevel::data ? 4U : 0U);
    EXPECT_EQ(result.read_bytes > 1'600'000U, level == CheckLevel::data);
  }
}

TEST_F(Check, OnlyReadingDataSeesAFlippedByteAndItNamesPackAndFile) {
  commit(*repository_, random_files(1, 5));
  const auto victim = largest(store());
  flip(store(), victim, 300'000);
  EXPECT_THAT(errors(check(*repository_)), IsEmpty());
  const auto found = errors(check(*repository_, CheckLevel::data));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, FindingKind::pack_damaged);
  EXPECT_EQ(found[0].object, victim.path());
  EXPECT_THAT(paths(found[0]), ElementsAre("file2")) << "one block was hit, the others are good";
}

TEST_F(Check, APackThatWasBadIsReadByEveryLaterCheck) {
  commit(*repository_, random_files(1, 5));
  const auto victim = largest(store());
  flip(store(), victim, 300'000);
  check(*repository_, CheckLevel::data);
  EXPECT_THAT(errors(check(*repository_)), SizeIs(1));
  flip(store(), victim, 300'000);
  EXPECT_THAT(errors(check(*repository_)), IsEmpty()) << "somebody put the good one back";
  EXPECT_EQ(check(*repository_).read_packs, 0U);
}

TEST_F(Check, DamageThatNoFileFeelsIsFound) {
  commit(*repository_, random_files(1, 2));
  const auto victim = largest(store());
  flip(store(), victim, 20);
  const auto found = errors(check(*repository_, CheckLevel::data));
  ASSERT_THAT(found, SizeIs(1)) << "the header's random bytes";
  EXPECT_EQ(found[0].affected_count, 0U);
}

TEST_F(Check, AMissingPackIsNamedWithAllItsFiles) {
  const SnapshotId id = commit(*repository_, random_files(1, 5));
  const auto victim = largest(store());
  store().erase(victim);
  for (const CheckLevel level : {CheckLevel::quick, CheckLevel::metadata, CheckLevel::data}) {
    const auto found = errors(check(*repository_, level));
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, FindingKind::pack_missing);
    EXPECT_EQ(found[0].object, victim.path());
    if (level == CheckLevel::quick) continue;
    EXPECT_THAT(paths(found[0]), ElementsAre("file1", "file2", "file3", "file4", "file5"));
    EXPECT_THAT(found[0].snapshots, ElementsAre(id));
  }
}

TEST_F(Check, OfAShortPackWhatIsLeftIsGood) {
  commit(*repository_, random_files(1, 5));
  const auto victim = largest(store());
  cut(store(), victim, 500'000);
  EXPECT_THAT(errors(check(*repository_, CheckLevel::quick)), SizeIs(1));
  const auto found = errors(check(*repository_));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].what, HasSubstr("500000 bytes"));
  EXPECT_THAT(paths(found[0]), ElementsAre("file3", "file4", "file5"));
}

TEST_F(Check, EverySnapshotThatLostSomethingIsNamed) {
  Files files = random_files(1, 3);
  const SnapshotId first = commit(*repository_, files);
  const auto victim = largest(store());
  files.merge(random_files(10, 1));
  const SnapshotId second = commit(*repository_, files);
  const SnapshotId third = commit(*repository_, files, "same");
  commit(*repository_, random_files(20, 1), "other");
  store().erase(victim);
  const auto found = errors(check(*repository_));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].snapshots, UnorderedElementsAre(first, second, third));
  EXPECT_EQ(found[0].affected_count, 9U);
}

TEST_F(Check, AMissingTreeTakesItsDirectoryAlong) {
  const SnapshotId id = commit(*repository_, random_files(1, 2));
  const auto victim = testing::smallest_pack(store());
  store().erase(victim);
  const auto found = errors(check_as("new", CheckLevel::metadata));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].object, victim.path());
  EXPECT_THAT(paths(found[0]), ElementsAre(""));
  EXPECT_THAT(found[0].snapshots, ElementsAre(id));
}

TEST_F(Check, AFlippedByteInATreeIsFoundByReadingTreesAndItsPackIsToBlame) {
  commit(*repository_, random_files(1, 2));
  const auto victim = testing::smallest_pack(store());
  flip(store(), victim, store().find(victim)->bytes->size() / 2);
  for (const CheckLevel level : {CheckLevel::metadata, CheckLevel::data}) {
    const auto found = errors(check_as(fmt::format("{}", static_cast<int>(level)), level));
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, FindingKind::pack_damaged);
    EXPECT_EQ(found[0].object, victim.path());
    EXPECT_THAT(paths(found[0]), ElementsAre(""));
  }
}

TEST_F(Check, ACopyInAnotherPackIsNoLoss) {
  const Files files = random_files(1, 1);
  commit(*repository_, files);
  const auto victim = largest(store());
  Session session{*repository_, session_options("copy")};
  session.put_again(ChunkKind::data, files.begin()->second);
  session.commit(testing::draft_of(testing::plain_root()));
  store().erase(victim);
  const auto found = errors(check(*repository_));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].affected_count, 0U);
  EXPECT_THAT(found[0].snapshots, IsEmpty());
}

TEST_F(Check, DamagedRecordsAndSnapshotsAreNamed) {
  const SnapshotId id = commit(*repository_, random_files(1, 2));
  const auto record = store().names(ObjectType::index).front();
  flip(store(), record, 200);
  flip(store(), format::snapshot_name(id), 200);
  std::map<std::string, FindingKind> named;
  for (const Finding& finding : errors(check_as("other", CheckLevel::quick))) {
    named[finding.object] = finding.kind;
  }
  EXPECT_EQ(named.size(), 2U);
  EXPECT_EQ(named.at(record.path()), FindingKind::record_unreadable);
  EXPECT_EQ(named.at(format::snapshot_name(id).path()), FindingKind::snapshot_unreadable);
}

TEST_F(Check, ARecordThatWasGoodWhenItWasFirstReadIsReadAgain) {
  commit(*repository_, random_files(1, 2));
  flip(store(), store().names(ObjectType::index).front(), 200);
  EXPECT_THAT(errors(check(*repository_, CheckLevel::quick)), IsEmpty());
  const auto found = errors(check(*repository_));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, FindingKind::record_unreadable);
}

TEST_F(Check, AnAbsentRecordWhoseLossIsAcceptedStaysAnError) {
  commit(*repository_, random_files(1, 2));
  const auto record = store().names(ObjectType::index).front();
  commit(*repository_, random_files(10, 2));
  store().erase(record);
  const auto other = test.open(TestRepository::full_key(), "other", true);
  std::set<std::string> named;
  for (const Finding& finding : errors(check(*other, CheckLevel::quick))) {
    if (finding.kind == FindingKind::object_absent) named.insert(finding.object);
  }
  EXPECT_THAT(named, ElementsAre(record.path()));
}

TEST_F(Check, APackThatNothingNamesIsANote) {
  commit(*repository_, random_files(1, 2));
  testing::MemoryBackend backend{test.shared_store()};
  const auto orphan =
      backends::write_object(backend, ObjectType::pack, testing::random_bytes(9, 1000));
  backend.barrier();
  const CheckResult result = check(*repository_, CheckLevel::data);
  EXPECT_FALSE(result.has_errors());
  ASSERT_THAT(result.findings, SizeIs(1));
  EXPECT_EQ(result.findings[0].object, orphan.path());
  EXPECT_EQ(result.findings[0].kind, FindingKind::pack_unnamed);
}

TEST_F(Check, JunkAmongKeysLeasesAndSnapshotsIsNamed) {
  commit(*repository_, random_files(1, 2));
  testing::MemoryBackend backend{test.shared_store()};
  std::map<std::string, Severity> expected_severity;
  const auto plant = [&](ObjectType type, Severity severity) {
    const auto name = backends::write_object(
        backend, type, testing::random_bytes(static_cast<std::uint64_t>(type) + 40, 500));
    expected_severity[name.path()] = severity;
  };
  plant(ObjectType::key, Severity::error);
  plant(ObjectType::lock, Severity::note);
  plant(ObjectType::index, Severity::error);
  plant(ObjectType::snapshot, Severity::error);
  backend.barrier();
  std::map<std::string, Severity> found;
  for (const Finding& finding : check_as("new", CheckLevel::quick).findings) {
    found[finding.object] = finding.severity;
    EXPECT_FALSE(advice(finding.kind).empty());
  }
  EXPECT_EQ(found, expected_severity);
}

TEST_F(Check, WhatWasBuriedIsNotMissing) {
  commit(*repository_, random_files(1, 2));
  const auto other = open("other");
  const auto victim = largest(store());
  // The other client does not know yet.
  IndexRecord record;
  record.facts.buried.push_back(PackId{victim.id.bytes()});
  repository_->publish_record(std::move(record));
  store().erase(victim);
  const CheckResult result = check(*other);
  for (const Finding& finding : result.findings) {
    EXPECT_EQ(finding.kind, FindingKind::snapshot_damaged) << finding.object;
    EXPECT_THAT(finding.what, HasSubstr("no index record names"));
    EXPECT_EQ(finding.affected_count, 2U);
  }
  EXPECT_THAT(result.findings, SizeIs(1));
}

TEST_F(Check, SharesAddUpToTheWhole) {
  for (std::uint64_t i = 0; i < 8; ++i) commit(*repository_, random_files(10 * i + 1, 1));
  std::uint64_t read = 0;
  for (int run = 0; run < 4; ++run) {
    const CheckResult result =
        check(*repository_, CheckLevel::data, {.bytes = {}, .fraction = 0.25});
    read += result.read_packs;
    EXPECT_LT(result.read_packs, 12U);
  }
  EXPECT_GE(read, 16U);
  // Damage to any pack is found within a round.
  for (const auto& victim : store().names(ObjectType::pack)) {
    flip(store(), victim, 25);
    int runs = 0;
    while (errors(check(*repository_, CheckLevel::data, {.bytes = {}, .fraction = 0.25})).empty()) {
      ASSERT_LT(++runs, 5) << victim.path();
    }
    flip(store(), victim, 25);
    check(*repository_, CheckLevel::data);
  }
}

TEST_F(Check, AShareInBytesReadsWholePacks) {
  for (std::uint64_t i = 0; i < 4; ++i) commit(*repository_, random_files(10 * i + 1, 1));
  EXPECT_EQ(check(*repository_, CheckLevel::data, {.bytes = 1}).read_packs, 1U);
}

TEST_F(Check, VouchesForBlocksOfIngestAuthorsThatItHashed) {
  test.add_ingest_slot("host");
  const Files files = random_files(1, 3);
  commit(*open_ingest(), files);
  repository_->refresh();
  const ChunkId id = repository_->keyring().chunk_id(ChunkKind::data, files.begin()->second);
  ASSERT_FALSE(repository_->index().find(id).front().trusted);
  EXPECT_EQ(check(*repository_).vouched_blocks, 0U) << "nothing was hashed";
  CheckOptions silent;
  silent.level = CheckLevel::data;
  silent.vouch = false;
  EXPECT_EQ(run_check(*repository_, silent, [](const CheckProgress&) {}).vouched_blocks, 0U);
  EXPECT_EQ(check(*repository_, CheckLevel::data).vouched_blocks, 4U) << "3 files and the tree";
  EXPECT_TRUE(open("another")->index().find(id).front().vouched);
  EXPECT_EQ(check(*repository_, CheckLevel::data).vouched_blocks, 0U) << "once is enough";
  EXPECT_EQ(count(ObjectType::index), 2U);
}

TEST_F(Check, APoisonedBlockIsNotVouchedForAndItsNeighboursAre) {
  test.add_ingest_slot("host");
  const Bytes claimed = testing::random_bytes(1, 200'000);
  {
    const auto thief = open_ingest();
    Session session{*thief, session_options()};
    Bytes sealed;
    BlockEntry block =
        testing::poisoned_block(*thief, claimed, testing::random_bytes(2, 200'000), sealed);
    session.adopt_block(std::move(block), sealed);
    const Entry root = testing::put_files(session, thief->keyring(), random_files(5, 1));
    session.commit(testing::draft_of(root));
  }
  repository_->refresh();
  const CheckResult result = check(*repository_, CheckLevel::data);
  EXPECT_FALSE(result.has_errors()) << "nothing needs it";
  const auto warnings = of(result, Severity::warning);
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_EQ(warnings[0].kind, FindingKind::entry_false);
  EXPECT_THAT(warnings[0].what, HasSubstr("other content than its name says"));
  EXPECT_EQ(result.vouched_blocks, 2U);
  const ChunkId id = repository_->keyring().chunk_id(ChunkKind::data, claimed);
  EXPECT_FALSE(repository_->index().find(id).front().vouched);
}

TEST_F(Check, APoisonedBlockThatASnapshotNeedsIsALoss) {
  test.add_ingest_slot("host");
  const Files files = random_files(1, 1);
  const auto thief = open_ingest();
  Session session{*thief, session_options()};
  Bytes sealed;
  BlockEntry block = testing::poisoned_block(*thief, files.begin()->second,
                                             testing::random_bytes(2, 200'000), sealed);
  session.adopt_block(std::move(block), sealed);
  session.commit(testing::draft_of(testing::put_files(session, thief->keyring(), files)));
  const auto found = errors(check(*repository_, CheckLevel::data));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, FindingKind::entry_false);
  EXPECT_THAT(paths(found[0]), ElementsAre("file1"));
}

TEST_F(Check, AShorterChunkOfTheSameNameHidesNoGoodOne) {
  test.add_ingest_slot("host");
  const Files files = random_files(1, 1);
  {
    const auto thief = open_ingest();
    Session session{*thief, session_options("thief")};
    Bytes sealed;
    BlockEntry block = testing::poisoned_block(*thief, files.begin()->second,
                                               testing::random_bytes(2, 100), sealed);
    session.adopt_block(std::move(block), sealed);
    session.commit(testing::draft_of(testing::plain_root()));
  }
  commit(*repository_, files);
  EXPECT_THAT(check(*repository_).findings, IsEmpty());
  EXPECT_THAT(errors(check(*repository_, CheckLevel::data)), IsEmpty());
  store().erase(largest(store()));
  EXPECT_THAT(errors(check(*repository_)), SizeIs(2))
      << "the other is too short: neither the pack nor that copy serves the file";
}

TEST_F(Check, ATreeThatHoldsWhatItsNameDoesNotSayIsFound) {
  const SnapshotId good = commit(*repository_, random_files(1, 1));
  const auto list = repository_->snapshots();
  const auto tree = subtree_of(list->snapshots.front().snapshot->root);
  const Bytes held = repository_->reader().get(ChunkKind::tree, *tree);
  const Bytes claimed = testing::random_bytes(5, 100);
  Session session{*repository_, session_options("odd")};
  Bytes sealed;
  BlockEntry block = testing::poisoned_block(*repository_, claimed, held, sealed, ChunkKind::tree);
  session.adopt_block(std::move(block), sealed);
  Entry root = testing::plain_root();
  root.set_subtree(repository_->keyring().chunk_id(ChunkKind::tree, claimed).raw());
  const SnapshotId odd = session.commit(testing::draft_of(root)).snapshot->id;
  const auto found = errors(check(*repository_));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].snapshots, ElementsAre(odd));
  EXPECT_NE(good, odd);
}

TEST_F(Check, AFalseClaimAboutAnothersPackHurtsNobody) {
  test.add_ingest_slot("host");
  const auto ingest = open_ingest();
  commit(*ingest, random_files(1, 2));
  // Another ingest key says of the same pack that its blocks hold other chunks.
  ingest->index().for_each_pack(true, [&](const IndexedPack& pack) {
    if (pack.description.kind != PackKind::data) return;
    IndexRecord lie;
    lie.packs.push_back(pack.description);
    lie.packs[0].blocks[0].tag[0] ^= std::byte{1};
    ingest->publish_record(std::move(lie));
  });
  repository_->refresh();
  const CheckResult result = check(*repository_, CheckLevel::data);
  EXPECT_THAT(errors(result), IsEmpty());
  EXPECT_THAT(of(result, Severity::warning), SizeIs(1));
}

TEST_F(Check, WorksOnAStoreThatTakesNothing) {
  test.add_ingest_slot("host");
  commit(*open_ingest(), random_files(1, 3));
  const auto reader = open("reader");
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::write,
                       .times = 100,
                       .code = ErrorCode::read_only});
  const CheckResult result = check(*reader, CheckLevel::data);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.vouched_blocks, 0U);
  EXPECT_FALSE(result.vouch_failure.empty());
}

TEST_F(Check, AStoreThatIsAwayIsNoFinding) {
  commit(*repository_, random_files(1, 3));
  const auto reader = open("reader");
  for (const testing::Call call : {testing::Call::read, testing::Call::list}) {
    test.faulty().clear();
    test.faulty().order({.fault = testing::Fault::fail, .call = call, .nth = 2, .times = 100});
    EXPECT_EQ(error_of([&] { return check(*reader, CheckLevel::data); }), "unavailable");
  }
}

TEST_F(Check, ASectorThatCannotBeReadIsADamagedBlock) {
  commit(*repository_, random_files(1, 5));
  const auto reader = open("reader");
  // The first read of a pack takes several blocks at once; one of the single ones fails again.
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::read,
                       .code = ErrorCode::io,
                       .type = ObjectType::pack});
  const auto once = errors(check(*reader, CheckLevel::data));
  ASSERT_THAT(once, SizeIs(1));
  EXPECT_EQ(once[0].affected_count, 0U) << "read block by block all is there";
}

/// A store that reads what it has by itself, and says whatever the test wants.
class ReadingStore final : public backends::ForwardingBackend, private backends::StoreServices {
 public:
  using ForwardingBackend::ForwardingBackend;
  backends::StoreServices* services() noexcept override { return this; }

  backends::StoreHealth told;
  int parts_of_a_pass = 3;
  int readings = 0;

 private:
  std::optional<backends::StoreHealth> health() override { return told; }
  std::optional<backends::StoreReading> read_again(std::uint64_t /*max_bytes*/) override {
    ++readings;
    return backends::StoreReading{
        .objects = 2, .bytes = 100, .is_pass_complete = readings % parts_of_a_pass == 0};
  }
};

class CheckOfAReadingStore : public Check {
 protected:
  CheckResult check_store(bool store_reads = false) {
    OpenOptions options;
    options.directories = {.cache = test.directory() + "/reader/cache",
                           .state = test.directory() + "/reader/state"};
    options.host = "host";
    options.clock = &clock;
    const auto repository =
        Repository::open(reading_, TestRepository::full_key(), std::move(options));
    CheckOptions wanted;
    wanted.store_reads = store_reads;
    wanted.threads = 2;
    return run_check(*repository, wanted, [](const CheckProgress&) {});
  }
  void set_up() {
    commit(*repository_, random_files(1, 5));
    reading_ = std::make_shared<ReadingStore>(
        std::make_unique<testing::MemoryBackend>(test.shared_store()));
  }

  std::shared_ptr<ReadingStore> reading_;
};

TEST_F(CheckOfAReadingStore, WhatTheStoreSaysIsDamagedIsReadAndNamed) {
  set_up();
  const auto victim = largest(store());
  flip(store(), victim, 300'000);
  EXPECT_THAT(errors(check_store()), IsEmpty()) << "nobody knows";
  reading_->told.damaged = {{victim, "its SHA-256 is not its name"}};
  const auto found = errors(check_store());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, FindingKind::pack_damaged);
  EXPECT_THAT(paths(found[0]), ElementsAre("file2"));
}

TEST_F(CheckOfAReadingStore, WhatItSaysFalselyIsNotBelieved) {
  set_up();
  reading_->told.damaged = {{largest(store()), "a lie"},
                            {{ObjectType::pack, ObjectId{}}, "of a pack that is not there"}};
  const CheckResult result = check_store();
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.read_packs, 1U);
}

TEST_F(CheckOfAReadingStore, ReadsWholePasses) {
  set_up();
  const CheckResult result = check_store(true);
  EXPECT_EQ(reading_->readings, 3);
  EXPECT_EQ(result.store_read_objects, 6U);
  EXPECT_EQ(result.store_read_bytes, 300U);
  // Of one that had begun, nobody knows what it had read: a whole one follows.
  reading_->told.is_at_beginning = false;
  check_store(true);
  EXPECT_EQ(reading_->readings, 9);
}

TEST_F(Check, AStoreThatDoesNotReadIsNotAskedInVain) {
  commit(*repository_, random_files(1, 3));
  CheckOptions options;
  options.store_reads = true;
  EXPECT_EQ(error_of([&] { run_check(*repository_, options, [](const CheckProgress&) {}); }),
            "unsupported");
}

TEST_F(Check, SnapshotsForForeignHostsAndOfRevokedAuthorsAreTold) {
  test.add_ingest_slot("host");
  const auto ingest = open_ingest();
  commit(*ingest, random_files(1, 1));
  Snapshot foreign;
  foreign.host = "elsewhere";
  foreign.source = "home";
  foreign.time = clock.now();
  foreign.root = testing::plain_root();
  const auto key = ingest->keyring().make_data_key(crypto::system_random());
  testing::MemoryBackend backend{test.shared_store()};
  const auto name = backends::write_object(
      backend, ObjectType::snapshot,
      seal_snapshot(foreign, ingest->keyring(), *key, ingest->cipher(), crypto::system_random()));
  backend.barrier();
  {
    const CheckResult result = check(*repository_);
    ASSERT_THAT(result.findings, SizeIs(1));
    EXPECT_EQ(result.findings[0].kind, FindingKind::snapshot_foreign);
    EXPECT_EQ(result.findings[0].severity, Severity::warning);
    EXPECT_EQ(result.findings[0].object, name.path());
  }
  IndexRecord record;
  record.facts.revocations.push_back(
      sign_revocation(ingest->keyring().certificate().author, {}, repository_->keyring()));
  repository_->publish_record(std::move(record));
  std::multiset<FindingKind> kinds;
  for (const Finding& finding : check(*repository_).findings) kinds.insert(finding.kind);
  EXPECT_EQ(kinds.count(FindingKind::snapshot_revoked), 2U);
  EXPECT_EQ(kinds.count(FindingKind::snapshot_foreign), 0U);
}

TEST_F(Check, CanBeStopped) {
  commit(*repository_, random_files(1, 3));
  std::stop_source stop;
  stop.request_stop();
  CheckOptions options;
  options.level = CheckLevel::data;
  options.stop = stop.get_token();
  EXPECT_EQ(error_of([&] { return run_check(*repository_, options, [](const CheckProgress&) {}); }),
            "interrupted");
}

TEST_F(Check, AnIngestKeyIsRefused) {
  test.add_ingest_slot("host");
  EXPECT_EQ(error_of([&] { return check(*open_ingest()); }), "denied");
}

}  // namespace
}  // namespace vgerfs::repo
