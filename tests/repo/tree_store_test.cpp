#include "repo/tree_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sqlite.h"
#include "repo/index_examples.h"
#include "repo/local_seal.h"
#include "support/error_of.h"
#include "support/fixed_random.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using examples::make_id;
using vgerfs::testing::code_of;
using vgerfs::testing::random_bytes;

ChunkId chunk_id(std::uint64_t number) { return make_id<ChunkId>("chunk", number); }

class TreeStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<TreeStore> open(std::byte key = std::byte{1}) {
    return TreeStore::open(path_, crypto::Secret{Bytes(32, key)}, kRepository);
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "trees.sqlite";
};

TEST_F(TreeStoreTest, GivesBackWhatWasPutBeforeAndAfterTheFlush) {
  const Bytes bytes = random_bytes(1, 1000);
  const auto store = open();
  store->put(ChunkKind::tree, chunk_id(1), bytes);
  EXPECT_TRUE(store->contains(chunk_id(1)));
  EXPECT_EQ(store->get(ChunkKind::tree, chunk_id(1)), bytes);
  store->flush();
  EXPECT_TRUE(store->contains(chunk_id(1)));
  EXPECT_EQ(store->get(ChunkKind::tree, chunk_id(1)), bytes);
  EXPECT_EQ(open()->get(ChunkKind::tree, chunk_id(1)), bytes);
}

TEST_F(TreeStoreTest, WhatIsNotThereIsNotFound) {
  const auto store = open();
  store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 10));
  EXPECT_FALSE(store->contains(chunk_id(2)));
  EXPECT_EQ(code_of([&] { store->get(ChunkKind::tree, chunk_id(2)); }), ErrorCode::not_found);
}

TEST_F(TreeStoreTest, AChunkOfAnotherKindIsNotFound) {
  const auto store = open();
  store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 10));
  EXPECT_EQ(code_of([&] { store->get(ChunkKind::blob, chunk_id(1)); }), ErrorCode::not_found);
  store->flush();
  EXPECT_EQ(code_of([&] { store->get(ChunkKind::blob, chunk_id(1)); }), ErrorCode::not_found);
  EXPECT_TRUE(store->contains(chunk_id(1)));
}

TEST_F(TreeStoreTest, HoldsMoreThanOneBatchInBoundedMemory) {
  const auto store = open();
  for (std::uint64_t i = 0; i < 40; ++i) {
    store->put(ChunkKind::tree, chunk_id(i), random_bytes(i, 256 * 1024));
  }
  // Two batches were written without a flush.
  EXPECT_GE(std::filesystem::file_size(path_) + std::filesystem::file_size(path_ + "-wal"),
            8U << 20);
  for (std::uint64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(store->get(ChunkKind::tree, chunk_id(i)), random_bytes(i, 256 * 1024));
  }
}

TEST_F(TreeStoreTest, NothingReadableLiesOnTheDisk) {
  const std::string name = "a-telling-file-name";
  {
    const auto store = open();
    store->put(ChunkKind::tree, chunk_id(1), bytes_of(name));
    store->flush();
  }
  EXPECT_EQ(text_of(read_whole_file(path_, 1 << 20)).find(name), std::string_view::npos);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(TreeStoreTest, RetainDropsTheRestAndGivesItsSpaceBack) {
  const auto store = open();
  for (std::uint64_t i = 0; i < 100; ++i) {
    store->put(ChunkKind::tree, chunk_id(i), random_bytes(i, 100'000));
  }
  store->flush();
  store->retain([&](const ChunkId& id) {
    EXPECT_TRUE(store->contains(id));  // the store may be used meanwhile
    return id == chunk_id(7);
  });
  EXPECT_TRUE(store->contains(chunk_id(7)));
  EXPECT_FALSE(store->contains(chunk_id(8)));
  EXPECT_EQ(store->get(ChunkKind::tree, chunk_id(7)), random_bytes(7, 100'000));
  Database{path_, {}}.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_LT(std::filesystem::file_size(path_), 1U << 20);
}

TEST_F(TreeStoreTest, AChunkThatWasChangedIsCorruptThenGoneThenCanBePutAgain) {
  open()->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 1000));
  {
    const auto store = open();
    store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 1000));
    store->flush();
  }
  {
    Database database{path_, {}};
    Bytes sealed;
    {
      auto row = database.query("SELECT sealed FROM chunk");
      ASSERT_TRUE(row.step());
      sealed.assign(row.blob(0).begin(), row.blob(0).end());
    }
    sealed[500] ^= std::byte{1};
    database.query("UPDATE chunk SET sealed = ?1").bind(sealed).run();
  }
  const auto store = open();
  EXPECT_EQ(code_of([&] { store->get(ChunkKind::tree, chunk_id(1)); }), ErrorCode::corrupt);
  EXPECT_FALSE(store->contains(chunk_id(1)));
  store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 1000));
  EXPECT_EQ(store->get(ChunkKind::tree, chunk_id(1)), random_bytes(1, 1000));
}

TEST_F(TreeStoreTest, ChunksThatWereSwappedAreCorrupt) {
  {
    const auto store = open();
    store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 100));
    store->flush();
  }
  Database{path_, {}}.query("UPDATE chunk SET id = ?1").bind(chunk_id(2)).run();
  EXPECT_EQ(code_of([&] { open()->get(ChunkKind::tree, chunk_id(2)); }), ErrorCode::corrupt);
}

TEST_F(TreeStoreTest, AnotherKeyReadsNothing) {
  {
    const auto store = open();
    store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 100));
    store->flush();
  }
  const auto store = open(std::byte{2});
  EXPECT_EQ(code_of([&] { store->get(ChunkKind::tree, chunk_id(1)); }), ErrorCode::corrupt);
}

// No key ever seals two contents, even when the directory is copied back to an earlier state and
// the random source repeats itself: the rows of both futures have different salts.
TEST_F(TreeStoreTest, TwoFuturesOfOneStateNeverShareASalt) {
  auto random = vgerfs::testing::FixedRandom::constant(std::byte{3});
  const auto seal_one = [&](std::string_view content) {
    {
      const auto store =
          TreeStore::open(path_, crypto::Secret{Bytes(32, std::byte{1})}, kRepository, random);
      store->put(ChunkKind::tree, chunk_id(1), bytes_of(content));
      store->flush();
    }
    Bytes sealed;
    {
      Database database{path_, {}};
      auto row = database.query("SELECT sealed FROM chunk");
      EXPECT_TRUE(row.step());
      sealed.assign(row.blob(0).begin(), row.blob(0).end());
    }
    std::filesystem::remove(path_);
    return Bytes{sealed.begin() + 1, sealed.begin() + 33};
  };
  EXPECT_NE(seal_one("one"), seal_one("two"));
  EXPECT_EQ(seal_one("one"), seal_one("one"));
}

TEST_F(TreeStoreTest, ADamagedDatabaseIsMadeAnew) {
  {
    const auto store = open();
    for (std::uint64_t i = 0; i < 50; ++i) {
      store->put(ChunkKind::tree, chunk_id(i), random_bytes(i, 5000));
    }
    store->flush();
  }
  ASSERT_EQ(::truncate(path_.c_str(), 20'000), 0);
  const auto store = open();
  EXPECT_FALSE(store->contains(chunk_id(1)));
  store->put(ChunkKind::tree, chunk_id(1), random_bytes(1, 10));
  store->flush();
  EXPECT_TRUE(store->contains(chunk_id(1)));
}

TEST_F(TreeStoreTest, ThreadsAndProcessesShareIt) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  const auto work = [&](std::uint64_t base) {
    const auto store = open();
    std::vector<std::jthread> threads;
    std::atomic<int> failures{0};
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        try {
          for (std::uint64_t i = 0; i < 30; ++i) {
            const std::uint64_t number = base + t * 30 + i;
            store->put(ChunkKind::tree, chunk_id(number), random_bytes(number, 3000));
            if (i % 10 == 0) store->flush();
            if (store->get(ChunkKind::tree, chunk_id(number)) != random_bytes(number, 3000))
              ++failures;
          }
        } catch (const std::exception& error) {
          std::fprintf(stderr, "%s\n", error.what());
          ++failures;
        }
      });
    }
    threads.clear();
    store->flush();
    return failures.load();
  };
  if (child == 0) ::_exit(work(0));
  EXPECT_EQ(work(1000), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const auto store = open();
  for (std::uint64_t i = 0; i < 120; ++i) {
    EXPECT_TRUE(store->contains(chunk_id(i)));
    EXPECT_TRUE(store->contains(chunk_id(1000 + i)));
  }
}

}  // namespace
}  // namespace vgerfs::repo
