// A repository in memory whose time a test turns, snapshots in it, and what each must restore to.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "repo/extents.h"
#include "repo/maintenance/check.h"
#include "repo/session.h"
#include "repo/tree.h"
#include "repo/tree_walk.h"
#include "repository_fixture.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::testing {

/// Longer than what is condemned is kept for.
inline constexpr std::chrono::hours kOverGrace{25};

using Files = std::map<std::string, Bytes>;

/// `count` files of random content; equal seeds give equal files.
inline Files random_files(std::uint64_t seed, int count, std::size_t bytes = 200'000) {
  Files files;
  for (int i = 0; i < count; ++i) {
    files[fmt::format("file{}", seed + static_cast<std::uint64_t>(i))] =
        random_bytes(seed + static_cast<std::uint64_t>(i), bytes);
  }
  return files;
}

/// Stores files as one directory and returns the root entry.
inline repo::Entry put_files(repo::Session& session, const repo::Keyring& keyring,
                             const Files& files) {
  repo::DirectoryBuilder builder{session, keyring.split_key()};
  for (const auto& [name, bytes] : files) {
    repo::Entry entry;
    entry.set_name(name);
    entry.set_type(format::proto::ENTRY_FILE);
    repo::ExtentListBuilder extents{session};
    if (!bytes.empty()) {
      extents.add({.bytes = bytes.size(),
                   .chunk = session.put(repo::ChunkKind::data, bytes),
                   .chunk_offset = 0});
    }
    extents.finish(entry);
    builder.add(entry);
  }
  repo::Entry root = plain_root();
  if (const auto subtree = builder.finish()) root.set_subtree(subtree->raw());
  return root;
}

inline repo::SnapshotDraft draft_of(const repo::Entry& root) {
  repo::SnapshotDraft draft;
  draft.root = root;
  draft.trigger = "test";
  return draft;
}

/// The files of a snapshot by their paths, read through the repository. Throws what reading throws.
inline Files read_files(repo::Repository& repository, const repo::Snapshot& snapshot) {
  Files files;
  repo::for_each_entry(
      repository.reader(), snapshot.root, "",
      [&](const std::string& path, const repo::Entry& entry) {
        if (entry.type() != format::proto::ENTRY_FILE) return repo::WalkStep::go_on;
        Bytes& bytes = files[path];
        repo::ExtentReader{repository.reader(), entry}.for_each(
            [&](const repo::ExtentReader::Located& located) {
              const repo::Extent& extent = located.extent;
              if (!extent.chunk) {
                bytes.resize(bytes.size() + extent.bytes);
                return;
              }
              const Bytes chunk = repository.reader().get(repo::ChunkKind::data, *extent.chunk);
              append(bytes, ByteView{chunk}.subspan(extent.chunk_offset, extent.bytes));
            });
        return repo::WalkStep::go_on;
      });
  return files;
}

class MaintenanceWorld {
 public:
  static constexpr auto kHour = std::chrono::hours{1};
  using Objects = std::map<format::ObjectName, MemoryStore::Object>;

  enum class Store { shows_times, shows_no_times };

  explicit MaintenanceWorld(Store store = Store::shows_times)
      : test{std::make_shared<MemoryStore>(store == Store::shows_times ? &clock : nullptr), clock} {
  }
  /// Begins with what another world had; without objects there is a new repository.
  explicit MaintenanceWorld(Objects objects) : test{store_of(std::move(objects), clock), clock} {}

  ManualClock clock;
  TestRepository test;
  std::map<SnapshotId, Files> expected;  // of snapshots that are not removed
  // What an operation was at when it failed: these may be there or not, and are whole if they are.
  std::map<SnapshotId, Files> possible;
  std::vector<Files> possible_new;  // snapshots whose ids nobody knows

  std::unique_ptr<repo::Repository> open(const std::string& client) {
    return test.open(TestRepository::full_key(), client);
  }

  static repo::SessionOptions session_options(std::string source = "home") {
    repo::SessionOptions options;
    options.host = "host";
    options.source = std::move(source);
    options.checkpoint_interval_s = 0;
    options.threads = 1;
    return options;
  }

  SnapshotId commit(repo::Repository& repository, const Files& files,
                    const std::string& source = "home") {
    repo::Session session{repository, session_options(source)};
    const repo::Entry root = put_files(session, repository.keyring(), files);
    const SnapshotId id = session.commit(draft_of(root)).snapshot->id;
    expected[id] = files;
    return id;
  }

  /// Packs that no record names. The session is of the client opened last.
  void put_unnamed(repo::Session& session, const repo::Keyring& keyring, const Files& files) {
    test.faulty().order({.fault = Fault::fail,
                         .call = Call::write,
                         .nth = 1,
                         .times = 1000,
                         .code = ErrorCode::unavailable,
                         .type = format::ObjectType::index});
    put_files(session, keyring, files);
    EXPECT_EQ(error_of([&] { session.checkpoint(); }), "unavailable");
  }

  RecordId remove(repo::Repository& repository, const SnapshotId& id) {
    expected.erase(id);
    repo::IndexRecord record;
    record.facts.removals.push_back({id, clock.now().s});
    return repository.publish_record(std::move(record));
  }

  /// Every snapshot that is not removed restores bit for bit, to a client that knows nothing; and
  /// nothing is wrong with the repository.
  void verify(const std::string& what = "") {
    const std::string client = fmt::format("verifier{}", ++verifiers_);
    const auto repository = open(client);
    EXPECT_TRUE(repository->warnings().empty() || repository->warnings().size() == 1)
        << what << ": " << repository->warnings().back();
    const auto list = repository->snapshots();
    std::map<SnapshotId, Files> found;
    for (const auto& listed : list->snapshots) {
      found[listed.snapshot->id] = read_files(*repository, *listed.snapshot);
    }
    for (const auto& [id, files] : expected) {
      ASSERT_TRUE(found.contains(id)) << what << ": a snapshot is gone";
      EXPECT_TRUE(found.at(id) == files) << what << ": a snapshot changed";
    }
    for (const auto& [id, files] : found) {
      if (expected.contains(id)) continue;
      const auto known = possible.find(id);
      const bool may_be =
          known != possible.end()
              ? files == known->second
              : std::find(possible_new.begin(), possible_new.end(), files) != possible_new.end();
      EXPECT_TRUE(may_be) << what << ": a snapshot that should not be there: " << id.hex();
    }
    repo::CheckOptions options;
    options.level = repo::CheckLevel::data;
    options.vouch = false;
    options.threads = 1;
    const auto checked = repo::run_check(*repository, options, [](const repo::CheckProgress&) {});
    for (const auto& finding : checked.findings) {
      EXPECT_NE(finding.severity, repo::Severity::error)
          << what << ": " << finding.object << " " << finding.what;
    }
  }

  /// `work` on this world, each time by a new client, while one listing fails that it asks for: the
  /// first of that type, the second, … It stops, and what was there is there.
  void expect_to_stop_at_failing_listings(const std::function<void(repo::Repository&)>& work) {
    const Objects objects = test.store().copy();
    for (const auto type : {format::ObjectType::lock, format::ObjectType::snapshot,
                            format::ObjectType::index, format::ObjectType::pack}) {
      std::uint64_t nth = 1;
      for (bool reached = true; reached; ++nth) {
        SCOPED_TRACE(fmt::format("listing {} of {}", nth, format::directory_name(type)));
        test.store().replace_all(objects);
        const auto client = open(fmt::format("lister{}", ++listers_));
        test.faulty().order({.fault = Fault::fail, .call = Call::list, .nth = nth, .type = type});
        const std::string_view failure = error_of([&] { work(*client); });
        reached = failure != "none";
        if (!reached) break;
        EXPECT_EQ(failure, "unavailable");
        for (const auto& [name, object] : objects) {
          if (name.type == format::ObjectType::lock) continue;
          EXPECT_TRUE(test.store().find(name)) << "it deleted " << name.path();
        }
      }
      EXPECT_GT(nth, 1U) << "it never lists " << format::directory_name(type);
    }
    test.store().replace_all(objects);
  }

  std::size_t count(format::ObjectType type) { return test.store().names(type).size(); }
  std::uint64_t stored_bytes() {
    std::uint64_t bytes = 0;
    for (const auto& name : test.store().names()) bytes += test.store().find(name)->bytes->size();
    return bytes;
  }

 private:
  static std::shared_ptr<MemoryStore> store_of(Objects objects, const Clock& clock) {
    auto store = std::make_shared<MemoryStore>(&clock);
    store->replace_all(std::move(objects));
    return store;
  }

  int verifiers_ = 0;
  int listers_ = 0;
};

}  // namespace vgerfs::testing
