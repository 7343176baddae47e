#include "repo/repository.h"

#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "repository_fixture.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::plain_root;
using testing::random_bytes;
using testing::TestRepository;
using vgerfs::testing::code_of;

ListedSnapshot commit(Repository& repository, std::uint64_t seed,
                      const std::string& source = "home") {
  SessionOptions options;
  options.host = "host";
  options.source = source;
  options.checkpoint_interval_s = 0;
  Session session{repository, options};
  session.put(ChunkKind::data, random_bytes(seed, 100'000));
  return session.commit({.root = plain_root(),
                         .paths = {},
                         .parent = {},
                         .tags = {},
                         .statistics = {},
                         .trigger = "test"});
}

TEST(Repository, RefusesToInitialiseTwice) {
  TestRepository test;
  testing::MemoryBackend backend{std::make_shared<testing::MemoryStore>()};
  const auto init = [&] {
    Repository::init(backend, TestRepository::full_key(), {}, crypto::system_random(),
                     system_clock());
  };
  init();
  EXPECT_EQ(code_of(init), ErrorCode::exists);
}

TEST(Repository, SaysWhetherItIsAbsentOrTheKeyIsWrong) {
  TestRepository test;
  EXPECT_EQ(code_of([&] { test.open(TestRepository::ingest_key(), "client"); }),
            ErrorCode::wrong_key);
  TestRepository empty{[] {
    auto store = std::make_shared<testing::MemoryStore>();
    store->put(format::object_name(ObjectType::lock, LeaseId{}),
               {std::make_shared<const Bytes>(1), {}});
    return store;
  }()};
  EXPECT_EQ(code_of([&] { empty.open(TestRepository::full_key(), "client"); }),
            ErrorCode::no_repository);
}

TEST(Repository, RefusesAConfigThatTheRootDidNotSign) {
  TestRepository test;
  auto object = test.store().find(format::config_name());
  Bytes bytes = *object->bytes;
  bytes[bytes.size() - 70] ^= std::byte{1};
  test.store().overwrite(format::config_name(), bytes);
  EXPECT_EQ(code_of([&] { test.open(TestRepository::full_key(), "client"); }), ErrorCode::corrupt);
}

TEST(Repository, SeesSnapshotsOfOthersAfterARefresh) {
  TestRepository test;
  const auto reader = test.open(TestRepository::full_key(), "reader");
  const auto writer = test.open(TestRepository::full_key(), "writer");
  EXPECT_TRUE(reader->snapshots()->snapshots.empty());
  commit(*writer, 1);
  reader->refresh();
  ASSERT_EQ(reader->snapshots()->snapshots.size(), 1U);
}

TEST(Repository, SnapshotsOfOneSecondGetNumbersAndTheNewestIsLatest) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  std::vector<ListedSnapshot> made;
  for (std::uint64_t i = 0; i < 5; ++i) made.push_back(commit(*repository, i));
  repository->refresh();
  const auto list = repository->snapshots();
  std::set<std::string> names;
  for (const ListedSnapshot& each : list->snapshots) names.insert(each.time_name);
  EXPECT_EQ(names.size(), made.size());
  EXPECT_EQ(latest_of(*list, "host", "home")->snapshot->id, made.back().snapshot->id);
}

TEST(Repository, ARemovedSnapshotIsNoLongerListed) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  const ListedSnapshot made = commit(*repository, 1);
  IndexRecord removal;
  removal.facts.removals.push_back({made.snapshot->id, 0});
  repository->publish_record(removal);
  repository->refresh();
  EXPECT_TRUE(repository->snapshots()->snapshots.empty());
}

TEST(Repository, YesterdaysCopyIsARollbackUntilAccepted) {
  TestRepository test;
  auto repository = test.open(TestRepository::full_key(), "client");
  commit(*repository, 1);
  const auto yesterday = test.store().copy();
  commit(*repository, 2);
  test.store().replace_all(yesterday);
  EXPECT_EQ(code_of([&] { repository->refresh(); }), ErrorCode::rollback);
  repository.reset();
  EXPECT_EQ(code_of([&] { test.open(TestRepository::full_key(), "client"); }), ErrorCode::rollback);
  test.open(TestRepository::full_key(), "other client has not seen more");
  const auto accepted = test.open(TestRepository::full_key(), "client", true);
  EXPECT_EQ(accepted->snapshots()->snapshots.size(), 1U);
  EXPECT_FALSE(accepted->index().knows(
      accepted->keyring().chunk_id(ChunkKind::data, random_bytes(2, 100'000)),
      accepted->keyring().certificate().author, DedupPolicy::all))
      << "nothing may be deduplicated against packs that are gone";
  EXPECT_NO_THROW(test.open(TestRepository::full_key(), "client"));
}

TEST(Repository, ANewClientSeesTheHoleThatALostRecordLeaves) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  commit(*repository, 1);
  const auto first_record = test.store().names(ObjectType::index).front();
  commit(*repository, 2);
  test.store().erase(first_record);
  EXPECT_EQ(code_of([&] { test.open(TestRepository::full_key(), "new client"); }),
            ErrorCode::rollback);
}

/// A store whose listings do not show snapshots yet.
class LaggingBackend final : public backends::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  void list(ObjectType type,
            const std::function<void(const backends::ObjectInfo&)>& each) override {
    if (type != ObjectType::snapshot) ForwardingBackend::list(type, each);
  }
};

TEST(Repository, AListingThatLagsIsNoRollback) {
  TestRepository test;
  commit(*test.open(TestRepository::full_key(), "client"), 1);
  testing::MemoryBackend memory{test.shared_store()};
  OpenOptions options;
  options.directories = {.cache = test.directory() + "/client/cache",
                         .state = test.directory() + "/client/state"};
  EXPECT_NO_THROW(Repository::open(std::make_shared<LaggingBackend>(memory),
                                   TestRepository::full_key(), options));
  test.store().erase(test.store().names(ObjectType::snapshot).front());
  EXPECT_EQ(code_of([&] {
              Repository::open(std::make_shared<LaggingBackend>(memory), TestRepository::full_key(),
                               options);
            }),
            ErrorCode::rollback);
}

TEST(Repository, ADamagedSnapshotIsNamedAndTheOthersGoOn) {
  TestRepository test;
  {
    const auto repository = test.open(TestRepository::full_key(), "client");
    commit(*repository, 1);
    commit(*repository, 2);
  }
  const auto victim = test.store().names(ObjectType::snapshot).front();
  Bytes bytes = *test.store().find(victim)->bytes;
  bytes[bytes.size() / 2] ^= std::byte{4};
  test.store().overwrite(victim, bytes);
  const auto repository = test.open(TestRepository::full_key(), "other");
  EXPECT_EQ(repository->snapshots()->snapshots.size(), 1U);
  ASSERT_EQ(repository->snapshots()->unreadable.size(), 1U);
  EXPECT_EQ(repository->snapshots()->unreadable[0].id.bytes(), victim.id.bytes());
}

TEST(Repository, AFlippedPackIsNamedAndOnlyItsChunksFail) {
  TestRepository test;
  const Bytes good = random_bytes(21, 150'000);
  const Bytes bad = random_bytes(22, 150'000);
  ChunkId good_id;
  ChunkId bad_id;
  {
    const auto repository = test.open(TestRepository::full_key(), "client");
    SessionOptions options;
    options.host = "host";
    options.source = "home";
    Session session{*repository, options};
    bad_id = session.put(ChunkKind::data, bad);
    session.checkpoint();
  }
  const auto victim = test.store().names(ObjectType::pack).front();
  {
    const auto repository = test.open(TestRepository::full_key(), "client");
    SessionOptions options;
    options.host = "host";
    options.source = "home";
    Session session{*repository, options};
    good_id = session.put(ChunkKind::data, good);
    session.checkpoint();
  }
  Bytes bytes = *test.store().find(victim)->bytes;
  bytes[bytes.size() / 2] ^= std::byte{4};
  test.store().overwrite(victim, bytes);
  const auto repository = test.open(TestRepository::full_key(), "client");
  EXPECT_EQ(repository->reader().get(ChunkKind::data, good_id), good);
  try {
    repository->reader().get(ChunkKind::data, bad_id);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(error.message().find(victim.path()), std::string::npos) << error.message();
  }
  test.store().erase(victim);
  repository->reader().clear();
  EXPECT_EQ(code_of([&] { repository->reader().get(ChunkKind::data, bad_id); }),
            ErrorCode::corrupt);
}

TEST(SnapshotNames, ResolveAsTheMountWritesThem) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  const ListedSnapshot home = commit(*repository, 1, "home");
  const ListedSnapshot etc = commit(*repository, 2, "etc");
  const auto list = repository->snapshots();
  const auto id = [&](std::string_view text) {
    return resolve_snapshot(*list, text, "host").snapshot.snapshot->id;
  };
  EXPECT_EQ(id("latest"), etc.snapshot->id);
  EXPECT_EQ(id("latest:home"), home.snapshot->id);
  EXPECT_EQ(id("latest:host/home"), home.snapshot->id);
  EXPECT_EQ(id(home.snapshot->id.hex()), home.snapshot->id);
  EXPECT_EQ(id(home.snapshot->id.hex().substr(0, 10)), home.snapshot->id);
  EXPECT_EQ(resolve_snapshot(*list, "latest:home:docs/a", "host").path, "docs/a");
  EXPECT_EQ(resolve_snapshot(*list, "latest::docs/a", "host").path, "docs/a");
  EXPECT_EQ(resolve_snapshot(*list, home.snapshot->id.hex() + ":/docs", "host").path, "docs");
  EXPECT_EQ(code_of([&] { id("latest:nothing"); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { id("nothing"); }), ErrorCode::not_found);
}

}  // namespace
}  // namespace vgerfs::repo
