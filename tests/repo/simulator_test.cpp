// Whatever clients do side by side: every snapshot that was committed and that nobody removed is
// there, and nothing that lives is deleted.
#include "repo/simulator.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

#include "damage.h"
#include "maintenance_world.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/removal.h"
#include "repo/maintenance/undelete.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using testing::Files;
using testing::FixedRandom;
using testing::MaintenanceWorld;
using testing::Scheduler;
using testing::SimulatedBackend;
using testing::SkewedClock;
using testing::TestRepository;

constexpr std::int64_t kHour_s = 3600;
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

/// One client: its clock, its way to the store, its repository.
struct Client {
  Client(MaintenanceWorld& world, Scheduler& scheduler, testing::StrayWrites& strays,
         std::size_t client, Part part, std::uint64_t seed)
      : number(client),
        clock(world.clock,
              static_cast<std::int64_t>(scheduler.below(601)) - 300,  // five minutes at most
              scheduler, number),
        random(seed + number),
        memory(world.test.shared_store()),
        store(std::make_shared<SimulatedBackend>(memory, scheduler, number, strays)) {
    OpenOptions options;
    const std::string directory = fmt::format("{}/client{}", world.test.directory(), number);
    options.directories = {.cache = directory + "/cache", .state = directory + "/state"};
    options.host = "host";
    options.clock = &clock;
    options.random = &random;
    repository = Repository::open(store, key_of(part), options);
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
      : seed_(seed),
        scheduler_(seed, clock),
        grace_s_(scheduler_.below(2) == 0 ? kMinGrace_s : kDefaultGrace_s) {
    test.add_ingest_slot("host");
    add_thief();
    if (slow_backups_) scheduler_.stay_awake();
  }

  void run() {
    using Work = void (Schedule::*)(Client&);
    const std::vector<std::pair<Part, Work>> roles = {
        {Part::full, &Schedule::write},    {Part::ingest, &Schedule::write},
        {Part::full, &Schedule::maintain}, {Part::full, &Schedule::maintain},
        {Part::full, &Schedule::look},     {Part::thief, &Schedule::steal}};
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::function<void(std::size_t)>> work;
    for (std::size_t i = 0; i < roles.size(); ++i) {
      clients.push_back(
          std::make_unique<Client>(*this, scheduler_, strays_, i, roles[i].first, seed_));
      clients[i]->store->begin();
      work.emplace_back([this, &client = *clients[i], role = roles[i].second](std::size_t number) {
        const bool more = slow_backups_ && role == &Schedule::maintain;
        for (int round = 0; round < (more ? 10 : 5); ++round) {
          scheduler_.sleep(number, static_cast<std::int64_t>(scheduler_.below(
                                       static_cast<std::uint64_t>(grace_s_ * 5 / 3))));
          (this->*role)(client);
        }
      });
    }
    scheduler_.run(work);
    for (const auto& client : clients) client->store->end();
    clients.clear();
    verify_expected("at the end");
    if (!failures_.empty()) return;
    // What was done wrong may show only now.
    const auto maintainer = open("last");
    for (int round = 0; round < 3; ++round) {
      clock.advance(30 * kHour);
      give_up_unreadable(*maintainer);
      compact(*maintainer);
    }
    verify_expected("after two more compactions");
  }

  const std::vector<std::string>& failures() const { return failures_; }
  /// What was done to snapshots, a line each.
  const std::vector<std::string>& history() const { return history_; }
  int commits() const { return commits_; }
  std::uint64_t deleted_packs() const { return deleted_packs_; }
  std::uint64_t refreshes() const { return scheduler_.keeper_turns(); }

 private:
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

  void add_thief() {
    const auto admin = open("admin");
    Certificate wanted;
    wanted.role = Role::ingest;
    wanted.label = "thief";
    wanted.hosts = {"host"};
    const auto bundle = admin->keyring().make_bundle(wanted, crypto::system_random());
    backends::write_object(admin->backend(), format::ObjectType::key,
                           make_slot(bundle, thief_key(), {}, admin->keyring().envelope_keys(),
                                     admin->cipher(), 0, crypto::system_random()));
    admin->backend().barrier();
  }

  void write(Client& client) {
    const Files files = some_files();
    scheduler_.begin_lease(client.number);
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
    switch (scheduler_.below(4)) {
      case 0:
        for (int i = 0; i < (slow_backups_ ? 4 : 1); ++i) remove_one(client);
        break;
      case 1: bring_one_back(client); break;
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
    deleted_packs_ += repo::compact(repository, options, false, {}, {}).deleted_packs;
  }

  /// A session that slept between its last look and its snapshot publishes what may lack data, and
  /// says so: an administrator deletes that.
  void give_up_unreadable(Repository& repository) {
    repository.refresh();
    std::vector<SnapshotId> unknown;
    for (const auto& listed : repository.snapshots()->snapshots) {
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

  void remove_one(Client& client) {
    if (expected.size() < 2) return;
    const SnapshotId id = any_of(expected);
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

  void bring_one_back(Client& client) {
    if (removed_.empty()) return;
    const SnapshotId id = any_of(removed_);
    const Removed removed = removed_.at(id);
    removed_.erase(id);
    in_work_.insert(id);
    note(id, "is being brought back");
    try {
      undelete(*client.repository, id, {.grace_s = grace_s_, .stop = {}});
      expected[id] = removed.files;
      note(id, "brought back");
    } catch (const Error& error) {
      note(id, fmt::format("not brought back: {}", error.what()));
      // The promise counts for those who end in time; the clocks may differ.
      if (clock.now().s - removed.time_s < grace_s_ - kHour_s / 2) {
        fail(fmt::format("the promise to bring a snapshot back was broken: {}", error.what()));
      }
      tolerate(error, "an undeletion", {ErrorCode::busy, ErrorCode::not_found, ErrorCode::corrupt});
    }
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

  void verify_expected(const char* when) {
    const auto repository = open(fmt::format("verifier{}", ++verifiers_));
    const auto list = repository->snapshots();
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
        if (testing::read_files(*repository, *at->second) != files) {
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
  const std::uint64_t seed_;
  Scheduler scheduler_;
  const std::int64_t grace_s_;
  // Some schedules are about backups that live long, with their leases, beside much maintenance.
  const bool slow_backups_ = scheduler_.below(3) == 0;
  testing::StrayWrites strays_;
  std::vector<SnapshotId> order_;  // of commits
  std::map<SnapshotId, Removed> removed_;
  std::set<SnapshotId> in_work_;  // being removed or brought back
  std::vector<std::string> failures_;
  std::vector<std::string> history_;
  const std::int64_t began_s_ = clock.now().s;
  int commits_ = 0;
  std::uint64_t deleted_packs_ = 0;
  int verifiers_ = 0;
};

std::uint64_t count_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Simulator, NothingThatIsNeededIsLost) {
  testing::keep_temporary_directories_in_memory();
  const std::uint64_t first = count_of("VGERFS_SIMULATOR_SEED", testing::test_seed());
  const std::uint64_t schedules = count_of(
      "VGERFS_SIMULATOR_SCHEDULES", testing::test_size(std::uint64_t{80}, std::uint64_t{20}));
  int commits = 0;
  std::uint64_t deleted_packs = 0;
  std::uint64_t refreshes = 0;
  for (std::uint64_t i = 0; i < schedules && !HasFailure(); ++i) {
    Schedule schedule{first + i};
    schedule.run();
    commits += schedule.commits();
    deleted_packs += schedule.deleted_packs();
    refreshes += schedule.refreshes();
    for (const std::string& failure : schedule.failures()) {
      ADD_FAILURE() << failure << "\nschedule " << i + 1
                    << "; again: VGERFS_SIMULATOR_SEED=" << first + i
                    << " VGERFS_SIMULATOR_SCHEDULES=1\n"
                    << fmt::format("{}", fmt::join(schedule.history(), "\n"));
    }
  }
  RecordProperty("commits", commits);
  RecordProperty("deleted_packs", static_cast<int>(deleted_packs));
  RecordProperty("refreshes", static_cast<int>(refreshes));
  if (schedules < 20 || HasFailure()) return;
  EXPECT_GT(commits, static_cast<int>(schedules)) << "too little was done to prove anything";
  EXPECT_GT(deleted_packs, schedules);
  EXPECT_GT(refreshes, schedules / 10) << "leases are not refreshed";
}

}  // namespace
}  // namespace vgerfs::repo
