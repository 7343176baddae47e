// Whatever is damaged, and however: no work crashes, gives out a wrong byte, or deletes what is
// good; and the verdict of a check names the object.
#include <filesystem>
#include <functional>
#include <ostream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup_run.h"
#include "base/sha256.h"
#include "damage.h"
#include "file_tree.h"
#include "maintenance_world.h"
#include "repo/content_reader.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/repair.h"
#include "repo/maintenance/undelete.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::ObjectName;
using format::ObjectType;
using testing::Files;
using testing::MaintenanceWorld;
using testing::MemoryStore;
using testing::random_files;
using testing::TestRepository;
using vgerfs::testing::kOverGrace;

constexpr std::size_t kOneChunkFile = 3000;

/// Which object is hurt.
enum class Victim { config, own_slot, other_slot, data_pack, tree_pack, record, snapshot, lease };
constexpr Victim kVictims[] = {Victim::config,    Victim::own_slot,  Victim::other_slot,
                               Victim::data_pack, Victim::tree_pack, Victim::record,
                               Victim::snapshot,  Victim::lease};

const char* name_of(Victim victim) {
  switch (victim) {
    case Victim::config: return "Config";
    case Victim::own_slot: return "TheSlotInUse";
    case Victim::other_slot: return "AnotherSlot";
    case Victim::data_pack: return "DataPack";
    case Victim::tree_pack: return "TreePack";
    case Victim::record: return "IndexRecord";
    case Victim::snapshot: return "Snapshot";
    case Victim::lease: return "Lease";
  }
  return "";
}
void PrintTo(Victim victim, std::ostream* out) { *out << name_of(victim); }

/// What a client knows of the repository before it is damaged: one that knew it has an index, and
/// remembers what it has seen.
enum class Client { new_one, one_that_knew };
void PrintTo(Client client, std::ostream* out) {
  *out << (client == Client::new_one ? "a new client" : "a client that knew it");
}
using Case = std::pair<Victim, Client>;

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Victim victim : kVictims) {
    cases.emplace_back(victim, Client::new_one);
    cases.emplace_back(victim, Client::one_that_knew);
  }
  return cases;
}
std::string name_of(const ::testing::TestParamInfo<Case>& tested) {
  const auto& [victim, client] = tested.param;
  return std::string{name_of(victim)} + (client == Client::new_one ? "" : "WhichTheClientKnew");
}

/// What happens to the store, and which object a verdict must name.
struct Damage {
  std::string what;
  std::function<void(MemoryStore&)> inflict;
  std::optional<ObjectName> named;  ///< none: it does not show, or does no harm
};

/// Where fields begin and end (docs/FORMAT.md), and the middle.
std::vector<std::size_t> boundaries(Victim victim, std::size_t size) {
  std::vector<std::size_t> at;
  const auto envelope = [&](std::size_t begin, std::initializer_list<std::size_t> fields) {
    for (const std::size_t field : fields) at.push_back(begin + field);
  };
  switch (victim) {
    case Victim::config: envelope(0, {0, 8, 10, 12, 15, 16, size - 64}); break;
    case Victim::own_slot:
    case Victim::other_slot:
      envelope(0, {0, 8, 10, 11, 12, 16, 20, 24, 28, 32, 48, 80, 112, 130, size - 64});
      break;
    case Victim::data_pack:
    case Victim::tree_pack:
      envelope(0, {0, 8, 10, 11, 16, 31});
      envelope(32, {0, 4, 5, 6, 7, 8, 12, 13, 16, 20, 24, 56, 88, 168, 204, 220});
      envelope(0, {size - 20, size - 16, size - 12, size - 8});
      break;
    case Victim::record:
    case Victim::lease:
      envelope(0, {0, 4, 5, 6, 7, 8, 12, 13, 16, 20, 24, 56, 88, size - 80, size - 64});
      break;
    case Victim::snapshot:
      envelope(0, {0, 4, 5, 6, 7, 8, 12, 13, 16, 20, 24, 56, 88, 168, size - 80, size - 64});
      break;
  }
  at.push_back(size / 2);
  at.push_back(size - 1);
  if (!testing::test_size_small()) return at;
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < at.size(); i += 9) some.push_back(at[i]);
  return some;
}

class CorruptionMatrix : public ::testing::TestWithParam<Case>, protected MaintenanceWorld {
 protected:
  static void SetUpTestSuite() { testing::keep_temporary_directories_in_memory(); }

  using Objects = std::map<ObjectName, MemoryStore::Object>;

  void SetUp() override {
    own_slot_ = test.store().names(ObjectType::key).front();
    test.add_ingest_slot("host");
    for (const ObjectName& name : test.store().names(ObjectType::key)) {
      if (name != own_slot_) other_slot_ = name;
    }
    const auto repository = open("maker");
    Files files = random_files(1, 3, kOneChunkFile);
    files["large"] = testing::random_bytes(77, 150'000);
    first_ = commit(*repository, files);
    record_ = test.store().names(ObjectType::index).front();
    const SnapshotId old = commit(*repository, random_files(50, 2, kOneChunkFile));
    files.erase("large");
    files["new"] = testing::random_bytes(78, kOneChunkFile);
    commit(*repository, files);
    {
      const auto client = test.open(TestRepository::ingest_key(), "web");
      commit(*client, random_files(60, 2, kOneChunkFile), "web");
    }
    put_lease();
    // Something is deleted, something is condemned, something is due.
    const SnapshotId older = commit(*repository, random_files(70, 2, kOneChunkFile));
    before_ = test.store().copy();
    remove(*repository, older);
    clock.advance(kOverGrace);
    compact(*repository);
    clock.advance(kOverGrace);
    compact(*repository);
    remove(*repository, old);
    clock.advance(kOverGrace);
    compact(*repository);
    clock.advance(kOverGrace);
    const auto records = test.store().names(ObjectType::index);
    last_ = commit(*repository, random_files(80, 1, kOneChunkFile));
    for (const ObjectName& name : test.store().names(ObjectType::index)) {
      if (std::find(records.begin(), records.end(), name) == records.end()) last_record_ = name;
    }
    put_lease();
    world_ = test.store().copy();
    begun_ = clock.now();
    promised_ = expected;
    find_victims(*repository);
    EXPECT_EQ(read_all(*open(kWitness)), count_files());
    compact(*open("undamaged"));
    for (const auto& [name, object] : world_) {
      if (!test.store().find(name)) deleted_anyway_.insert(name);
    }
    ASSERT_FALSE(deleted_anyway_.empty());
  }

  static CompactResult compact(Repository& repository) {
    CompactOptions options;
    options.threads = 1;
    return repo::compact(repository, options, false, {}, {});
  }

  /// A client's that died.
  void put_lease() {
    const auto client = open("dead");
    std::optional<Session> session{std::in_place, *client, session_options("dead")};
    const auto held = test.store().copy();
    session.reset();
    for (const auto& [name, object] : held) {
      if (name.type != ObjectType::lock) continue;
      test.store().put(name, object);
      lease_ = name;
    }
  }

  void find_victims(Repository& repository) {
    const auto pack_of = [&](const ChunkId& id) {
      return format::pack_name(repository.index().find(id).front().pack);
    };
    data_pack_ =
        pack_of(repository.keyring().chunk_id(ChunkKind::data, expected.at(first_).at("large")));
    repository.refresh();
    for (const auto list = repository.snapshots(); const auto& listed : list->snapshots) {
      if (listed.snapshot->id == first_) {
        tree_pack_ = pack_of(ChunkId::from_bytes(listed.snapshot->root.subtree()));
      }
    }
  }

  ObjectName victim() const {
    switch (GetParam().first) {
      case Victim::config: return format::config_name();
      case Victim::own_slot: return own_slot_;
      case Victim::other_slot: return other_slot_;
      case Victim::data_pack: return data_pack_;
      case Victim::tree_pack: return tree_pack_;
      case Victim::record: return record_;
      case Victim::snapshot: return format::snapshot_name(first_);
      case Victim::lease: return lease_;
    }
    return {};
  }

  enum class Flips { all, some };
  /// What a client knew makes no difference to which bit it was.
  std::vector<Damage> damages() const { return damages(knows() ? Flips::some : Flips::all); }
  std::vector<Damage> damages(Flips flips) const {
    const ObjectName name = victim();
    const Bytes bytes = *world_.at(name).bytes;
    std::vector<Damage> all;
    const auto replace = [&](std::string what, Bytes with) {
      all.push_back(
          {std::move(what),
           [name, with = std::move(with)](MemoryStore& store) { store.overwrite(name, with); },
           name});
    };
    std::size_t number = 0;
    for (const std::size_t at : boundaries(GetParam().first, bytes.size())) {
      if (flips == Flips::some && number++ % 5 != 2) continue;
      Bytes flipped = bytes;
      flipped.at(at) ^= std::byte{1};
      replace(fmt::format("bit flipped at {} of {}", at, bytes.size()), std::move(flipped));
    }
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{20}, bytes.size() / 2, bytes.size() - 1}) {
      replace(fmt::format("cut to {}", size),
              Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
    }
    Bytes longer = bytes;
    longer.resize(bytes.size() + 100);
    replace("zeros behind", std::move(longer));
    replace("all zeros", Bytes(bytes.size()));
    Bytes half = bytes;
    std::fill(half.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2), half.end(),
              std::byte{});
    replace("half zeros", std::move(half));
    for (const auto& [other, object] : world_) {
      if (other.type != name.type || other == name) continue;
      replace("another of its kind", *object.bytes);
      break;
    }
    for (const auto& [other, object] : before_) {
      if (other.type != name.type || world_.contains(other)) continue;
      replace("an older one in its place", *object.bytes);
      all.push_back(
          {"an older one came back",
           [other = other, object = object](MemoryStore& store) { store.put(other, object); },
           {}});
      break;
    }
    // That another slot or a dead lease is gone nobody can tell.
    const bool shows = GetParam().first != Victim::other_slot && GetParam().first != Victim::lease;
    all.push_back({"removed", [name](MemoryStore& store) { store.erase(name); },
                   shows ? std::optional{name} : std::nullopt});
    if (name.type != ObjectType::config) {
      Bytes junk = testing::random_bytes(99, 500);
      const ObjectName unknown{name.type, ObjectId{sha256(junk)}};
      all.push_back({"an unknown object",
                     [unknown, junk = std::make_shared<const Bytes>(std::move(junk)),
                      time = begun_](MemoryStore& store) {
                       store.put(unknown, {junk, time});
                     },
                     unknown});
    }
    return all;
  }

  void begin(const Damage& damage) {
    test.store().replace_all(world_);
    clock.set(begun_);
    expected = promised_;
    damage.inflict(test.store());
    damaged_ = test.store().copy();
    if (knows()) {
      client_ = fmt::format("client{}", ++clients_);
      std::filesystem::copy(test.directory() + "/" + kWitness, test.directory() + "/" + client_,
                            std::filesystem::copy_options::recursive);
    }
  }

  static bool knows() { return GetParam().second == Client::one_that_knew; }

  /// Runs `work` with a client that knew the repository before it was damaged, or with one that
  /// knows nothing. Returns the text of its error, if it fails.
  std::string attempt(const std::function<void(Repository&)>& work, bool accept_rollback) {
    if (!knows()) client_ = fmt::format("client{}", ++clients_);
    return attempt_by(client_, work, accept_rollback);
  }
  std::string attempt_by(const std::string& client, const std::function<void(Repository&)>& work,
                         bool accept_rollback) {
    try {
      work(*test.open(TestRepository::full_key(), client, accept_rollback));
    } catch (const Error& error) {
      return fmt::format("{}: {}", to_string(error.code()), error.what());
    }
    return {};
  }

  /// Calls `each` for every file of snapshots that are promised.
  static void for_each_file(Repository& repository, const std::map<SnapshotId, Files>& promised,
                            const std::function<void(const Snapshot&, const std::string&,
                                                     const Entry&, const Bytes&)>& each) {
    for (const auto list = repository.snapshots(); const auto& listed : list->snapshots) {
      const auto files = promised.find(listed.snapshot->id);
      if (files == promised.end()) continue;
      for (const auto& [name, bytes] : files->second) {
        std::optional<Entry> entry;
        try {
          entry = find_path(repository.reader(), listed.snapshot->root, name);
        } catch (const Error&) {
          continue;  // its tree cannot be read
        }
        ASSERT_TRUE(entry) << "a name is gone without an error";
        each(*listed.snapshot, name, *entry, bytes);
      }
    }
  }

  /// As the mount and dump read: all that can be read is right. How many files can.
  std::uint64_t read_all(Repository& repository) {
    std::uint64_t good = 0;
    for_each_file(
        repository, expected,
        [&](const Snapshot&, const std::string& name, const Entry& entry, const Bytes& bytes) {
          Bytes read;
          try {
            extract_file(repository.reader(), entry, [&](ByteView piece) { append(read, piece); });
          } catch (const Error&) {
            return;
          }
          EXPECT_TRUE(read == bytes) << "a wrong byte in " << name;
          ++good;
        });
    return good;
  }
  std::uint64_t count_files() const {
    std::uint64_t count = 0;
    for (const auto& [id, files] : expected) count += files.size();
    return count;
  }

  /// Restored files are right; others are missing and counted.
  void restore_all(Repository& repository) {
    for (const auto list = repository.snapshots(); const auto& listed : list->snapshots) {
      const auto files = expected.find(listed.snapshot->id);
      if (files == expected.end()) continue;
      const testing::TemporaryDirectory directory;
      RestoreOptions options;
      options.target = directory.path();
      options.threads = 1;
      const RestoreResult result = testing::restore(repository, listed.snapshot->root, options);
      std::uint64_t good = 0;
      for (const auto& [name, bytes] : files->second) {
        if (!std::filesystem::exists(directory / name)) continue;
        EXPECT_TRUE(testing::read_file(directory / name) == text_of(bytes)) << "a wrong byte";
        ++good;
      }
      EXPECT_TRUE(good == files->second.size() || result.failures.count > 0)
          << "a file is missing, and nothing says so";
    }
  }

  void repair_all() {
    attempt(
        [&](Repository& repository) {
          RepairOptions options;
          options.threads = 1;
          options.read_data = true;
          repair(repository, options, false, [](const CheckProgress&) {});
        },
        true);
  }
  /// Each after more than the grace time.
  void compact_twice() {
    for (int i = 0; i < 2; ++i) {
      clock.advance(kOverGrace);
      attempt([&](Repository& repository) { compact(repository); }, true);
    }
  }

  /// What a check says of the object; or why the repository does not open.
  std::string verdict_on(const ObjectName& object) {
    std::string verdict;
    const std::string failure = attempt(
        [&](Repository& repository) {
          CheckOptions options;
          options.level = CheckLevel::data;
          options.threads = 1;
          options.vouch = false;
          const CheckResult result = run_check(repository, options, [](const CheckProgress&) {});
          for (const Finding& finding : result.findings) {
            if (finding.object == object.path()) verdict = "finding: " + finding.what;
          }
          restore_all(repository);
          read_all(repository);
        },
        false);
    return failure.empty() ? verdict : failure;
  }
  /// What a verdict says at least: a finding is of the object already; who cannot even open the
  /// repository is told why.
  std::string cause(const ObjectName& object) const {
    if (object.type == ObjectType::config) return "config|repository";
    if (object == own_slot_) return "key";
    return object.id.hex() + "|finding:";
  }

  /// Neither what is good nor what was hurt: something of it may be saved yet, and it may be the
  /// disk's or the network's fault. Only leases, which run out, and what is deleted also where
  /// nothing is damaged.
  void expect_nothing_deleted() {
    for (const auto& [name, object] : damaged_) {
      if (name.type == ObjectType::lock || deleted_anyway_.contains(name)) continue;
      if (before_.contains(name) && !world_.contains(name)) continue;  // dead, and came back
      const auto now = test.store().find(name);
      ASSERT_TRUE(now) << "it deleted " << name.path();
      EXPECT_EQ(*now->bytes, *object.bytes) << name.path();
    }
  }

  /// The damaged object comes back from a copy: then nothing is lost.
  void expect_all_after_putting_back() {
    for (const auto& [name, object] : test.store().copy()) {
      if (name.type != ObjectType::lock && damaged_.contains(name) && !world_.contains(name)) {
        test.store().erase(name);
      }
    }
    const ObjectName hurt = victim();
    if (!deleted_anyway_.contains(hurt)) {
      test.store().erase(hurt);
      test.store().put(hurt, world_.at(hurt));
    }
    const auto read = [&](Repository& repository) {
      for (const auto& removed : repository.removed_snapshots()) {
        if (removed.id == first_) undelete(repository, first_, {});
      }
      repository.refresh();
      EXPECT_EQ(read_all(repository), count_files());
    };
    EXPECT_EQ(attempt(read, true), "");
    if (knows()) {
      EXPECT_EQ(attempt_by(fmt::format("other{}", clients_), read, true), "");
    }
  }

  static constexpr const char* kWitness = "witness";  // who knew the repository as it was
  ObjectName own_slot_, other_slot_, data_pack_, tree_pack_, record_, lease_;
  SnapshotId first_;
  SnapshotId last_;
  ObjectName last_record_;
  Objects before_;
  Objects world_;
  Objects damaged_;
  Timestamp begun_;
  std::map<SnapshotId, Files> promised_;
  std::set<ObjectName> deleted_anyway_;
  int clients_ = 0;
  std::string client_;  // that does the work
};

INSTANTIATE_TEST_SUITE_P(Of, CorruptionMatrix, ::testing::ValuesIn(all_cases()),
                         [](const auto& tested) { return name_of(tested); });

TEST_P(CorruptionMatrix, ACheckNamesTheCauseAndReadersGiveOutNoWrongByte) {
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.what);
    begin(damage);
    const auto before = test.store().names();
    if (!damage.named) {
      verdict_on(victim());
      continue;
    }
    const std::string verdict = verdict_on(*damage.named);
    EXPECT_NE(verdict, "") << "nothing is said of " << damage.named->path();
    EXPECT_THAT(verdict, ::testing::ContainsRegex(cause(*damage.named)));
    EXPECT_EQ(test.store().names(), before) << "they only look";
  }
}

TEST_P(CorruptionMatrix, ABackupDoesNoHarm) {
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.what);
    begin(damage);
    Files files = promised_.at(first_);
    files["more"] = testing::random_bytes(500, kOneChunkFile);
    attempt([&](Repository& repository) { commit(repository, files); }, false);
    expect_nothing_deleted();
    attempt([&](Repository& repository) { read_all(repository); }, true);
    expect_all_after_putting_back();
  }
}

TEST_P(CorruptionMatrix, ACompactionDoesNoHarm) {
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.what);
    begin(damage);
    attempt([&](Repository& repository) { compact(repository); }, false);
    expect_nothing_deleted();
    attempt([&](Repository& repository) { read_all(repository); }, true);
    expect_all_after_putting_back();
  }
}

TEST_P(CorruptionMatrix, ARepairDoesNoHarmNorDoWhatComesAfterIt) {
  for (const Damage& damage : damages()) {
    SCOPED_TRACE(damage.what);
    begin(damage);
    repair_all();
    expect_nothing_deleted();
    attempt([&](Repository& repository) { read_all(repository); }, true);
    expect_all_after_putting_back();
    compact_twice();
    attempt([&](Repository& repository) { EXPECT_EQ(read_all(repository), count_files()); }, true);
  }
}

TEST_P(CorruptionMatrix, WhatCouldBeReadCanBeReadAfterARepairAndCompactions) {
  for (const Damage& damage : damages(Flips::some)) {
    SCOPED_TRACE(damage.what);
    begin(damage);
    std::uint64_t before = 0;
    attempt([&](Repository& repository) { before = read_all(repository); }, true);
    repair_all();
    compact_twice();
    std::uint64_t after = 0;
    attempt([&](Repository& repository) { after = read_all(repository); }, true);
    EXPECT_GE(after, before);
  }
}

/// Damage that only who has seen more can tell: what is there is whole, and is all that others
/// know of.
class CorruptionMatrixOfTheLast : public CorruptionMatrix {
 protected:
  /// What they say of the store when it is opened, and whether they find their way out.
  void expect_rollback(const std::string& what, const std::function<void(MemoryStore&)>& inflict) {
    SCOPED_TRACE(what);
    begin({what, inflict, {}});
    const auto before = test.store().names();
    const auto look = [&](Repository& repository) { read_all(repository); };
    EXPECT_THAT(attempt(look, false), ::testing::StartsWith("rollback"));
    EXPECT_THAT(attempt([&](Repository& repository) { compact(repository); }, false),
                ::testing::StartsWith("rollback"));
    EXPECT_EQ(test.store().names(), before);
    EXPECT_EQ(attempt_by(fmt::format("new{}", clients_), look, false), "") << "how should it know";
    EXPECT_EQ(attempt(look, true), "");
    EXPECT_EQ(attempt(look, false), "") << "it was accepted";
  }
};

INSTANTIATE_TEST_SUITE_P(Of, CorruptionMatrixOfTheLast,
                         ::testing::Values(Case{Victim::snapshot, Client::one_that_knew}),
                         [](const auto& tested) { return name_of(tested); });

TEST_P(CorruptionMatrixOfTheLast, IsARollbackForWhoHasSeenIt) {
  expect_rollback("the store as it was earlier",
                  [&](MemoryStore& store) { store.replace_all(before_); });
  expect_rollback("the last snapshot is gone",
                  [&](MemoryStore& store) { store.erase(format::snapshot_name(last_)); });
  expect_rollback("the last snapshot and its record are gone", [&](MemoryStore& store) {
    store.erase(format::snapshot_name(last_));
    store.erase(last_record_);
  });
}

}  // namespace
}  // namespace vgerfs::repo
