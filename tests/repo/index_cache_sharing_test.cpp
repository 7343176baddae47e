// The index cache with many threads, many processes, and processes that are killed.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "repo/index_cache.h"
#include "repo/index_examples.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using examples::chunk;
using examples::kRepository;
using examples::make_author;
using examples::make_id;
using examples::make_pack;
using examples::make_record;
using examples::record_id;

constexpr std::uint64_t kChunksInRecord = 200;

IndexRecord simple_record(std::uint64_t number) {
  std::vector<std::vector<ChunkId>> blocks;
  for (std::uint64_t i = 0; i < kChunksInRecord; ++i) {
    if (i % 50 == 0) blocks.emplace_back();
    blocks.back().push_back(chunk(number * kChunksInRecord + i));
  }
  return make_record("full", Role::full, {make_pack(fmt::format("p{}", number), blocks)});
}

/// Whether a record and all of its chunks are there.
bool is_whole(IndexCache& cache, std::uint64_t number) {
  if (!cache.has_record(record_id(number))) return false;
  for (std::uint64_t i = 0; i < kChunksInRecord; ++i) {
    const ChunkId id = chunk(number * kChunksInRecord + i);
    if (cache.find(id).size() != 1 || !cache.knows(id, make_author("x"), DedupPolicy::trusted))
      return false;
  }
  return true;
}

class IndexCacheSharing : public ::testing::Test {
 protected:
  std::unique_ptr<IndexCache> open() { return IndexCache::open(directory_.path(), kRepository); }

  /// Runs `work` in another process. SQLite forbids to take a connection along: none may be open.
  static pid_t start(const std::function<bool()>& work) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    bool good = false;
    try {
      good = work();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    ::_exit(good ? 0 : 1);
  }
  static int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::mt19937_64 random_{vgerfs::testing::test_seed()};
};

TEST_F(IndexCacheSharing, ThreadsApplyAndAskAtTheSameTime) {
  const auto cache = open();
  constexpr std::uint64_t kCount = 24;
  std::atomic<std::uint64_t> next{0};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        for (std::uint64_t number = next++; number < kCount; number = next++) {
          cache->apply(record_id(number), simple_record(number), 1);
          if (!is_whole(*cache, number)) ++wrong;
        }
      });
    }
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        while (next < kCount) {
          for (std::uint64_t number = 0; number < kCount; ++number) {
            // Once it says that a record is applied, nothing of it is missing.
            if (cache->has_record(record_id(number)) && !is_whole(*cache, number)) ++wrong;
          }
          cache->totals();
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache->totals().chunks, kCount * kChunksInRecord);
}

TEST_F(IndexCacheSharing, ProcessesApplyTheSameRecords) {
  constexpr std::uint64_t kCount = 12;
  const auto work = [this] {
    const auto cache = open();
    for (std::uint64_t i = 0; i < kCount; ++i) cache->apply(record_id(i), simple_record(i), 1);
    for (std::uint64_t i = 0; i < kCount; ++i) {
      if (!is_whole(*cache, i)) return false;
    }
    return true;
  };
  const std::vector<pid_t> children{start(work), start(work)};
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  const auto cache = open();
  EXPECT_EQ(cache->totals().records, kCount);
  EXPECT_EQ(cache->totals().chunks, kCount * kChunksInRecord);
  EXPECT_NO_THROW(cache->check_once());
}

TEST_F(IndexCacheSharing, WhatAnotherInstanceAppliedIsKnownOnceItsRecordIsSeen) {
  const auto mine = open();
  const auto other = open();
  EXPECT_FALSE(mine->knows(chunk(0), make_author("x"), DedupPolicy::trusted));
  // Enough for the filter to be replaced by a larger one, several times.
  for (std::uint64_t i = 0; i < 3; ++i) {
    auto record = simple_record(i);
    for (auto& block : record.packs[0].blocks) {
      for (std::uint64_t k = 0; k < 12'000; ++k) {
        block.chunks.push_back({make_id<ChunkId>("more", random_()), 1});
      }
    }
    other->apply(record_id(i), record, 1);
    EXPECT_TRUE(is_whole(*mine, i));
    EXPECT_TRUE(mine->knows(record.packs[0].blocks[1].chunks.back().id, make_author("x"),
                            DedupPolicy::trusted));
  }
  mine->apply(record_id(9), simple_record(9), 1);
  EXPECT_TRUE(is_whole(*other, 9));
}

TEST_F(IndexCacheSharing, TheFilterGrowsWithTheIndex) {
  const auto cache = open();
  std::vector<ChunkId> ids;
  std::uint64_t number = 0;
  const auto size = [&] { return std::filesystem::file_size(directory_ / "index.filter"); };
  const auto first = size();
  while (ids.size() < 150'000) {
    std::vector<std::vector<ChunkId>> blocks(2);
    for (auto& block : blocks) {
      for (int i = 0; i < 10'000; ++i) {
        block.push_back(make_id<ChunkId>("grown", ids.size()));
        ids.push_back(block.back());
      }
    }
    cache->apply(record_id(++number),
                 make_record("a", Role::full, {make_pack(fmt::format("g{}", number), blocks)}), 1);
  }
  EXPECT_GE(size(), 2 * first);
  for (std::size_t i = 0; i < ids.size(); i += vgerfs::testing::test_size(7U, 97U)) {
    ASSERT_TRUE(cache->knows(ids[i], make_author("x"), DedupPolicy::trusted));
  }
}

TEST_F(IndexCacheSharing, ALostFilterIsMadeFromTheDatabase) {
  open()->apply(record_id(1), simple_record(1), 1);
  std::filesystem::remove(directory_ / "index.filter");
  EXPECT_TRUE(is_whole(*open(), 1));
}

TEST_F(IndexCacheSharing, WithoutAFilterEverythingIsStillKnown) {
  std::filesystem::create_directory(directory_ /
                                    "index.filter");  // it can be neither read nor replaced
  const auto cache = open();
  cache->apply(record_id(1), simple_record(1), 1);
  EXPECT_TRUE(is_whole(*cache, 1));
  EXPECT_FALSE(cache->knows(chunk(1), make_author("x"), DedupPolicy::trusted));
}

// Whatever a record claims to have added is there, whenever the program was killed.
TEST_F(IndexCacheSharing, KilledAtAnyMomentItNeverClaimsWhatItLacks) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  const int rounds = vgerfs::testing::test_size(12, 4);
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t from = static_cast<std::uint64_t>(round) * 1000;
    const pid_t child = start([&] {
      const auto cache = open();
      for (std::uint64_t i = from; i < from + 1000; ++i)
        cache->apply(record_id(i), simple_record(i), 1);
      return true;
    });
    std::this_thread::sleep_for(std::chrono::microseconds{5'000 + random() % 60'000});
    ::kill(child, SIGKILL);
    wait_for(child);
    const auto cache = open();
    std::uint64_t applied = from;
    while (cache->has_record(record_id(applied))) ++applied;
    std::printf("killed after %llu records\n", static_cast<unsigned long long>(applied - from));
    for (std::uint64_t i = from; i < applied; ++i) ASSERT_TRUE(is_whole(*cache, i)) << i;
    ASSERT_NO_THROW(cache->check_once());
  }
}

TEST_F(IndexCacheSharing, ALargeRecordIsAppliedInReasonableTime) {
  const std::uint64_t chunks = vgerfs::testing::test_size<std::uint64_t>(300'000, 20'000);
  std::vector<std::vector<ChunkId>> blocks;
  for (std::uint64_t i = 0; i < chunks; ++i) {
    if (i % 4 == 0) blocks.emplace_back();
    blocks.back().push_back(chunk(i));
  }
  const auto record = make_record("full", Role::full, {make_pack("p", blocks)});
  const auto cache = open();
  const auto begin = std::chrono::steady_clock::now();
  cache->apply(record_id(1), record, 1);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%llu chunks applied in %.2f s\n", static_cast<unsigned long long>(chunks),
              took.count());
  EXPECT_EQ(cache->totals().chunks, chunks);
}

}  // namespace
}  // namespace vgerfs::repo
