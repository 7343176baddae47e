#include "repo/index_cache.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repo/index_examples.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using examples::make_author;
using examples::make_id;
using examples::make_pack;
using examples::make_record;
using examples::record_id;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const ChunkId kChunkA = make_id<ChunkId>("a");
const ChunkId kChunkB = make_id<ChunkId>("b");
const ChunkId kChunkC = make_id<ChunkId>("c");

class IndexCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<IndexCache> open() { return IndexCache::open(directory_ / "cache", kRepository); }

  vgerfs::testing::TemporaryDirectory directory_;
};

TEST_F(IndexCacheTest, FindsAChunkWithItsWholeBlock) {
  const auto cache = open();
  const PackDescription pack = make_pack("p", {{kChunkC}, {kChunkA, kChunkB}});
  cache->apply(record_id(1), make_record("full", Role::full, {pack}), 1000);

  const auto places = cache->find(kChunkB);
  ASSERT_EQ(places.size(), 1U);
  const ChunkPlace& place = places[0];
  EXPECT_EQ(place.pack, pack.id);
  EXPECT_EQ(place.position, 1U);
  EXPECT_EQ(place.offset, 1000U);
  EXPECT_TRUE(place.trusted);
  EXPECT_EQ(place.author, make_author("full"));
  const BlockEntry& block = pack.blocks[1];
  EXPECT_EQ(place.block->offset, block.offset);
  EXPECT_EQ(place.block->stored_bytes, block.stored_bytes);
  EXPECT_EQ(place.block->tag, block.tag);
  EXPECT_EQ(place.block->chunk_kind, ChunkKind::data);
  ASSERT_EQ(place.block->chunks.size(), 2U);
  EXPECT_EQ(place.block->chunks[0].id, kChunkA);
  EXPECT_EQ(place.block->chunks[1].plain_bytes, 1001U);
}

TEST_F(IndexCacheTest, AnUnknownChunkHasNoPlaces) {
  const auto cache = open();
  cache->apply(record_id(1), make_record("full", Role::full, {make_pack("p", {{kChunkA}})}), 1);
  EXPECT_THAT(cache->find(kChunkB), IsEmpty());
  EXPECT_FALSE(cache->knows(kChunkB, make_author("full"), DedupPolicy::all));
}

TEST_F(IndexCacheTest, ChunksWithOnePrefixAreToldApart) {
  const auto cache = open();
  auto raw = kChunkA.bytes();
  raw[31] ^= std::byte{1};
  const ChunkId similar{raw};
  cache->apply(record_id(1), make_record("full", Role::full, {make_pack("p", {{kChunkA}})}), 1);
  EXPECT_THAT(cache->find(similar), IsEmpty());
  EXPECT_FALSE(cache->knows(similar, make_author("full"), DedupPolicy::all));
  cache->apply(record_id(2), make_record("full", Role::full, {make_pack("q", {{similar}})}), 1);
  ASSERT_EQ(cache->find(similar).size(), 1U);
  EXPECT_EQ(cache->find(similar)[0].pack, make_id<PackId>("q"));
  ASSERT_EQ(cache->find(kChunkA).size(), 1U);
  EXPECT_EQ(cache->find(kChunkA)[0].pack, make_id<PackId>("p"));
}

TEST_F(IndexCacheTest, ABlockThatGotTheRowOfAnotherIsNotTakenForIt) {
  const auto cache = open();
  const auto p = make_pack("p", {{kChunkA}});
  const auto q = make_pack("q", {{kChunkB, kChunkC}});
  cache->apply(record_id(1), make_record("full", Role::full, {p}), 1);
  ASSERT_EQ(cache->find(kChunkA).size(), 1U);
  auto burial = make_record("full", Role::full);
  burial.facts.buried = {p.id};
  cache->apply(record_id(2), burial, 1);
  cache->apply(record_id(3), make_record("full", Role::full, {q}), 1);
  EXPECT_THAT(cache->find(kChunkA), IsEmpty());
  const auto places = cache->find(kChunkC);
  ASSERT_EQ(places.size(), 1U);
  EXPECT_EQ(places[0].pack, q.id);
  EXPECT_EQ(places[0].position, 1U);
  EXPECT_EQ(places[0].block->chunks.size(), 2U);
}

TEST_F(IndexCacheTest, TrustedPlacesComeFirst) {
  const auto cache = open();
  cache->apply(record_id(1), make_record("client", Role::ingest, {make_pack("p", {{kChunkA}})}), 1);
  cache->apply(record_id(2), make_record("full", Role::full, {make_pack("q", {{kChunkA}})}), 1);
  cache->apply(record_id(3), make_record("client", Role::ingest, {make_pack("r", {{kChunkA}})}), 1);
  const auto places = cache->find(kChunkA);
  ASSERT_EQ(places.size(), 3U);
  EXPECT_TRUE(places[0].trusted);
  EXPECT_EQ(places[0].pack, make_id<PackId>("q"));
  EXPECT_FALSE(places[1].trusted);
  EXPECT_FALSE(places[2].trusted);
}

TEST_F(IndexCacheTest, DeduplicationFollowsThePolicy) {
  const auto cache = open();
  cache->apply(record_id(1), make_record("mine", Role::ingest, {make_pack("p", {{kChunkA}})}), 1);
  cache->apply(record_id(2), make_record("other", Role::ingest, {make_pack("q", {{kChunkB}})}), 1);
  cache->apply(record_id(3), make_record("full", Role::full, {make_pack("r", {{kChunkC}})}), 1);
  const auto mine = make_author("mine");
  EXPECT_TRUE(cache->knows(kChunkA, mine, DedupPolicy::trusted));
  EXPECT_FALSE(cache->knows(kChunkB, mine, DedupPolicy::trusted));
  EXPECT_TRUE(cache->knows(kChunkC, mine, DedupPolicy::trusted));
  EXPECT_TRUE(cache->knows(kChunkB, mine, DedupPolicy::all));
  EXPECT_FALSE(cache->knows(kChunkA, make_author("nobody"), DedupPolicy::trusted));
}

TEST_F(IndexCacheTest, ApplyingARecordTwiceChangesNothing) {
  const auto cache = open();
  const auto record = make_record("full", Role::full, {make_pack("p", {{kChunkA}, {kChunkB}})});
  cache->apply(record_id(1), record, 100);
  const IndexTotals once = cache->totals();
  cache->apply(record_id(1), record, 100);
  EXPECT_EQ(cache->totals().chunks, once.chunks);
  EXPECT_EQ(cache->totals().records, 1U);
  EXPECT_EQ(cache->find(kChunkA).size(), 1U);
}

TEST_F(IndexCacheTest, TotalsCountWhatWasApplied) {
  const auto cache = open();
  cache->apply(record_id(1),
               make_record("full", Role::full, {make_pack("p", {{kChunkA, kChunkB}, {kChunkA}})}),
               1);
  const IndexTotals totals = cache->totals();
  EXPECT_EQ(totals.records, 1U);
  EXPECT_EQ(totals.packs, 1U);
  EXPECT_EQ(totals.blocks, 2U);
  EXPECT_EQ(totals.chunks, 3U);
  EXPECT_EQ(totals.plain_bytes, 3001U);
  EXPECT_EQ(totals.stored_bytes, make_pack("p", {{}, {}}).stored_bytes);
}

TEST_F(IndexCacheTest, EveryPackIsVisitedOnce) {
  const auto cache = open();
  std::vector<PackId> expected;
  for (std::uint64_t i = 0; i < 600; ++i) {  // more than one step of reading
    auto pack = make_pack("", {{make_id<ChunkId>("c", i)}});
    pack.id = make_id<PackId>("p", i);
    expected.push_back(pack.id);
    cache->apply(record_id(i), make_record("full", i % 2 == 0 ? Role::full : Role::ingest, {pack}),
                 1);
  }
  for (const bool with_blocks : {false, true}) {
    std::vector<PackId> visited;
    cache->for_each_pack(with_blocks, [&](const IndexedPack& indexed) {
      const PackDescription& pack = indexed.description;
      const auto number = static_cast<std::uint64_t>(
          std::find(expected.begin(), expected.end(), pack.id) - expected.begin());
      EXPECT_THAT(indexed.records, ElementsAre(record_id(number)));
      EXPECT_EQ(indexed.trusted, number % 2 == 0);
      EXPECT_EQ(pack.blocks.size(), with_blocks ? 1U : 0U);
      EXPECT_EQ(cache->find(make_id<ChunkId>("c", number)).size(),
                1U);  // the cache may be used meanwhile
      visited.push_back(pack.id);
    });
    EXPECT_THAT(visited, ::testing::UnorderedElementsAreArray(expected));
  }
}

TEST_F(IndexCacheTest, AnErrorOfTheVisitorIsNotTakenForDamage) {
  const auto cache = open();
  cache->apply(record_id(1), make_record("full", Role::full, {make_pack("p", {{kChunkA}})}), 1);
  EXPECT_THROW(cache->for_each_pack(true,
                                    [](const IndexedPack&) {
                                      throw Error{ErrorCode::corrupt, "a bad pack"};
                                    }),
               Error);
  EXPECT_EQ(cache->find(kChunkA).size(), 1U);
  EXPECT_NE(::access((directory_ / "cache/index.sqlite.discarded").c_str(), F_OK), 0);
}

TEST_F(IndexCacheTest, OnlyFullAuthorsRemoveSnapshots) {
  const auto cache = open();
  auto forged = make_record("client", Role::ingest);
  forged.facts.removals = {{make_id<SnapshotId>("s"), 5}};
  auto real = make_record("full", Role::full);
  real.facts.removals = {{make_id<SnapshotId>("t"), 6}};
  auto again = make_record("full", Role::full);
  again.facts.removals = {{make_id<SnapshotId>("t"), 7}};
  cache->apply(record_id(1), forged, 1);
  cache->apply(record_id(2), real, 1);
  cache->apply(record_id(3), again, 1);
  EXPECT_THAT(cache->removed_snapshots(), ElementsAre(make_id<SnapshotId>("t")));
}

TEST_F(IndexCacheTest, AnIngestAuthorDoesNotRetireAFullAuthorsHead) {
  const auto cache = open();
  cache->apply(record_id(1), make_record("full", Role::full), 1);
  auto thief = make_record("client", Role::ingest);
  thief.after_records = {record_id(1)};
  thief.after_snapshots = {make_id<SnapshotId>("s")};
  cache->apply(record_id(2), thief, 1);
  EXPECT_THAT(cache->record_heads(), ::testing::UnorderedElementsAre(record_id(1), record_id(2)));
  const std::vector<SnapshotId> listed{make_id<SnapshotId>("s")};
  EXPECT_EQ(cache->snapshot_heads(listed, Role::full), listed);
  EXPECT_THAT(cache->snapshot_heads(listed, Role::ingest), ::testing::IsEmpty());
}

TEST_F(IndexCacheTest, HeadsAreWhatNoOtherNames) {
  const auto cache = open();
  auto second = make_record("full", Role::full);
  second.after_records = {record_id(1)};
  second.after_snapshots = {make_id<SnapshotId>("s")};
  cache->apply(record_id(2), second, 1);  // before the one that it names
  EXPECT_THAT(cache->record_heads(), ElementsAre(record_id(2)));
  cache->apply(record_id(1), make_record("full", Role::full), 1);
  EXPECT_THAT(cache->record_heads(), ElementsAre(record_id(2)));
  cache->apply(record_id(3), make_record("full", Role::full), 1);
  EXPECT_THAT(cache->record_heads(), UnorderedElementsAre(record_id(2), record_id(3)));
  EXPECT_THAT(
      cache->snapshot_heads({make_id<SnapshotId>("s"), make_id<SnapshotId>("t")}, Role::full),
      ElementsAre(make_id<SnapshotId>("t")));
}

TEST_F(IndexCacheTest, ClaimsKeepTheGreatestTrust) {
  const auto cache = open();
  auto by_client = make_record("client", Role::ingest);
  by_client.after_records = {record_id(8), record_id(9)};
  auto by_full = make_record("full", Role::full);
  by_full.after_records = {record_id(9)};
  by_full.after_snapshots = {SnapshotId{record_id(8).bytes()}};  // same bytes, other kind
  cache->apply(record_id(2), by_full, 1);
  cache->apply(record_id(1), by_client, 1);
  std::vector<std::tuple<ObjectId, bool, bool>> claims;
  for (const auto& claim : cache->claims())
    claims.emplace_back(claim.id, claim.snapshot, claim.by_full_author);
  EXPECT_THAT(claims, UnorderedElementsAre(std::tuple{ObjectId{record_id(8).bytes()}, false, false},
                                           std::tuple{ObjectId{record_id(9).bytes()}, false, true},
                                           std::tuple{ObjectId{record_id(8).bytes()}, true, true}));
}

TEST_F(IndexCacheTest, WhatWasAppliedIsThereAfterReopening) {
  {
    const auto cache = open();
    cache->apply(record_id(1), make_record("full", Role::full, {make_pack("p", {{kChunkA}})}), 1);
  }
  const auto cache = open();
  EXPECT_TRUE(cache->has_record(record_id(1)));
  EXPECT_FALSE(cache->has_record(record_id(2)));
  EXPECT_THAT(cache->records(), ElementsAre(record_id(1)));
  EXPECT_EQ(cache->find(kChunkA).size(), 1U);
  EXPECT_TRUE(cache->knows(kChunkA, make_author("x"), DedupPolicy::trusted));
}

TEST_F(IndexCacheTest, AnotherRepositorysDatabaseIsMadeAnew) {
  open()->apply(record_id(1), make_record("full", Role::full, {make_pack("p", {{kChunkA}})}), 1);
  const auto cache = IndexCache::open(directory_ / "cache", make_id<RepositoryId>("another"));
  EXPECT_THAT(cache->records(), IsEmpty());
  EXPECT_FALSE(cache->knows(kChunkA, make_author("full"), DedupPolicy::all));
}

TEST_F(IndexCacheTest, FilesAreForTheirOwnerOnly) {
  const mode_t old = ::umask(0);
  const auto cache = open();
  cache->apply(record_id(1), make_record("full", Role::full), 1);
  ::umask(old);
  struct stat status {};
  ASSERT_EQ(::stat((directory_ / "cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  for (const char* name :
       {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.filter"}) {
    ASSERT_EQ(::stat((directory_ / "cache/" + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << name;
  }
}

}  // namespace
}  // namespace vgerfs::repo
