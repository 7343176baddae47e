// Whatever clients do side by side: every snapshot that was committed and that nobody removed is
// there, and nothing that lives is deleted.
#include "repo/simulator.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

#include "damage.h"
#include "maintenance_world.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/prune.h"
#include "repo/maintenance/removal.h"
#include "repo/maintenance/undelete.h"
#include "support/memory_databases.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using testing::Files;
using testing::FixedRandom;
using testing::kHour_s;
using testing::MaintenanceWorld;
using testing::Scheduler;
using testing::SimulatedBackend;
using testing::SkewedClock;
using testing::TestRepository;

constexpr std::int64_t kLeaseTtl_s = kHour_s;

enum class Part { full, ingest, thief };

/// The key of somebody who may write as "host", too, and means no good.
Credential thief_key() {
  crypto::Secret key{32};
  std::fill(key.mutable_view().begin(), key.mutable_view().end(), std::byte{3});
  return KeyFile{std::move(key)};
}

Credential key_of(Part part) {
  switch (part) {
    case Part::full: return TestRepository::full_key();
    case Part::ingest: return TestRepository::ingest_key();
    case Part::thief: return thief_key();
  }
  bug("no such part");
}

void add_slot(Repository& repository, std::string label, const Credential& credential,
              crypto::Random& random) {
  Certificate wanted;
  wanted.role = Role::ingest;
  wanted.label = std::move(label);
  wanted.hosts = {"host"};
  const auto bundle = repository.keyring().make_bundle(wanted, random);
  backends::write_object(repository.backend(), format::ObjectType::key,
                         make_slot(bundle, credential, {}, repository.keyring().envelope_keys(),
                                   repository.cipher(), 0, random));
  repository.backend().barrier();
}

/// Parts of the run, which ctest starts beside each other.
constexpr std::uint64_t kShards = 8;

/// Who takes part, by number.
constexpr Part kParts[] = {Part::full, Part::ingest, Part::full,
                           Part::full, Part::full,   Part::thief};

std::string directory_of(const MaintenanceWorld& world, std::size_t client) {
  return fmt::format("{}/client{}", world.test.directory(), client);
}

OpenOptions options_of(const MaintenanceWorld& world, std::size_t client) {
  OpenOptions options;
  const std::string directory = directory_of(world, client);
  options.directories = {.cache = directory + "/cache", .state = directory + "/state"};
  options.host = "host";
  return options;
}

/// What every schedule begins with: a repository, and clients that have seen it. Made once: it
/// takes longer than a schedule.
class Beginning : public MaintenanceWorld {
 public:
  Beginning() : MaintenanceWorld(new_repository()) {
    {
      FixedRandom random{2};
      const auto admin = open("admin");
      add_slot(*admin, "backup", TestRepository::ingest_key(), random);
      add_slot(*admin, "thief", thief_key(), random);
    }
    for (std::size_t client = 0; client < std::size(kParts); ++client) {
      OpenOptions options = options_of(*this, client);
      options.clock = &clock;
      Repository::open(std::make_shared<testing::MemoryBackend>(test.shared_store()),
                       key_of(kParts[client]), std::move(options));
    }
  }
  /// The client's files, as they are now.
  void copy_client(const MaintenanceWorld& to, std::size_t client) const {
    testing::copy_databases(directory_of(*this, client), directory_of(to, client));
  }

  static Beginning& get() {
    static Beginning beginning;
    return beginning;
  }

 private:
  /// The same in every run, as all that comes after it.
  static Objects new_repository() {
    const testing::ManualClock clock;
    testing::MemoryBackend backend{&clock};
    FixedRandom random{1};
    Repository::init(backend, TestRepository::full_key(), {}, random, clock);
    return backend.store()->copy();
  }
};

/// One client: its clock, its way to the store, its repository.
struct Client {
  Client(MaintenanceWorld& world, Scheduler& scheduler, testing::StrayRequests& strays,
         std::size_t client, std::uint64_t seed)
      : number(client),
        clock(world.clock,
              static_cast<std::int64_t>(scheduler.below(601)) - 300,  // five minutes at most
              scheduler, number),
        random(seed + number),
        memory(world.test.shared_store()),
        store(std::make_shared<SimulatedBackend>(memory, scheduler, number, strays)) {
    Beginning::get().copy_client(world, number);
    OpenOptions options = options_of(world, number);
    options.clock = &clock;
    options.random = &random;
    repository = Repository::open(store, key_of(kParts[number]), std::move(options));
  }
  const std::size_t number;
  SkewedClock clock;
  FixedRandom random;
  testing::MemoryBackend memory;
  std::shared_ptr<SimulatedBackend> store;
  std::unique_ptr<Repository> repository;
};

class Schedule : public MaintenanceWorld {
 public:
  explicit Schedule(std::uint64_t seed)
      : MaintenanceWorld(Beginning::get().test.store().copy()),
        seed_(seed),
        scheduler_(seed, clock),
        grace_s_(scheduler_.below(2) == 0 ? kMinGrace_s : kDefaultGrace_s) {
    if (slow_backups_) scheduler_.stay_awake();
    if (seed / kShards % 2 == 1) test.store().offer_compaction();
  }
  ~Schedule() { testing::drop_databases(test.directory()); }

  void run() {
    using Work = void (Schedule::*)(Client&);
    constexpr Work roles[] = {&Schedule::write,    &Schedule::write, &Schedule::maintain,
                              &Schedule::maintain, &Schedule::look,  &Schedule::steal};
    static_assert(std::size(roles) == std::size(kParts));
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::function<void(std::size_t)>> work;
    for (std::size_t i = 0; i < std::size(roles); ++i) {
      clients.push_back(std::make_unique<Client>(*this, scheduler_, strays_, i, seed_));
      clients[i]->store->begin();
      work.emplace_back([this, &client = *clients[i], role = roles[i]](std::size_t number) {
        int rounds = 5;
        if (role == &Schedule::maintain) rounds = slow_backups_ ? 10 : 7;
        for (int round = 0; round < rounds; ++round) {
          scheduler_.sleep(number, static_cast<std::int64_t>(scheduler_.below(
                                       static_cast<std::uint64_t>(grace_s_ * 5 / 3))));
          (this->*role)(client);
        }
      });
    }
    scheduler_.run(work);
    for (const auto& client : clients) client->store->end();
    clients.clear();
    try {
      look_back();
    } catch (const Error& error) {
      tolerate(error, "looking back", {});
    }
  }

  const std::vector<std::string>& failures() const { return failures_; }
  /// What was done to snapshots, a line each.
  const std::vector<std::string>& history() const { return history_; }
  int commits() const { return commits_; }
  /// By backups that held their lease over three grace times.
  int slow_commits() const { return slow_commits_; }
  /// Of snapshots that were removed again after they had been brought back.
  int second_returns() const { return second_returns_; }
  std::uint64_t deleted_packs() const { return deleted_packs_; }
  /// In half of the schedules the store moves blocks itself.
  std::uint64_t store_moved_bytes() const { return store_moved_bytes_; }
  std::uint64_t refreshes() const { return scheduler_.keeper_turns(); }
  std::uint64_t calls() const { return scheduler_.calls(); }

 private:
  /// By clients that knew nothing. What was done wrong may show only after more compactions.
  void look_back() {
    const auto maintainer = open_stranger("maintainer");
    verify_expected(*maintainer, "at the end");
    if (!failures_.empty()) return;
    for (int round = 0; round < 3; ++round) {
      clock.advance(30 * kHour);
      give_up_unreadable(*maintainer);
      compact(*maintainer);
    }
    verify_expected(*open_stranger("verifier"), "after three more compactions");
  }

  /// Somebody who knows nothing, and does not wait for turns.
  std::unique_ptr<Repository> open_stranger(const std::string& name) {
    OpenOptions options;
    const std::string directory = test.directory() + "/" + name;
    options.directories = {.cache = directory + "/cache", .state = directory + "/state"};
    options.host = "host";
    options.clock = &clock;
    options.random = &random_;
    return Repository::open(std::make_shared<testing::MemoryBackend>(test.shared_store()),
                            TestRepository::full_key(), std::move(options));
  }

  void fail(const std::string& what) {
    failures_.push_back(what);
    history_.push_back(fmt::format("{:7.1f} h  failure", hours()));
  }
  double hours() const { return static_cast<double>(clock.now().s - began_s_) / kHour_s; }
  void note(const SnapshotId& id, std::string_view what) {
    history_.push_back(fmt::format("{:7.1f} h  {} {}", hours(), id.short_hex(), what));
  }

  /// Files of a few contents, so that clients rely on each other's.
  Files some_files() {
    Files files;
    for (std::uint64_t i = 0; i < 3; ++i) {
      const std::uint64_t content = scheduler_.below(8);
      files[fmt::format("file{}", content)] = testing::random_bytes(content, 600);
    }
    return files;
  }

  void write(Client& client) {
    const Files files = some_files();
    scheduler_.begin_lease(client.number);
    const std::int64_t began_s = clock.now().s;
    try {
      Session session{*client.repository,
                      session_options(client.repository->can_read() ? "full" : "ingest")};
      const Entry root = testing::put_files(session, client.repository->keyring(), files);
      linger(client, session);
      const SnapshotId id = session.commit(testing::draft_of(root)).snapshot->id;
      expected[id] = files;
      order_.push_back(id);
      note(id, "committed");
      ++commits_;
      const bool held = scheduler_.lease_gap_s(client.number) < kLeaseTtl_s;
      if (held && clock.now().s - began_s > 3 * grace_s_) ++slow_commits_;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::busy && scheduler_.lease_gap_s(client.number) < kLeaseTtl_s) {
        fail(fmt::format("a backup that held its lease lost what it rests on: {}", error.what()));
      }
      tolerate(error, "a backup", {ErrorCode::busy});
    }
  }

  /// Some backups take several times the grace time, and keep their leases all the while.
  void linger(Client& client, Session& session) {
    if (scheduler_.below(5) >= (slow_backups_ ? 4U : 1U)) return;
    if (scheduler_.below(2) == 0) session.checkpoint();
    const std::int64_t longest_s = grace_s_ < kHour_s * 2 ? grace_s_ * 6 : grace_s_ * 2;
    scheduler_.sleep(client.number, static_cast<std::int64_t>(
                                        scheduler_.below(static_cast<std::uint64_t>(longest_s))));
  }

  /// Blocks that claim the names of others' contents.
  void steal(Client& client) {
    try {
      SessionOptions options = session_options("thief");
      Session session{*client.repository, options};
      for (int i = 0; i < 3; ++i) {
        const std::uint64_t content = scheduler_.below(8);
        Bytes sealed;
        BlockEntry block =
            testing::poisoned_block(*client.repository, testing::random_bytes(content, 600),
                                    testing::random_bytes(1000 + content, 600), sealed);
        session.adopt_block(std::move(block), sealed);
      }
      session.commit(testing::draft_of(testing::plain_root()));
    } catch (const Error& error) {
      tolerate(error, "a thief", {ErrorCode::busy});
    }
  }

  void maintain(Client& client) {
    switch (scheduler_.below(6)) {
      case 0:
        for (int i = 0; i < (slow_backups_ ? 4 : 1); ++i) remove_one(client);
        break;
      case 1: bring_one_back(client); break;
      case 2: prune(*client.repository); break;
      default: try { compact(*client.repository);
        } catch (const Error& error) {
          if (error.code() == ErrorCode::corrupt) {
            give_up_unreadable(*client.repository);
          } else {
            tolerate(error, "a compaction", {ErrorCode::busy});
          }
        }
    }
  }

  void compact(Repository& repository) {
    CompactOptions options;
    options.threads = 1;
    options.grace_s = grace_s_;
    options.pack_bytes = 64 << 10;
    struct Counted {
      explicit Counted(int& at_work) : number(at_work) { ++number; }
      ~Counted() { --number; }
      int& number;
    };
    const Counted counted{compacting_};
    const CompactResult result = repo::compact(repository, options, false, {}, {});
    deleted_packs_ += result.deleted_packs;
    store_moved_bytes_ += result.store_moved_bytes;
  }

  /// A session that slept between its last look and its snapshot publishes what may lack data, and
  /// says so: an administrator deletes that.
  void give_up_unreadable(Repository& repository) {
    repository.refresh();
    std::vector<SnapshotId> unknown;
    const auto list = repository.snapshots();
    for (const auto& listed : list->snapshots) {
      const SnapshotId& id = listed.snapshot->id;
      if (!expected.contains(id) && !removed_.contains(id) && !in_work_.contains(id)) {
        try {
          testing::read_files(repository, *listed.snapshot);
        } catch (const Error&) {
          unknown.push_back(id);
        }
      }
    }
    if (!unknown.empty()) remove_snapshots(repository, unknown);
  }

  /// One of them, by the order of the commits: ids are not the same in the next run.
  template <class Map>
  SnapshotId any_of(const Map& snapshots) {
    std::vector<SnapshotId> ids;
    std::copy_if(order_.begin(), order_.end(), std::back_inserter(ids),
                 [&](const SnapshotId& id) { return snapshots.contains(id); });
    return ids.at(scheduler_.below(ids.size()));
  }

  /// Often what was brought back before: removals and their undoing take turns.
  template <class Map>
  SnapshotId choose(const Map& snapshots) {
    std::map<SnapshotId, int> again;
    for (const auto& [id, times] : returns_) {
      if (snapshots.contains(id)) again.emplace(id, times);
    }
    return !again.empty() && scheduler_.below(2) == 0 ? any_of(again) : any_of(snapshots);
  }

  void remove_one(Client& client) {
    if (expected.size() < 2) return;
    const SnapshotId id = choose(expected);
    const Files files = expected.at(id);
    expected.erase(id);
    in_work_.insert(id);
    note(id, "is being removed");
    try {
      const std::int64_t now_s = clock.now().s;
      remove_snapshots(*client.repository, {id});
      removed_[id] = {files, now_s};
      note(id, "removed");
    } catch (const Error& error) {
      tolerate(error, "a deletion", {});
    }
    in_work_.erase(id);
  }

  /// Two prunes that overlap may have chosen the same snapshots: the one that removes a snapshot
  /// need not be the one that chose it first.
  void prune(Repository& repository) {
    std::vector<SnapshotId> chosen;
    try {
      const auto lease = ExclusiveLease::acquire(repository);
      PruneOptions options;
      options.rules.last = 1 + static_cast<std::uint32_t>(scheduler_.below(3));
      const PrunePlan plan = plan_prune(repository, options);
      for (const PruneVerdict& verdict : plan.snapshots) {
        const SnapshotId& id = verdict.snapshot.snapshot->id;
        if (!verdict.removed()) continue;
        if (auto found = expected.extract(id)) {
          pruning_[id].files = std::move(found.mapped());
          in_work_.insert(id);
          note(id, "is being pruned");
        } else if (!pruning_.contains(id)) {
          continue;
        }
        ++pruning_[id].prunes;
        chosen.push_back(id);
      }
      const std::int64_t now_s = clock.now().s;
      for (const SnapshotId& id : execute(plan, repository, *lease)) {
        if (const auto pruned = pruning_.extract(id)) {
          removed_[id] = {pruned.mapped().files, now_s};
          in_work_.erase(id);
        } else if (const auto returned = expected.extract(id)) {
          removed_[id] = {returned.mapped(), now_s};  // it came back after the plan
        } else if (const auto returning = returning_.find(id); returning != returning_.end()) {
          returning->second = now_s;
        } else {
          continue;
        }
        note(id, "pruned");
      }
      for (const SnapshotId& id : chosen) {
        const auto left = pruning_.find(id);
        if (left != pruning_.end() && left->second.prunes == 1) {
          fail(fmt::format("snapshot {} was neither pruned nor kept", id.short_hex()));
        }
      }
    } catch (const Error& error) {
      // Meanwhile others may have removed what was to stay of a line: then it is refused.
      tolerate(error, "a prune", {ErrorCode::busy, ErrorCode::usage});
    }
    for (const SnapshotId& id : chosen) {
      const auto left = pruning_.find(id);
      if (left == pruning_.end() || --left->second.prunes > 0) continue;
      expected[id] = std::move(left->second.files);
      pruning_.erase(left);
      in_work_.erase(id);
    }
  }

  void bring_one_back(Client& client) {
    if (removed_.empty()) return;
    const SnapshotId id = choose(removed_);
    const Removed removed = removed_.at(id);
    // A maintainer may be asleep in the very call that deletes it: docs/LOCKING.md says what then
    // happens after the grace time.
    if (compacting_ > 0 && clock.now().s - removed.time_s > grace_s_ - kHour_s / 2) return;
    removed_.erase(id);
    in_work_.insert(id);
    returning_[id] = std::nullopt;
    note(id, "is being brought back");
    try {
      undelete(*client.repository, id, {.grace_s = grace_s_, .stop = {}});
      if (const auto pruned_s = returning_.at(id)) {
        removed_[id] = {removed.files, *pruned_s};
      } else {
        expected[id] = removed.files;
      }
      note(id, "brought back");
      if (++returns_[id] == 2) ++second_returns_;
    } catch (const Error& error) {
      note(id, fmt::format("not brought back: {}", error.what()));
      // The promise counts for those who end in time; the clocks may differ.
      if (clock.now().s - removed.time_s < grace_s_ - kHour_s / 2) {
        fail(fmt::format("the promise to bring a snapshot back was broken: {}", error.what()));
      }
      tolerate(error, "an undeletion", {ErrorCode::busy, ErrorCode::not_found, ErrorCode::corrupt});
    }
    returning_.erase(id);
    in_work_.erase(id);
  }

  void look(Client& client) {
    try {
      client.repository->refresh();
      const auto list = client.repository->snapshots();
      for (const auto& listed : list->snapshots) {
        const SnapshotId id = listed.snapshot->id;
        if (!expected.contains(id)) continue;
        const Files files = expected.at(id);
        try {
          const bool same = testing::read_files(*client.repository, *listed.snapshot) == files;
          if (!same && expected.contains(id)) fail("a reader saw other content");
        } catch (const Error& error) {
          if (expected.contains(id)) fail(fmt::format("a reader failed: {}", error.what()));
        }
        break;
      }
    } catch (const Error& error) {
      tolerate(error, "a reader", {ErrorCode::unavailable});
    }
  }

  void tolerate(const Error& error, const char* what, std::set<ErrorCode> codes) {
    if (codes.contains(error.code())) return;
    fail(fmt::format("{} failed: {}: {}", what, to_string(error.code()), error.what()));
  }

  void verify_expected(Repository& repository, const char* when) {
    const auto list = repository.snapshots();
    std::map<SnapshotId, std::shared_ptr<const Snapshot>> found;
    for (const auto& listed : list->snapshots) found[listed.snapshot->id] = listed.snapshot;
    for (const auto& [id, removed] : removed_) {
      if (found.contains(id)) fail(fmt::format("{}: removed {} is listed", when, id.short_hex()));
    }
    for (const auto& [id, files] : expected) {
      const auto at = found.find(id);
      if (at == found.end()) {
        fail(fmt::format("{}: snapshot {} is gone", when, id.short_hex()));
        continue;
      }
      try {
        if (testing::read_files(repository, *at->second) != files) {
          fail(fmt::format("{}: snapshot {} changed", when, id.short_hex()));
        }
      } catch (const Error& error) {
        fail(fmt::format("{}: snapshot {}: {}", when, id.short_hex(), error.what()));
      }
    }
  }

  struct Removed {
    Files files;
    std::int64_t time_s = 0;
  };
  struct Pruning {
    Files files;
    int prunes = 0;  // that have chosen it
  };
  const std::uint64_t seed_;
  FixedRandom random_{seed_ + 1000};
  Scheduler scheduler_;
  const std::int64_t grace_s_;
  // Some schedules are about backups that live long, with their leases, beside much maintenance.
  const bool slow_backups_ = scheduler_.below(3) == 0;
  testing::StrayRequests strays_;
  std::vector<SnapshotId> order_;  // of commits
  std::map<SnapshotId, Removed> removed_;
  std::map<SnapshotId, Pruning> pruning_;
  // Being brought back; with the time if it was pruned again before the client knew that it is
  // back.
  std::map<SnapshotId, std::optional<std::int64_t>> returning_;
  std::set<SnapshotId> in_work_;  // being removed or brought back
  std::vector<std::string> failures_;
  std::vector<std::string> history_;
  const std::int64_t began_s_ = clock.now().s;
  std::map<SnapshotId, int> returns_;
  int commits_ = 0;
  int slow_commits_ = 0;
  int compacting_ = 0;  // clients that are
  int second_returns_ = 0;
  std::uint64_t deleted_packs_ = 0;
  std::uint64_t store_moved_bytes_ = 0;
};

std::uint64_t count_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Threads come and go, and only one runs at a time: one arena, which is not given back.
void keep_freed_memory() {
  constexpr int kMuch = 1 << 28;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, kMuch);
  ::mallopt(M_MMAP_THRESHOLD, kMuch);
}

// The same schedules in every run: when one fails, it is the change that failed it. A long run
// takes others.
constexpr std::uint64_t kFirstSeed = 20261128;
class Simulator : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulator, NothingThatIsNeededIsLost) {
  testing::keep_temporary_directories_in_memory();
  testing::keep_databases_in_memory();
  keep_freed_memory();
  const std::uint64_t first = count_of("VGERFS_SIMULATOR_SEED", kFirstSeed);
  const std::uint64_t all = count_of("VGERFS_SIMULATOR_SCHEDULES",
                                     testing::test_size(std::uint64_t{5'000}, std::uint64_t{40}));
  int schedules = 0;
  int commits = 0;
  int slow_commits = 0;
  int second_returns = 0;
  std::uint64_t deleted_packs = 0;
  std::uint64_t store_moved_bytes = 0;
  std::uint64_t refreshes = 0;
  std::uint64_t calls = 0;
  for (std::uint64_t i = GetParam(); i < all && !HasFailure(); i += kShards) {
    Schedule schedule{first + i};
    schedule.run();
    ++schedules;
    commits += schedule.commits();
    slow_commits += schedule.slow_commits();
    second_returns += schedule.second_returns();
    deleted_packs += schedule.deleted_packs();
    store_moved_bytes += schedule.store_moved_bytes();
    refreshes += schedule.refreshes();
    calls += schedule.calls();
    for (const std::string& failure : schedule.failures()) {
      ADD_FAILURE() << failure << "\nschedule " << i + 1
                    << "; again: VGERFS_SIMULATOR_SEED=" << first + i
                    << " VGERFS_SIMULATOR_SCHEDULES=1\n"
                    << fmt::format("{}", fmt::join(schedule.history(), "\n"));
    }
  }
  RecordProperty("schedules", schedules);
  RecordProperty("commits", commits);
  RecordProperty("slow_commits", slow_commits);
  RecordProperty("second_returns", second_returns);
  RecordProperty("deleted_packs", static_cast<int>(deleted_packs));
  RecordProperty("store_moved_bytes", static_cast<int>(store_moved_bytes));
  RecordProperty("refreshes", static_cast<int>(refreshes));
  RecordProperty("calls", static_cast<int>(calls));
  if (schedules < 20 || HasFailure()) return;
  EXPECT_GT(commits, schedules) << "too little was done to prove anything";
  EXPECT_GT(slow_commits, 0);
  if (schedules > 1000) {  // there are few
    EXPECT_GT(second_returns, 0);
  }
  EXPECT_GT(deleted_packs, static_cast<std::uint64_t>(schedules));
  EXPECT_GT(store_moved_bytes, 0U) << "no store moved anything itself";
  EXPECT_GT(refreshes, static_cast<std::uint64_t>(schedules) / 10) << "leases are not refreshed";
}

INSTANTIATE_TEST_SUITE_P(Shard, Simulator, ::testing::Range(std::uint64_t{0}, kShards));

}  // namespace
}  // namespace vgerfs::repo
