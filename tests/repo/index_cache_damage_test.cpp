// A damaged cache is noticed: it is made anew, or says that it is damaged; it never gives a wrong
// answer, and never takes its own loss for the repository's.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sqlite.h"
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

constexpr std::uint64_t kRecords = 6;
constexpr std::uint64_t kChunksPerRecord = 400;

IndexRecord example_record(std::uint64_t number) {
  std::vector<std::vector<ChunkId>> blocks;
  for (std::uint64_t i = 0; i < kChunksPerRecord; ++i) {
    if (i % 20 == 0) blocks.emplace_back();
    blocks.back().push_back(chunk(number * kChunksPerRecord + i));
  }
  auto record = make_record("full", Role::full, {make_pack(fmt::format("p{}", number), blocks)});
  if (number > 0) record.after_records = {record_id(number - 1)};
  record.facts.removals = {{make_id<SnapshotId>("s", number), 1}};
  return record;
}

class IndexCacheDamage : public ::testing::Test {
 protected:
  IndexCacheDamage() {
    log::set_level(log::Level::error);
    apply_all(*open());
    good_ = read_whole_file(file_, 1 << 26);
  }
  ~IndexCacheDamage() override { log::set_level(log::Level::warning); }

  std::unique_ptr<IndexCache> open() { return IndexCache::open(directory_.path(), kRepository); }
  static void apply_all(IndexCache& cache) {
    for (std::uint64_t i = 0; i < kRecords; ++i) cache.apply(record_id(i), example_record(i), 1);
  }
  void put_file(ByteView bytes) {
    for (const char* suffix : {"-wal", "-shm", ".discarded"})
      std::filesystem::remove(file_ + suffix);
    replace_file(file_, bytes, 0600);
  }

  static std::string answers(IndexCache& cache) {
    std::string text;
    for (const auto& id : cache.removed_snapshots()) text += id.short_hex();
    auto records = cache.records();
    std::sort(records.begin(), records.end());
    for (const auto& id : records) text += id.short_hex();
    for (const auto& claim : cache.claims()) text += claim.id.short_hex();
    return text;
  }

  // Asks everything. "damaged": it said so. "anew": it was made anew. "right": every answer was.
  std::string examine() {
    std::string found = [&]() -> std::string {
      try {
        const auto cache = open();
        if (cache->totals().records == 0 && cache->records().empty()) {
          apply_all(*cache);
          EXPECT_EQ(answers(*cache), right_answers_);
          return "anew";
        }
        EXPECT_EQ(answers(*cache), right_answers_);
        bool missed = false;
        for (std::uint64_t i = 0; i < kRecords * kChunksPerRecord; ++i) {
          const auto places = cache->find(chunk(i));
          missed = missed || places.empty();
          for (const auto& place : places) {
            EXPECT_EQ(place.pack, make_id<PackId>(fmt::format("p{}", i / kChunksPerRecord)));
            EXPECT_EQ(place.block->offset, 32 + 500 * (i % kChunksPerRecord / 20));
            EXPECT_EQ(place.position, i % 20);
            EXPECT_TRUE(place.trusted);
            EXPECT_EQ(place.author, make_author("full"));
          }
        }
        std::uint64_t packs = 0;
        cache->for_each_pack(true, [&](const IndexedPack& pack) {
          EXPECT_TRUE(pack.trusted);
          EXPECT_EQ(pack.description.blocks.size(), kChunksPerRecord / 20);
          ++packs;
        });
        if (missed) {
          cache->check_once();
          ADD_FAILURE() << "a chunk is missing, and the cache swears that it is whole";
        }
        EXPECT_EQ(packs, kRecords);
        return "right";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
        return "damaged";
      }
    }();
    if (found == "damaged") {
      // What was said once is remembered: the next run has a new one.
      const auto cache = open();
      EXPECT_TRUE(cache->records().empty());
      apply_all(*cache);
      EXPECT_EQ(cache->find(chunk(7)).size(), 1U);
    }
    return found;
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string file_ = directory_ / "index.sqlite";
  Bytes good_;
  std::string right_answers_ = [this] {
    const auto cache = open();
    apply_all(*cache);
    return answers(*cache);
  }();
};

TEST_F(IndexCacheDamage, TheUndamagedFileIsRight) { EXPECT_EQ(examine(), "right"); }

TEST_F(IndexCacheDamage, ATruncatedFileIsMadeAnew) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{99}, std::size_t{4096},
                                 std::size_t{5000}, good_.size() / 2, good_.size() - 4096}) {
    put_file(ByteView{good_}.first(size));
    EXPECT_EQ(examine(), "anew") << size;
  }
  put_file({});
  EXPECT_EQ(examine(), "anew");
  put_file(ByteView{good_}.first(good_.size() - 1));  // no page is missing as a whole
  EXPECT_NE(examine(), "");
}

TEST_F(IndexCacheDamage, AnotherKindOfFileIsMadeAnew) {
  put_file(Bytes(100'000, std::byte{'x'}));
  EXPECT_EQ(examine(), "anew");
}

TEST_F(IndexCacheDamage, AFlippedByteNeverGivesAWrongAnswer) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  std::map<std::string, int> seen;
  const int rounds = vgerfs::testing::test_size(60, 10);
  for (int round = 0; round < rounds; ++round) {
    Bytes bad = good_;
    const std::size_t at = random() % bad.size();
    bad[at] ^= static_cast<std::byte>(1U << (random() % 8));
    put_file(bad);
    ++seen[examine()];
    ASSERT_FALSE(HasFailure()) << "byte " << at;
  }
  for (const auto& [what, count] : seen) std::printf("%s: %d\n", what.c_str(), count);
}

TEST_F(IndexCacheDamage, APageOfRubbishNeverGivesAWrongAnswer) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  for (std::size_t page = 0; page < good_.size() / 4096;
       page += vgerfs::testing::test_size<std::size_t>(7, 30)) {
    Bytes bad = good_;
    for (std::size_t i = 0; i < 4096; ++i) bad[page * 4096 + i] = static_cast<std::byte>(random());
    put_file(bad);
    EXPECT_NE(examine(), "");
    ASSERT_FALSE(HasFailure()) << "page " << page;
  }
}

TEST_F(IndexCacheDamage, AChunkWhoseRowIsLostIsNotReportedAsLost) {
  Database{file_, {}}
      .query("DELETE FROM chunk WHERE prefix = ?1")
      .bind(static_cast<std::int64_t>(chunk(5).prefix()))
      .run();
  const auto cache = open();
  EXPECT_TRUE(cache->find(chunk(5)).empty());
  try {
    cache->check_once();
    FAIL() << "it swears that it is whole";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_THROW(cache->find(chunk(6)), Error) << "after damage has shown, absence could be a lie";
  EXPECT_TRUE(open()->records().empty());
}

TEST_F(IndexCacheDamage, EveryChangedColumnIsNoticed) {
  const auto change = [&](const char* sql, const std::function<void(IndexCache&)>& ask) {
    put_file(good_);
    Database{file_, {}}.execute(sql);
    const auto cache = open();
    EXPECT_THROW(ask(*cache), Error) << sql;
  };
  const auto find = [](IndexCache& cache) { cache.find(chunk(0)); };
  const auto packs = [](IndexCache& cache) {
    cache.for_each_pack(true, [](const IndexedPack&) {});
  };
  for (const char* column : {"offset", "stored_bytes", "kind", "crc"}) {
    change(fmt::format("UPDATE block SET {0} = {0} + 1", column).c_str(), find);
  }
  for (const char* column : {"kind", "stored_bytes", "crc"}) {
    change(fmt::format("UPDATE pack SET {0} = {0} + 1", column).c_str(), packs);
  }
  change("UPDATE pack SET trusted = 0", find);
  change("UPDATE pack SET name = randomblob(32)", find);
  change("UPDATE author SET key = randomblob(32)", find);
  change("UPDATE pack SET author = 77", find);
  change("UPDATE block SET pack = 77", find);
  change("UPDATE block SET tag = randomblob(16)", find);
  change("UPDATE block SET ids = randomblob(length(ids))", find);
  change("UPDATE block SET lengths = randomblob(length(lengths))", find);
  change("UPDATE block SET lengths = randomblob(3)", find);
  change("UPDATE pack SET blocks = blocks + 1", packs);
  change("UPDATE source SET record = 77", packs);
  change("DELETE FROM source", packs);
  change("UPDATE record SET name = randomblob(32) WHERE id = 2",
         [](IndexCache& cache) { cache.records(); });
  change("UPDATE claim SET trusted = 0", [](IndexCache& cache) { cache.claims(); });
  change("DELETE FROM claim", [](IndexCache& cache) { cache.claims(); });
  change("UPDATE fact SET subject = randomblob(32) WHERE kind = 1",
         [](IndexCache& cache) { cache.removed_snapshots(); });
  change("UPDATE fact SET value = value + 1", [](IndexCache& cache) { cache.facts(); });
  change("INSERT INTO fact VALUES (4, randomblob(32), zeroblob(32), 0, x'')",
         [](IndexCache& cache) { cache.check_once(); });
  change("DELETE FROM block WHERE id = 3", [](IndexCache& cache) { cache.check_once(); });
}

TEST_F(IndexCacheDamage, AnotherSchemaIsMadeAnew) {
  for (const char* sql : {"DELETE FROM total", "DELETE FROM meta", "DROP TABLE meta",
                          "DROP TABLE total", "ALTER TABLE total RENAME COLUMN chunks TO bites"}) {
    put_file(good_);
    Database{file_, {}}.execute(sql);
    EXPECT_EQ(examine(), "anew") << sql;
  }
  put_file(good_);
  Database{file_, {}}.execute("ALTER TABLE block RENAME COLUMN ids TO odds");
  EXPECT_EQ(examine(), "damaged");
}

TEST_F(IndexCacheDamage, DiscardedMeansMadeAnew) {
  const auto generation = open()->generation();
  IndexCache::discard(directory_.path());
  const auto cache = open();
  EXPECT_TRUE(cache->records().empty());
  EXPECT_NE(cache->generation(), generation);
  EXPECT_FALSE(cache->knows(chunk(1), make_author("full"), DedupPolicy::all));
}

// A mount runs on while another program makes the cache anew.
TEST_F(IndexCacheDamage, AnotherUserOfADiscardedCacheGoesOnWithTheNewOne) {
  const auto mount = open();
  const auto generation = mount->generation();
  EXPECT_EQ(mount->find(chunk(1)).size(), 1U);
  IndexCache::discard(directory_.path());
  const auto other = open();
  EXPECT_NE(mount->generation(), generation) << "how the mount sees that it has to apply again";
  EXPECT_FALSE(mount->has_record(record_id(0)));
  EXPECT_TRUE(mount->find(chunk(1)).empty());
  other->apply(record_id(0), example_record(0), 1);
  mount->apply(record_id(1), example_record(1), 1);
  for (const auto* cache : {&mount, &other}) {
    EXPECT_EQ((*cache)->records().size(), 2U);
    for (const std::uint64_t number : {std::uint64_t{1}, kChunksPerRecord + 1}) {
      EXPECT_EQ((*cache)->find(chunk(number)).size(), 1U);
      EXPECT_TRUE((*cache)->knows(chunk(number), make_author("full"), DedupPolicy::trusted));
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo
