// What somebody can do who holds a key, or who runs the store. Nobody's data is lost, nothing is
// written outside a restore's target, no memory is taken because somebody says so.
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "damage.h"
#include "forge.h"
#include "format/index.pb.h"
#include "format/snapshot.pb.h"
#include "maintenance_world.h"
#include "repo/limits.h"
#include "repo/maintenance/annotation.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/prune.h"
#include "repo/maintenance/revocation.h"
#include "repo/maintenance/salvage.h"
#include "repo/maintenance/usage.h"
#include "repo/restore.h"

namespace vgerfs::repo {
namespace {

namespace fs = std::filesystem;
namespace proto = format::proto;
using format::ObjectType;
using testing::error_of;
using testing::Files;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::TestRepository;

constexpr auto kLongOverGrace = std::chrono::hours{80};

class Malice : public ::testing::Test, public MaintenanceWorld {
 protected:
  void SetUp() override {
    test.add_ingest_slot("host");
    repository_ = open("client");
  }
  std::unique_ptr<Repository> open_thief() {
    return test.open(TestRepository::ingest_key(), "web");
  }

  CompactResult compact_now() {
    CompactOptions options;
    options.threads = 1;
    return compact(*repository_, options, false, {}, {});
  }
  /// After more than the grace time.
  CompactResult compact_later() {
    clock.advance(kLongOverGrace);
    return compact_now();
  }
  /// Three times: what is to be deleted is deleted.
  void compact_all() {
    for (int round = 0; round < 3; ++round) compact_later();
  }

  /// A snapshot by the thief, whose blocks claim to be what is in these files.
  void poison(const Files& files, const std::string& source) {
    const auto thief = open_thief();
    Session session{*thief, session_options(source)};
    for (const auto& [name, bytes] : files) {
      Bytes sealed;
      BlockEntry block =
          testing::poisoned_block(*thief, bytes, testing::random_bytes(77, bytes.size()), sealed);
      session.adopt_block(std::move(block), sealed);
    }
    session.commit(testing::draft_of(testing::plain_root()));
  }

  /// A snapshot by the thief whose root directory has this id, whatever that is.
  SnapshotId commit_root(Session& session, const ChunkId& id) {
    Entry root = testing::plain_root();
    root.set_subtree(id.raw());
    return session.commit(testing::draft_of(root)).snapshot->id;
  }
  /// An object that nobody checked before it got into the store.
  format::ObjectName put(ObjectType type, ByteView stored) {
    const auto name = backends::write_object(repository_->backend(), type, stored);
    repository_->backend().barrier();
    return name;
  }
  /// Compacts once; as an error's name.
  std::string_view maintain() {
    return error_of([&] { compact_now(); });
  }
  /// What was committed and not removed restores, to a client that knows nothing.
  void expect_all_restore(const std::string& client) {
    const auto reader = open(client);
    std::size_t found = 0;
    for (const auto list = reader->snapshots(); const auto& listed : list->snapshots) {
      const auto files = expected.find(listed.snapshot->id);
      if (files == expected.end()) continue;
      EXPECT_EQ(testing::read_files(*reader, *listed.snapshot), files->second);
      ++found;
    }
    EXPECT_EQ(found, expected.size());
  }
  const Snapshot& of_source(Repository& repository, const std::string& source) {
    for (const auto list = repository.snapshots(); const auto& listed : list->snapshots) {
      if (listed.snapshot->source == source) return *listed.snapshot;
    }
    throw Error{ErrorCode::not_found, "no snapshot of " + source};
  }
  /// What is there by now.
  RestoreResult restore_source(const std::string& source, const std::string& target) {
    repository_->refresh();
    NoProgress progress;
    return run_restore(repository_->reader(), of_source(*repository_, source).root,
                       {.target = target}, progress);
  }

  std::unique_ptr<Repository> repository_;
};

Entry file_of(const std::string& name, const std::string& text, ChunkSink& sink) {
  Entry entry;
  entry.set_name(name);
  entry.set_type(proto::ENTRY_FILE);
  entry.set_mode(0644);
  ExtentListBuilder extents{sink};
  extents.add({.bytes = text.size(),
               .chunk = sink.put(ChunkKind::data, bytes_of(text)),
               .chunk_offset = 0});
  extents.finish(entry);
  return entry;
}

TEST_F(Malice, NamesOfATreeLeadNowhereOutsideTheTarget) {
  const testing::TemporaryDirectory outside;
  const std::vector<std::vector<std::string>> trees = {{"../escaped"},
                                                       {".."},
                                                       {"."},
                                                       {"sub/escaped"},
                                                       {outside / "escaped"},
                                                       {"same", "same"},
                                                       {"z", "a"},
                                                       {""},
                                                       {std::string("nul\0byte", 8)}};
  const auto thief = open_thief();
  int number = 0;
  for (const auto& names : trees) {
    const std::string source = "evil" + std::to_string(number++);
    {
      Session session{*thief, session_options(source)};
      proto::TreeNode node;
      for (const auto& name : names) *node.add_entries() = file_of(name, "evil", session);
      commit_root(session, session.put(ChunkKind::tree, encode_message(node)));
    }
    const fs::path target = fs::path{outside.path()} / ("target" + source);
    const RestoreResult result = restore_source(source, target);
    EXPECT_GT(result.failures.count, 0U) << names.front();
    EXPECT_TRUE(fs::is_empty(target)) << names.front();
    fs::remove_all(target);
    EXPECT_TRUE(fs::is_empty(outside.path())) << names.front();
  }
}

TEST_F(Malice, ALinkInATreeIsNotFollowedByTheEntriesBehindIt) {
  const testing::TemporaryDirectory outside;
  const testing::TemporaryDirectory targets;
  const auto thief = open_thief();
  {
    // A link and a directory of one name: only the order of a node's entries forbids it. And a
    // directory entry that has both.
    Session session{*thief, session_options("evil")};
    proto::TreeNode below;
    *below.add_entries() = file_of("escaped", "evil", session);
    const std::string subtree = session.put(ChunkKind::tree, encode_message(below)).raw();
    proto::TreeNode node;
    Entry& link = *node.add_entries();
    link.set_name("a");
    link.set_type(proto::ENTRY_SYMLINK);
    link.set_symlink_target(outside.path());
    link.set_subtree(subtree);
    commit_root(session, session.put(ChunkKind::tree, encode_message(node)));
  }
  const auto result = restore_source("evil", targets / "target");
  EXPECT_GT(result.failures.count, 0U);
  EXPECT_TRUE(fs::is_empty(outside.path()));
}

TEST_F(Malice, AFileOfAbsurdSizeCostsNoMoreThanItsNodes) {
  const auto thief = open_thief();
  const testing::TemporaryDirectory targets;
  {
    Session session{*thief, session_options("evil")};
    proto::TreeNode node;
    Entry hole = file_of("hole", "x", session);
    hole.clear_extents();
    hole.add_extents()->set_bytes(std::uint64_t{1} << 63U);
    hole.set_size(std::uint64_t{1} << 63U);
    *node.add_entries() = hole;
    commit_root(session, session.put(ChunkKind::tree, encode_message(node)));
  }
  const auto result = restore_source("evil", targets / "target");
  EXPECT_GT(result.failures.count, 0U);
  EXPECT_TRUE(fs::is_empty(targets / "target"));
}

// Directories and lists of extents that share what is below them: 2^60 files, of 10^18 extents
// each.
TEST_F(Malice, WhatClaimsMoreThanAnybodyCanVisitIsVisitedOnce) {
  const auto thief = open_thief();
  {
    Session session{*thief, session_options("evil")};
    format::proto::ExtentNode list;
    list.add_extents()->set_bytes(1);
    list.mutable_extents(0)->set_chunk(session.put(ChunkKind::data, bytes_of("x")).raw());
    std::uint64_t bytes = 1;
    for (std::uint32_t level = 1; level <= kMaxExtentLevel; ++level) {
      const ChunkId below = session.put(ChunkKind::extents, encode_message(list));
      list.Clear();
      list.set_level(level);
      for (int i = 0; i < 180; ++i) {
        list.add_children()->set_node(below.raw());
        list.mutable_children(i)->set_bytes(bytes);
      }
      bytes *= 180;
    }
    proto::TreeNode node;
    Entry& file = *node.add_entries();
    file.set_name("file");
    file.set_type(proto::ENTRY_FILE);
    file.set_size(bytes);
    file.set_extents_root(session.put(ChunkKind::extents, encode_message(list)).raw());
    for (int level = 0; level < 60; ++level) {
      const ChunkId below = session.put(ChunkKind::tree, encode_message(node));
      node.Clear();
      for (const char* name : {"a", "b"}) {
        Entry& directory = *node.add_entries();
        directory.set_name(name);
        directory.set_type(proto::ENTRY_DIRECTORY);
        directory.set_subtree(below.raw());
      }
    }
    commit_root(session, session.put(ChunkKind::tree, encode_message(node)));
  }
  repository_->refresh();
  CheckOptions options;
  options.threads = 1;
  const auto checked = run_check(*repository_, options, [](const CheckProgress&) {});
  EXPECT_FALSE(checked.has_errors());
  EXPECT_EQ(checked.files, 1U);
  const auto usage = measure_usage(*repository_, *repository_->snapshots(), {}, [](auto) {});
  EXPECT_EQ(usage.exclusive.front().chunks, 1 + (kMaxExtentLevel + 1) + 61);
  clock.advance(kLongOverGrace);
  EXPECT_EQ(maintain(), "none");
}

TEST_F(Malice, ABombGivesNoMoreThanItsDirectorySays) {
  const SnapshotId id = commit(*repository_, random_files(1, 2));
  const auto thief = open_thief();
  {
    Session session{*thief, session_options("evil")};
    const auto data_key = thief->keyring().make_data_key(crypto::system_random());
    BlockEntry block;
    block.chunk_kind = ChunkKind::tree;
    block.chunks = {{ChunkId{}, 4096}};
    const Bytes sealed = forge_block(
        directory_of(block.chunks), frame_of(Bytes(std::size_t{64} << 20U)), Codec::zstd,
        block.chunk_kind, thief->keyring(), *data_key, crypto::system_random());
    block.stored_bytes = static_cast<std::uint32_t>(sealed.size());
    std::copy(sealed.end() - sizeof(block.tag), sealed.end(), block.tag.begin());
    session.adopt_block(std::move(block), sealed);
    commit_root(session, ChunkId{});
  }
  repository_->refresh();
  EXPECT_EQ(error_of([&] { testing::read_files(*repository_, of_source(*repository_, "evil")); }),
            "corrupt");
  EXPECT_EQ(testing::read_files(*repository_, of_source(*repository_, "home")), expected.at(id));
}

// Whatever makes it unreadable. Deleting the snapshot, which is named, lets maintenance go on.
TEST_F(Malice, AnUnreadableSnapshotStopsMaintenanceOnlyUntilItIsRemoved) {
  commit(*repository_, random_files(1, 2));
  remove(*repository_, commit(*repository_, random_files(10, 2), "etc"));
  auto thief = open_thief();
  const auto with_root = [&](const std::function<ChunkId(Session&)>& make) {
    Session session{*thief, session_options("evil")};
    return commit_root(session, make(session));
  };
  const auto with_block = [&](const std::function<void(Bytes & sealed)>& spoil) {
    return with_root([&](Session& session) {
      const Bytes claimed = testing::random_bytes(9, 64);
      Bytes sealed;
      BlockEntry block = testing::poisoned_block(*thief, claimed, testing::random_bytes(8, 64),
                                                 sealed, ChunkKind::tree);
      spoil(sealed);
      session.adopt_block(std::move(block), sealed);
      return thief->keyring().chunk_id(ChunkKind::tree, claimed);
    });
  };
  const auto id_of = [](const format::ObjectName& name) { return SnapshotId{name.id.bytes()}; };
  const auto data_key = thief->keyring().make_data_key(crypto::system_random());
  proto::Snapshot nothing;
  *nothing.mutable_author() = thief->keyring().signed_certificate();
  const std::map<std::string, std::function<SnapshotId()>> kinds = {
      {"a tree that is nowhere", [&] { return with_root([](auto&) { return ChunkId{}; }); }},
      {"a tree of other content", [&] { return with_block([](Bytes&) {}); }},
      {"a tree of a newer format",
       [&] { return with_block([](Bytes& sealed) { sealed[4] = std::byte{2}; }); }},
      {"a tree whose key is another's",
       [&] { return with_block([](Bytes& sealed) { sealed[100] ^= std::byte{1}; }); }},
      {"a signed manifest without content",
       [&] {
         return id_of(put(ObjectType::snapshot, forge(EnvelopeKind::snapshot, nothing,
                                                      thief->keyring(), data_key.get())));
       }},
      {"noise", [&] { return id_of(put(ObjectType::snapshot, testing::random_bytes(3, 500))); }},
  };
  const auto objects = test.store().copy();
  for (const auto& [what, make] : kinds) {
    SCOPED_TRACE(what);
    test.store().replace_all(objects);
    thief = test.open(TestRepository::ingest_key(), "thief with " + what);
    const SnapshotId bad = make();
    clock.advance(kLongOverGrace);
    repository_ = open("maintainer with " + what);
    const auto before = count(ObjectType::pack);
    try {
      compact(*repository_, {}, false, {}, {});
      ADD_FAILURE() << "it went on";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(bad.hex()));
      EXPECT_THAT(error.hint(), ::testing::HasSubstr("delete"));
    }
    EXPECT_EQ(count(ObjectType::pack), before);
    remove(*repository_, bad);
    compact_all();
    EXPECT_LT(count(ObjectType::pack), before);
    expect_all_restore("reader with " + what);
  }
}

// Signed, and still no record that anybody could read.
TEST_F(Malice, ARecordThatBreaksTheFormatStopsNobody) {
  commit(*repository_, random_files(1, 2));
  remove(*repository_, commit(*repository_, random_files(10, 2), "etc"));
  const auto thief = open_thief();
  const std::function<void(proto::IndexRecord&)> ways[] = {
      [](auto& m) { m.set_domain(2); },
      [](auto& m) { m.mutable_features()->add_read(1); },
      [](auto& m) { m.set_time_ns(1'000'000'000); },
      [](auto& m) { m.set_session("short"); },
      [](auto& m) { m.add_after_records("short"); },
      [](auto& m) { m.add_additions()->add_packs()->set_pack_kind(9); },
      [](auto& m) { m.add_revocations()->set_author(std::string(32, 'a')); },
  };
  for (const auto& spoil : ways) {
    proto::IndexRecord message;
    *message.mutable_author() = thief->keyring().signed_certificate();
    message.set_session(std::string(16, 's'));
    message.set_domain(1);
    spoil(message);
    put(ObjectType::index, forge(EnvelopeKind::index_record, message, thief->keyring()));
  }
  repository_ = open("maintainer");
  EXPECT_GE(repository_->warnings().size(), std::size(ways));
  const auto before = count(ObjectType::pack);
  compact_all();
  EXPECT_LT(count(ObjectType::pack), before);
  expect_all_restore("reader");
}

// Nobody knows who wrote what this version cannot look into.
TEST_F(Malice, AnObjectOfANewerFormatLocksNobodyOut) {
  commit(*repository_, random_files(1, 2));
  Bytes envelope = testing::random_bytes(1, 500);
  const ByteView begin = bytes_of("VGfs\2");
  std::copy(begin.begin(), begin.end(), envelope.begin());
  for (const ObjectType type : {ObjectType::index, ObjectType::snapshot, ObjectType::lock}) {
    put(type, envelope);
  }
  Bytes slot = *test.store().find(test.store().names(ObjectType::key).front())->bytes;
  slot[8] = std::byte{2};
  put(ObjectType::key, slot);
  expect_all_restore("reader");
  commit(*open("writer"), random_files(20, 2));
  expect_all_restore("reader");
  clock.advance(kLongOverGrace);
  repository_ = open("maintainer");
  EXPECT_EQ(maintain(), "corrupt") << "a newer maintainer may have said something";
}

TEST_F(Malice, ADirectoryThatContainsItselfIsNotWalkedForEver) {
  // Its id would have to be its own hash: only a store and a key together could try, by a block
  // that claims the id. Readers hash what an ingest author sealed.
  const auto thief = open_thief();
  const Bytes claimed = testing::random_bytes(9, 64);
  const ChunkId id = thief->keyring().chunk_id(ChunkKind::tree, claimed);
  proto::TreeNode node;
  Entry& self = *node.add_entries();
  self.set_name("again");
  self.set_type(proto::ENTRY_DIRECTORY);
  self.set_mode(0755);
  self.set_subtree(id.raw());
  {
    Session session{*thief, session_options("evil")};
    Bytes sealed;
    BlockEntry block =
        testing::poisoned_block(*thief, claimed, encode_message(node), sealed, ChunkKind::tree);
    session.adopt_block(std::move(block), sealed);
    commit_root(session, id);
  }
  repository_->refresh();
  EXPECT_EQ(error_of([&] { testing::read_files(*repository_, of_source(*repository_, "evil")); }),
            "corrupt");
}

TEST_F(Malice, APoisonedDuplicateTakesNothingFromTheGoodOneWhateverCompactDoes) {
  const Files files = random_files(1, 3);
  poison(files, "before");
  const SnapshotId id = commit(*repository_, files);
  poison(files, "after");
  repository_->refresh();
  const SnapshotId wasteful = commit(*repository_, random_files(50, 5), "etc");
  remove(*repository_, wasteful);  // so that something is moved
  for (int i = 0; i < 16; ++i) set_properties(*repository_, {{id, Tags{{fmt::format("{}", i)}}}});
  std::uint64_t merged = 0;
  std::size_t untrusted = 0;
  for (int round = 0; round < 3; ++round) {
    merged += compact_later().merged_records;
    const auto reader = open(fmt::format("reader{}", round));
    for (const auto& [name, bytes] : files) {
      for (const ChunkPlace& place :
           reader->index().find(reader->keyring().chunk_id(ChunkKind::data, bytes))) {
        EXPECT_TRUE(!place.trusted || is_intact(*reader, place.pack, *place.block));
        if (merged != 0 && !place.trusted) ++untrusted;
      }
    }
    expect_all_restore(fmt::format("another{}", round));
  }
  EXPECT_GT(untrusted, 0U) << "the thief's records were not merged with others";
}

TEST_F(Malice, APoisonedDuplicateDoesNotStandForAPackThatComesIntoUseAgain) {
  const Files files = random_files(1, 3);
  const SnapshotId old = commit(*repository_, files);
  remove(*repository_, old);
  clock.advance(kLongOverGrace);
  const auto other = open("other");
  Session session{*other, session_options("etc")};
  const Entry root = testing::put_files(session, other->keyring(), files);
  ASSERT_EQ(maintain(), "none");
  ASSERT_EQ(repository_->index().facts().condemnations.size(), 2U) << "data and metadata";
  expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
  for (int i = 0; i < 8; ++i) poison(files, fmt::format("evil{}", i));
  compact_all();
  expect_all_restore("reader");
}

TEST_F(Malice, ContentThatIsNowhereButUnderAFalseNameIsNotGivenOut) {
  const auto thief = open_thief();
  const Bytes claimed = testing::random_bytes(1, 5000);
  {
    Session session{*thief, session_options("evil")};
    Bytes sealed;
    BlockEntry block =
        testing::poisoned_block(*thief, claimed, testing::random_bytes(2, claimed.size()), sealed);
    session.adopt_block(std::move(block), sealed);
    session.checkpoint();
  }
  repository_->refresh();
  const ChunkId id = thief->keyring().chunk_id(ChunkKind::data, claimed);
  EXPECT_EQ(error_of([&] { repository_->reader().get(ChunkKind::data, id); }), "corrupt");
  // The first who has it stores it himself.
  commit(*repository_, {{"file", claimed}});
  compact_all();
  expect_all_restore("reader");
}

TEST_F(Malice, WhatAnIngestKeySaysOfOthersDoesNotCount) {
  const SnapshotId id = commit(*repository_, random_files(1, 3));
  const auto thief = open_thief();
  proto::IndexRecord message;
  *message.mutable_author() = thief->keyring().signed_certificate();
  message.set_session(std::string(16, 's'));
  message.set_domain(1);
  message.set_time_s(clock.now().s);
  auto& removal = *message.add_removals();
  removal.set_snapshot_id(id.raw());
  removal.set_time_s(clock.now().s - 1'000'000);
  for (const auto& name : test.store().names(ObjectType::pack)) {
    const std::string pack{text_of(name.id.bytes())};
    message.add_buried(pack);
    auto& condemnation = *message.add_condemnations();
    condemnation.set_pack_id(pack);
    condemnation.set_time_s(1);
  }
  for (const auto& name : test.store().names(ObjectType::index)) {
    message.add_supersedes(std::string{text_of(name.id.bytes())});
  }
  backends::write_object(thief->backend(), ObjectType::index,
                         forge(EnvelopeKind::index_record, message, thief->keyring()));
  thief->backend().barrier();
  compact_all();
  verify("forged facts");
}

TEST_F(Malice, SnapshotsOfTheYear9999AndOfNoYearHideAndRemoveNothing) {
  const SnapshotId id = commit(*repository_, random_files(1, 2));
  const auto thief = open_thief();
  const std::int64_t times[] = {253'402'300'799,
                                253'402'300'800,
                                -1'000'000'000'000,
                                0,
                                std::numeric_limits<std::int64_t>::max(),
                                std::numeric_limits<std::int64_t>::min()};
  testing::FixedRandom random{8};
  std::size_t number = 0;
  for (const std::int64_t time_s : times) {
    const auto key = thief->keyring().make_data_key(random);
    Snapshot forged;
    forged.host = "host";
    forged.source = "evil" + std::to_string(number++);
    forged.time = {time_s, 0};
    forged.root = testing::plain_root();
    backends::write_object(
        thief->backend(), ObjectType::snapshot,
        seal_snapshot(forged, thief->keyring(), *key, crypto::Cipher::aes256gcm, random));
  }
  thief->backend().barrier();
  const auto reader = open("reader");
  const auto list = reader->snapshots();
  std::set<std::string> names;
  bool is_there = false;
  for (const auto& listed : list->snapshots) {
    names.insert(snapshot_time_name(listed.snapshot->time) + " " + listed.snapshot->source);
    is_there = is_there || listed.snapshot->id == id;
  }
  EXPECT_TRUE(is_there);
  EXPECT_EQ(names.size(), list->snapshots.size()) << "two look the same";
  EXPECT_EQ(list->snapshots.size() + list->unreadable.size(), 1 + std::size(times));
  compact_all();
  EXPECT_EQ(testing::read_files(*open("another"), of_source(*reader, "home")), expected.at(id));
}

TEST_F(Malice, AHiddenRevocationIsNoticedByANewClient) {
  const auto thief = open_thief();
  commit(*thief, random_files(1, 1), "web");
  repository_->refresh();
  std::set<format::ObjectName> before;
  for (const auto& name : test.store().names(ObjectType::index)) before.insert(name);
  revoke_author(*repository_, thief->keyring().certificate());
  format::ObjectName revocation;
  for (const auto& name : test.store().names(ObjectType::index)) {
    if (!before.contains(name)) revocation = name;
  }
  const auto kept = *test.store().find(revocation);
  test.store().erase(revocation);
  EXPECT_EQ(error_of([&] { open("client"); }), "rollback") << "who saw it";
  test.store().put(revocation, kept);
  commit(*repository_, random_files(5, 1));
  test.store().erase(revocation);
  EXPECT_EQ(error_of([&] { open("new client"); }), "rollback")
      << "whoever writes after it names it";
}

TEST_F(Malice, ASnapshotThatTheListingOmitsSurvivesTheRevocation) {
  const auto thief = open_thief();
  const SnapshotId id = commit(*thief, random_files(1, 1), "web");
  repository_ = open("client");
  test.faulty().hide(format::snapshot_name(id));
  revoke_author(*repository_, thief->keyring().certificate());
  const auto list = open("another")->snapshots();
  EXPECT_TRUE(list->revoked.empty());
  EXPECT_EQ(list->snapshots.size(), 1U);
}

/// A store that does not say what is in it.
class LyingBackend final : public backends::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

  std::optional<ObjectType> about;            // which objects it lies about
  std::optional<std::uint64_t> stored_bytes;  // how long it says they are
  std::optional<format::ObjectName> instead;  // what it gives for them
  bool endless = false;                       // gives bytes as long as one asks

  void read(const format::ObjectName& name, std::uint64_t offset, MutableBytes out) override {
    largest_read = std::max(largest_read, out.size());
    if (name.type != about) return ForwardingBackend::read(name, offset, out);
    if (endless) {
      std::fill(out.begin(), out.end(), std::byte{0x55});
    } else {
      ForwardingBackend::read(instead ? *instead : name, offset, out);
    }
  }
  std::optional<backends::ObjectInfo> stat(const format::ObjectName& name) override {
    auto info = ForwardingBackend::stat(name.type == about && instead ? *instead : name);
    if (info && name.type == about) {
      info->name = name;
      if (stored_bytes) info->stored_bytes = *stored_bytes;
    }
    return info;
  }
  void list(ObjectType type,
            const std::function<void(const backends::ObjectInfo&)>& each) override {
    ForwardingBackend::list(type, [&](backends::ObjectInfo info) {
      if (type == about && stored_bytes) info.stored_bytes = *stored_bytes;
      each(info);
    });
  }

  std::size_t largest_read = 0;
};

class LyingStore : public Malice {
 protected:
  void SetUp() override {
    Malice::SetUp();
    id_ = commit(*repository_, random_files(1, 2));
    commit(*repository_, random_files(10, 2), "etc");
  }
  /// What a new client ends with that opens the repository and reads all: "none" only if it read
  /// the right bytes.
  std::string_view read_all(LyingBackend& store) {
    OpenOptions options;
    const std::string directory = fmt::format("{}/liar{}", test.directory(), ++clients_);
    options.directories = {.cache = directory + "/cache", .state = directory + "/state"};
    options.clock = &clock;
    return error_of([&] {
      const auto client = Repository::open(std::shared_ptr<backends::Backend>{&store, [](auto*) {}},
                                           TestRepository::full_key(), options);
      const auto list = client->snapshots();
      if (!list->unreadable.empty()) throw Error{ErrorCode::corrupt, "a snapshot is unreadable"};
      for (const auto& listed : list->snapshots) {
        EXPECT_EQ(testing::read_files(*client, *listed.snapshot), expected.at(listed.snapshot->id));
      }
      if (list->snapshots.size() != expected.size()) throw Error{ErrorCode::rollback, "too few"};
    });
  }

  testing::MemoryBackend memory_{test.shared_store()};
  SnapshotId id_;
  int clients_ = 0;
};

constexpr ObjectType kAll[] = {ObjectType::config, ObjectType::key, ObjectType::pack,
                               ObjectType::index, ObjectType::snapshot};

TEST_F(LyingStore, ThatTellsTheTruthIsRead) {
  LyingBackend store{memory_};
  EXPECT_EQ(read_all(store), "none");
}

TEST_F(LyingStore, EndlessObjectsTakeNoMemoryAndAreRefused) {
  for (const ObjectType type : kAll) {
    for (const std::uint64_t bytes : {std::uint64_t{1} << 33U, std::uint64_t{1} << 63U,
                                      std::numeric_limits<std::uint64_t>::max()}) {
      LyingBackend store{memory_};
      store.about = type;
      store.stored_bytes = bytes;
      store.endless = true;
      EXPECT_NE(read_all(store), "none") << directory_name(type) << " " << bytes;
      EXPECT_LE(store.largest_read, std::size_t{64} << 20U) << directory_name(type);
    }
  }
}

TEST_F(LyingStore, AnotherObjectOfTheSameKindIsRefused) {
  for (const ObjectType type : kAll) {
    const auto names = test.store().names(type);
    for (const auto& instead : names) {
      if (names.size() < 2) break;
      LyingBackend store{memory_};
      store.about = type;
      store.instead = instead;
      // Of two key slots the right one may be the one that is given for both.
      if (type == ObjectType::key && read_all(store) == "none") continue;
      EXPECT_NE(read_all(store), "none") << directory_name(type);
    }
  }
}

TEST_F(LyingStore, MissingObjectsAreNotTakenForNone) {
  for (const ObjectType type : {ObjectType::config, ObjectType::pack, ObjectType::index}) {
    for (const auto& name : test.store().names(type)) {
      const auto kept = *test.store().find(name);
      test.store().erase(name);
      LyingBackend store{memory_};
      EXPECT_NE(read_all(store), "none") << name.path();
      test.store().put(name, kept);
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo
