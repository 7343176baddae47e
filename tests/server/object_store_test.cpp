#include "server/object_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "backends/in_child.h"
#include "backends/system_faults.h"
#include "server/scan.h"
#include "server/trash.h"
#include "store_world.h"
#include "support/error_of.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;
using vgerfs::testing::error_of;
using vgerfs::testing::fail_system_call;
using vgerfs::testing::SystemCall;

class ObjectStoreTest : public ::testing::Test {
 protected:
  void TearDown() override { vgerfs::testing::clear_system_faults(); }

  void start_again() {
    world_.reset();
    world_ = std::make_unique<StoreWorld>(path_);
  }

  void expect_consistent(const Repository& repository) {
    EXPECT_EQ(world_->listed(repository), world_->in_directory(repository));
    std::uint64_t bytes = 0;
    for (const auto& [name, size] : world_->in_directory(repository)) bytes += size;
    EXPECT_EQ(world_->ledger->used_by_repository(repository.id), bytes);
    EXPECT_EQ(world_->ledger->reserved(), 0U);
    EXPECT_EQ(world_->files_in(world_->directory.uploads()), 0U);
  }

  std::string object_path(std::string_view bytes) {
    return path_ + "/repo/" + object_of(bytes).path();
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "data";
  std::unique_ptr<StoreWorld> world_ = std::make_unique<StoreWorld>(path_);
};

TEST_F(ObjectStoreTest, KeepsWhatItAcknowledged) {
  const Repository repository = world_->repository();
  EXPECT_EQ(world_->put(repository, "some bytes"), ObjectStore::Added::anew);
  const auto object = world_->store->open(repository, object_of("some bytes"));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->bytes, 10U);
  expect_consistent(repository);
  start_again();
  expect_consistent(repository);
  EXPECT_EQ(world_->listed(repository).size(), 1U);
}

TEST_F(ObjectStoreTest, RefusesBytesThatAreNotWhatTheNameSays) {
  const Repository repository = world_->repository();
  const auto upload = world_->begin(repository, object_of("announced"), 9);
  upload->write(bytes_of("different"));
  EXPECT_EQ(error_of([&] { return world_->store->add(repository, *upload); }), "usage");
  EXPECT_TRUE(world_->in_directory(repository).empty());
}

TEST_F(ObjectStoreTest, AnUploadThatIsGivenUpLeavesNothing) {
  const Repository repository = world_->repository();
  {
    const auto upload = world_->begin(repository, object_of("announced"), 9);
    upload->write(bytes_of("anno"));
    EXPECT_EQ(world_->ledger->reserved(), 9U);
  }
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, TheSameObjectAgainIsSuccessAndCountsOnce) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  EXPECT_EQ(world_->put(repository, "some bytes"), ObjectStore::Added::again);
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, NothingIsEverReplaced) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  ASSERT_EQ(::chmod(object_path("some bytes").c_str(), 0600), 0);
  std::ofstream{object_path("some bytes")} << "other byte";  // a disk that forgets
  EXPECT_EQ(error_of([&] { return world_->put(repository, "some bytes"); }), "exists");
  std::ifstream in{object_path("some bytes")};
  std::string text;
  std::getline(in, text);
  EXPECT_EQ(text, "other byte");
}

TEST_F(ObjectStoreTest, OneOfManyEqualUploadsWinsAndAllSucceed) {
  const Repository repository = world_->repository();
  std::atomic<int> anew = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        if (world_->put(repository, "the same") == ObjectStore::Added::anew) ++anew;
      });
    }
  }
  EXPECT_EQ(anew, 1);
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, AConfigIsWrittenOnceWhateverItsHash) {
  const Repository repository = world_->repository();
  const auto put = [&](std::string_view bytes) {
    const auto upload = world_->begin(repository, format::config_name(), bytes.size());
    upload->write(bytes_of(bytes));
    return world_->store->add(repository, *upload);
  };
  EXPECT_EQ(error_of([&] { return put(""); }), "usage");
  EXPECT_EQ(put("one"), ObjectStore::Added::anew);
  EXPECT_EQ(put("one"), ObjectStore::Added::again);
  EXPECT_EQ(error_of([&] { return put("two"); }), "exists");
}

TEST_F(ObjectStoreTest, RemovedObjectsLieInTheTrash) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  EXPECT_TRUE(world_->store->remove(repository, object_of("some bytes"), world_->principal));
  EXPECT_FALSE(world_->store->remove(repository, object_of("some bytes"), world_->principal));
  EXPECT_EQ(world_->files_in(world_->directory.trash()), 1U);
  expect_consistent(repository);
  start_again();
  EXPECT_EQ(world_->files_in(world_->directory.trash()), 1U);
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, LocksAreRemovedForGood) {
  const Repository repository = world_->repository();
  world_->put(repository, "a lock", ObjectType::lock);
  EXPECT_TRUE(
      world_->store->remove(repository, object_of("a lock", ObjectType::lock), world_->principal));
  EXPECT_EQ(world_->files_in(world_->directory.trash()), 0U);
  EXPECT_TRUE(world_->listed(repository, ObjectType::lock).empty());
}

TEST_F(ObjectStoreTest, ALockOfAClientOnTheDirectoryIsSeenAndBelongsToNobody) {
  const Repository repository = world_->repository();
  const auto name = object_of("their lock", ObjectType::lock);
  std::ofstream{path_ + "/repo/" + name.path()} << "their lock";
  EXPECT_EQ(world_->listed(repository, ObjectType::lock).size(), 1U);
  EXPECT_FALSE(world_->store->is_own(repository, name, world_->principal));
  // To send the same bytes makes nobody its owner.
  EXPECT_EQ(world_->put(repository, "their lock", ObjectType::lock), ObjectStore::Added::again);
  EXPECT_FALSE(world_->store->is_own(repository, name, world_->principal));
}

TEST_F(ObjectStoreTest, TheTrashIsEmptiedWhenItsTimeHasCome) {
  const Repository repository = world_->repository();
  world_->put(repository, "old");
  world_->put(repository, "new");
  world_->store->remove(repository, object_of("old"), world_->principal);
  world_->clock.advance(std::chrono::hours{1});
  world_->store->remove(repository, object_of("new"), world_->principal);
  EXPECT_EQ(world_->store->empty_trash_before(world_->clock.now().s), 1U);
  EXPECT_EQ(world_->files_in(world_->directory.trash()), 1U);
}

TEST_F(ObjectStoreTest, WhatIsRestoredIsThereAsBefore) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  world_->store->remove(repository, object_of("some bytes"), world_->principal);
  world_->queue->commit([&](Change& change) {
    const auto rows = change.catalog().trash();
    ASSERT_EQ(rows.size(), 1U);
    restore_from_trash(world_->directory, change.catalog(), rows[0].id, 0);
  });
  EXPECT_EQ(world_->listed(repository).size(), 1U);
  EXPECT_TRUE(world_->store->is_own(repository, object_of("some bytes"), world_->principal));
  start_again();
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, ARepositoryThatWasMadeByOthersIsTakenIn) {
  {
    const Repository repository = world_->repository("team/repo");
    world_->put(repository, "some bytes");
  }
  std::filesystem::copy(path_ + "/team/repo", path_ + "/other",
                        std::filesystem::copy_options::recursive);
  EXPECT_FALSE(world_->store->find(repository_name("other"))) << "it has no config yet";
  std::ofstream{path_ + "/other/config"} << "config";
  const auto other = world_->store->find(repository_name("other"));
  ASSERT_TRUE(other);
  EXPECT_EQ(world_->listed(*other).size(), 1U);
  EXPECT_EQ(world_->ledger->used_by_repository(other->id), 16U);
}

TEST_F(ObjectStoreTest, ARepositoryWhoseDirectoryIsGoneIsNotEmpty) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  std::filesystem::rename(path_ + "/repo", path_ + "/elsewhere");
  EXPECT_EQ(error_of([&] { return world_->store->open(repository, object_of("some bytes")); }),
            "unavailable");
  EXPECT_EQ(error_of([&] { return world_->put(repository, "more"); }), "unavailable");
  EXPECT_EQ(world_->ledger->reserved(), 0U);
}

TEST_F(ObjectStoreTest, AMissingDirectoryIsNoEmptyList) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  std::filesystem::rename(path_ + "/repo/locks", path_ + "/repo/gone");
  EXPECT_EQ(error_of([&] { return world_->listed(repository, ObjectType::lock); }), "unavailable");
  std::filesystem::rename(path_ + "/repo/data", path_ + "/repo/gone too");
  EXPECT_EQ(error_of([&] {
              world_->queue->commit([&](Change& change) {
                const auto root = world_->directory.open_repository(repository.name);
                scan_repository(RepositoryFiles{root->get()}, change.catalog(), repository.id, 0);
              });
              return 0;
            }),
            "unavailable");
  EXPECT_EQ(world_->listed(repository).size(), 1U) << "the rows stay";
}

TEST_F(ObjectStoreTest, NoSymbolicLinkIsFollowed) {
  const Repository repository = world_->repository();
  const std::string outside = directory_ / "outside";
  std::filesystem::create_directory(outside);
  std::ofstream{outside + "/secret"} << "secret";
  std::filesystem::create_symlink(outside, path_ + "/linked");
  EXPECT_EQ(error_of([&] { return world_->store->find(repository_name("linked")); }), "denied");
  std::filesystem::create_directory(path_ + "/repo/data/ab");
  const std::string id = "ab" + std::string(62, '0');
  std::filesystem::create_symlink(outside + "/secret", path_ + "/repo/data/ab/" + id);
  EXPECT_EQ(error_of([&] {
              return world_->store->open(repository, {ObjectType::pack, *ObjectId::parse(id)});
            }),
            "denied");
  // A shard that leads out: nothing is written through it.
  const auto name = object_of("some bytes");
  std::filesystem::create_directory_symlink(outside,
                                            path_ + "/repo/data/" + name.id.hex().substr(0, 2));
  EXPECT_EQ(error_of([&] { return world_->put(repository, "some bytes"); }), "denied");
  EXPECT_FALSE(std::filesystem::exists(outside + "/" + name.id.hex()));
}

TEST_F(ObjectStoreTest, AFifoUnderAnObjectsNameDoesNotHang) {
  const Repository repository = world_->repository();
  const std::string id = "ab" + std::string(62, '0');
  std::filesystem::create_directory(path_ + "/repo/data/ab");
  ASSERT_EQ(::mkfifo((path_ + "/repo/data/ab/" + id).c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] {
              return world_->store->open(repository, {ObjectType::pack, *ObjectId::parse(id)});
            }),
            "corrupt");
}

TEST_F(ObjectStoreTest, AFailedSyncOfTheBytesPublishesNothing) {
  const Repository repository = world_->repository();
  fail_system_call(SystemCall::fsync, EIO);
  EXPECT_EQ(error_of([&] { return world_->put(repository, "some bytes"); }), "io");
  EXPECT_TRUE(world_->in_directory(repository).empty());
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, AFullDiskIsNoSpaceAndLeavesNothing) {
  const Repository repository = world_->repository();
  fail_system_call(SystemCall::pwrite, ENOSPC);
  EXPECT_EQ(error_of([&] { return world_->put(repository, "some bytes"); }), "no_space");
  expect_consistent(repository);
}

TEST_F(ObjectStoreTest, WhenTheCommitFailsTheNextRequestSettlesIt) {
  const Repository repository = world_->repository();
  world_->put(repository, "before");
  // The bytes' own sync succeeds, the directory's does not: named, and no row.
  fail_system_call(SystemCall::fsync, EIO, 2);
  const auto name = object_of("a lock", ObjectType::lock);
  EXPECT_EQ(error_of([&] { return world_->put(repository, "a lock", ObjectType::lock); }), "io");
  vgerfs::testing::clear_system_faults();
  EXPECT_EQ(world_->put(repository, "a lock", ObjectType::lock), ObjectStore::Added::again);
  EXPECT_TRUE(world_->store->is_own(repository, name, world_->principal)) << "who sent it first";
  EXPECT_EQ(world_->files_in(world_->directory.uploads()), 0U);
  EXPECT_EQ(world_->ledger->reserved(), 0U);
}

/// Where a power cut may fall: what the trace shows in this order is durable in this order.
TEST_F(ObjectStoreTest, BytesAreDurableBeforeTheNameAndThatBeforeTheRow) {
  const Repository repository = world_->repository();
  vgerfs::testing::clear_system_faults();
  world_->put(repository, "some bytes");
  const auto trace = vgerfs::testing::system_call_trace();
  const std::string id = object_of("some bytes").id.hex();
  const auto first = [&](const std::function<bool(const std::string&)>& wanted, std::size_t from) {
    while (from < trace.size() && !wanted(trace[from])) ++from;
    EXPECT_LT(from, trace.size());
    return from;
  };
  const auto bytes = first(
      [&](const std::string& call) {
        return call.substr(0, 6) == "fsync " && call.find("." + id + ".") != std::string::npos;
      },
      0);
  const auto link = first([&](const std::string& call) { return call == "link " + id; }, bytes);
  const auto directory =
      first([&](const std::string& call) { return call == "fsync " + id.substr(0, 2); }, link);
  first(
      [](const std::string& call) {
        return call == "fdatasync" || call.find("database.sqlite") != std::string::npos;
      },
      directory);
  EXPECT_EQ(std::count(trace.begin(), trace.end(), "link " + id), 1);
}

/// The run that made it may have ended between that and its sync.
TEST_F(ObjectStoreTest, ADirectoryThatWasThereAlreadyIsDurableBeforeTheRow) {
  const Repository repository = world_->repository();
  const std::string id = object_of("some bytes").id.hex();
  std::filesystem::create_directory(path_ + "/repo/data/" + id.substr(0, 2));
  vgerfs::testing::clear_system_faults();
  world_->put(repository, "some bytes");
  const auto trace = vgerfs::testing::system_call_trace();
  const auto link = std::find(trace.begin(), trace.end(), "link " + id);
  const auto row = std::find(link, trace.end(), "fdatasync");
  EXPECT_NE(std::find(link, row, "fsync " + id.substr(0, 2)), row);
  EXPECT_NE(std::find(link, row, "fsync data"), row);
  EXPECT_NE(row, trace.end());
}

TEST_F(ObjectStoreTest, WhenOneOfManyDirectoriesIsNotDurableNothingIsCommitted) {
  constexpr int kDirectories = 40;
  for (const int failing : {1, 2, kDirectories / 2, kDirectories}) {
    vgerfs::testing::clear_system_faults();
    fail_system_call(SystemCall::fsync, EIO, failing);
    EXPECT_EQ(error_of([&] {
                world_->queue->commit([&](Change& change) {
                  change.catalog().add_repository(repository_name("new"), 0);
                  for (int i = 0; i < kDirectories; ++i) {
                    change.sync_before_commit(std::to_string(i),
                                              open_file(path_, O_RDONLY | O_DIRECTORY));
                  }
                });
                return 0;
              }),
              "io")
        << failing;
    const auto trace = vgerfs::testing::system_call_trace();
    EXPECT_EQ(std::count(trace.begin(), trace.end(), "fsync data"), kDirectories - 1)
        << "each is tried, once";
  }
  EXPECT_EQ(world_->store->repository_count(), 0U);
}

TEST_F(ObjectStoreTest, ARemovalIsDurableInBothDirectoriesBeforeItsRow) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  vgerfs::testing::clear_system_faults();
  world_->store->remove(repository, object_of("some bytes"), world_->principal);
  const auto trace = vgerfs::testing::system_call_trace();
  const auto at = [&](const std::string& call) {
    return std::find(trace.begin(), trace.end(), call) - trace.begin();
  };
  const auto renamed =
      std::find_if(trace.begin(), trace.end(),
                   [](const std::string& call) { return call.substr(0, 7) == "rename "; }) -
      trace.begin();
  const auto row = std::find_if(trace.begin() + renamed, trace.end(),
                                [](const std::string& call) {
                                  return call == "fdatasync" ||
                                         call.find("database.sqlite") != std::string::npos;
                                }) -
                   trace.begin();
  const std::string shard = object_of("some bytes").id.hex().substr(0, 2);
  EXPECT_LT(renamed, at("fsync trash"));
  EXPECT_LT(renamed, at("fsync " + shard));
  EXPECT_LT(at("fsync trash"), row);
  EXPECT_LT(at("fsync " + shard), row);
}

TEST_F(ObjectStoreTest, AFailedRemovalIsNoRemoval) {
  const Repository repository = world_->repository();
  world_->put(repository, "some bytes");
  fail_system_call(SystemCall::renameat2, EIO);
  EXPECT_EQ(error_of([&] {
              return world_->store->remove(repository, object_of("some bytes"), world_->principal);
            }),
            "io");
  expect_consistent(repository);
  EXPECT_EQ(world_->listed(repository).size(), 1U);
}

TEST_F(ObjectStoreTest, OnAFullDiskNothingThatWasAcknowledgedIsLost) {
  const std::string why = vgerfs::testing::why_no_private_mounts();
  if (!why.empty()) GTEST_SKIP() << why;
  const std::string small = directory_ / "small";
  std::filesystem::create_directory(small);
  world_.reset();  // the thread sanitizer starts no threads in a child of a process that has some
  const int code = vgerfs::testing::run_in_child([&] {
    vgerfs::testing::enter_private_mounts();
    vgerfs::testing::mount_tmpfs(small, 4 << 20);
    StoreWorld world{small + "/data"};
    const Repository repository = world.repository();
    // What a floor would have left.
    std::ofstream{small + "/left"} << std::string(200'000, 'x');
    std::map<std::string, std::uint64_t> acknowledged;
    bool was_full = false;
    for (int i = 0; i < 100 && !was_full; ++i) {
      const std::string bytes(100'000, static_cast<char>('!' + i));
      try {
        world.put(repository, bytes);
        acknowledged[object_of(bytes).id.hex()] = bytes.size();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::no_space) << error.what();
        was_full = true;
      }
    }
    EXPECT_TRUE(was_full);
    EXPECT_EQ(world.listed(repository), acknowledged);
    EXPECT_EQ(world.in_directory(repository), acknowledged);
    EXPECT_EQ(world.ledger->reserved(), 0U);
    // With a floor, what is left is enough to remove, and what was removed can be deleted for good.
    std::filesystem::remove(small + "/left");
    world.limits.min_free_bytes = 1;
    world.free_bytes = world.directory.disk_space().free_bytes;
    const auto victim = ObjectId::parse(acknowledged.begin()->first);
    EXPECT_TRUE(world.store->remove(repository, {ObjectType::pack, *victim}, world.principal));
    EXPECT_EQ(world.store->empty_trash_before(world.clock.now().s + 1), 1U);
    world.free_bytes = world.directory.disk_space().free_bytes;
    EXPECT_EQ(world.put(repository, std::string(50'000, ' ')), ObjectStore::Added::anew);
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace vgerfs::server
