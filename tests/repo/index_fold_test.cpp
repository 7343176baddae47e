// The state is the fold of the records: in any order they give one state, and it is the one that
// docs/FORMAT.md section 9.1 describes.
#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repo/entry_digest.h"
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
using ::testing::IsEmpty;

struct NamedRecord {
  RecordId id;
  IndexRecord record;
};

/// Everything that the cache says, in a canonical form.
std::string describe(IndexCache& cache, const std::vector<SnapshotId>& snapshots,
                     std::uint64_t chunks) {
  std::vector<std::string> lines;
  for (const auto& id : cache.records()) lines.push_back("record " + id.hex());
  for (const auto& id : cache.record_heads()) lines.push_back("head " + id.hex());
  for (const auto& id : cache.snapshot_heads(snapshots, Role::full))
    lines.push_back("snapshot head " + id.hex());
  for (const auto& id : cache.removed_snapshots()) lines.push_back("removed " + id.hex());
  for (const auto& claim : cache.claims()) {
    lines.push_back(
        fmt::format("claim {} {} {}", claim.id.hex(), claim.snapshot, claim.by_full_author));
  }
  for (std::uint64_t i = 0; i < chunks; ++i) {
    bool trusted = true;
    for (const ChunkPlace& place : cache.find(chunk(i))) {
      EXPECT_LE(place.trusted, trusted) << "trusted places come first";
      trusted = place.trusted;
      lines.push_back(fmt::format("chunk {} {} {} {} {} {} {} {} {}", i, place.pack.hex(),
                                  place.block->offset, place.position, place.trusted, place.vouched,
                                  place.condemned, to_hex(place.author), to_hex(place.entry)));
    }
  }
  cache.for_each_pack(true, [&](const IndexedPack& indexed) {
    const PackDescription& pack = indexed.description;
    std::string line =
        fmt::format("pack {} {} {} {} {}", pack.id.hex(), pack.stored_bytes, indexed.trusted,
                    indexed.all_vouched, fmt::join(indexed.vouched_blocks, ","));
    for (const RecordId& record : indexed.records) line += " " + record.hex();
    for (const auto& block : pack.blocks) {
      for (const auto& entry : block.chunks) line += " " + entry.id.short_hex();
    }
    lines.push_back(line);
  });
  for (const IndexedRecord& record : cache.record_list()) {
    lines.push_back(
        fmt::format("record {} {} {}", record.id.hex(), record.revoked, record.superseded));
  }
  const FactState facts = cache.facts();
  for (const auto& fact : facts.removals) {
    lines.push_back(
        fmt::format("removal {} {} {}", fact.snapshot.hex(), fact.origin->hex(), fact.time_s));
  }
  for (const auto& fact : facts.condemnations) {
    lines.push_back(fmt::format("condemned {} {}", fact.pack.hex(), fact.origin->hex()));
  }
  for (const auto& fact : facts.annotations) {
    lines.push_back(
        fmt::format("annotation {} {} {}", fact.snapshot.hex(), fact.time.s,
                    std::holds_alternative<Hold>(fact.property)
                        ? fmt::format("{}", std::get<Hold>(fact.property).held)
                        : fmt::format("{}", fmt::join(std::get<Tags>(fact.property).tags, ","))));
  }
  for (const auto& fact : facts.revocations) {
    lines.push_back(fmt::format("revoked {} {}", to_hex(fact.author), fact.surviving.size()));
  }
  for (const auto& id : cache.buried_packs()) lines.push_back("buried " + id.hex());
  for (const auto& id : cache.superseded_records()) lines.push_back("superseded " + id.hex());
  std::sort(lines.begin(), lines.end());
  const IndexTotals totals = cache.totals();
  std::string text = fmt::format("{} {} {} {} {} {}\n", totals.records, totals.packs, totals.blocks,
                                 totals.chunks, totals.stored_bytes, totals.plain_bytes);
  for (const auto& line : lines) text += line + "\n";
  return text;
}

constexpr std::uint64_t kChunks = 12;

struct Example {
  std::vector<NamedRecord> records;
  std::vector<SnapshotId> snapshots;
};

/// Facts about packs and records that others speak of, too.
template <class Draw>
void add_maintenance(const Example& example, NamedRecord& made, Draw draw) {
  Facts& facts = made.record.facts;
  const auto pack = [&] { return make_id<PackId>(fmt::format("pack{}", draw(3))); };
  if (draw(4) == 0) facts.condemnations.push_back({pack(), 9, std::nullopt});
  if (draw(6) == 0) facts.buried.push_back(pack());
  for (const NamedRecord& earlier : example.records) {
    if (draw(8) == 0) facts.supersedes.push_back(earlier.id);
    for (const PackDescription& known : earlier.record.packs) {
      if (draw(6) == 0) facts.vouches.push_back({known.id, entry_digest(known), {}});
      if (draw(6) == 0) facts.vouches.push_back({known.id, entry_digest(known), {0}});
    }
    if (draw(6) == 0) {
      facts.undoes.push_back(
          {earlier.id,
           {ObjectId{pack().bytes()}, ObjectId{make_id<SnapshotId>("snapshot", draw(4)).bytes()}}});
    }
    if (made.record.author.role == Role::full && draw(4) == 0 && !earlier.record.packs.empty()) {
      made.record.carried.push_back({earlier.record.author, {}, earlier.record.packs});
    }
  }
  if (draw(8) == 0) {
    Revocation revocation{make_author(fmt::format("client{}", draw(2))), {}, {}};
    for (const NamedRecord& earlier : example.records) {
      if (draw(2) == 0) revocation.surviving.emplace_back(earlier.id.bytes());
    }
    facts.revocations.push_back(std::move(revocation));
  }
}

/// Records of honest and hostile authors: few packs and chunks, so that they contradict each other.
Example make_example(std::mt19937_64& random) {
  const auto draw = [&](std::uint64_t below) { return random() % below; };
  Example example;
  for (std::uint64_t i = 0; i < 4; ++i)
    example.snapshots.push_back(make_id<SnapshotId>("snapshot", i));
  const std::uint64_t count = 4 + draw(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool full = draw(3) == 0;
    NamedRecord made{make_id<RecordId>("record", random()),
                     make_record(fmt::format("{}{}", full ? "full" : "client", draw(2)),
                                 full ? Role::full : Role::ingest)};
    for (std::uint64_t p = draw(3); p > 0; --p) {
      std::vector<std::vector<ChunkId>> blocks(1 + draw(2));
      const std::uint64_t variant = draw(2);
      for (auto& block : blocks) block = {chunk(variant), chunk(2 + draw(kChunks - 2))};
      made.record.packs.push_back(make_pack(fmt::format("pack{}", draw(3)), blocks));
    }
    for (const auto& earlier : example.records) {
      if (draw(3) == 0) made.record.after_records.push_back(earlier.id);
    }
    for (const auto& id : example.snapshots) {
      if (draw(4) == 0) made.record.after_snapshots.push_back(id);
      if (draw(4) == 0) made.record.facts.removals.push_back({id, 5});
      if (draw(8) == 0) made.record.facts.removals.push_back({id, 6});
      if (draw(8) == 0) {
        made.record.facts.annotations.push_back({id, {1, 0}, std::nullopt, Hold{draw(2) == 0}});
      }
      if (draw(8) == 0) {
        made.record.facts.annotations.push_back({id, {1, 0}, std::nullopt, Tags{{"a", "b"}}});
      }
    }
    add_maintenance(example, made, draw);
    example.records.push_back(std::move(made));
  }
  return example;
}

bool is_revoked(const Example& example, const NamedRecord& made) {
  if (made.record.author.role == Role::full) return false;
  for (const auto& [name, record] : example.records) {
    for (const Revocation& revocation : record.facts.revocations) {
      if (revocation.author != made.record.author.author) continue;
      const auto& surviving = revocation.surviving;
      if (std::find(surviving.begin(), surviving.end(), ObjectId{made.id.bytes()}) ==
          surviving.end()) {
        return true;
      }
    }
  }
  return false;
}

struct ModelEntry {
  crypto::PublicKey author;
  bool full;
  const PackDescription* pack;
};

/// The entries of section 9.1 that count, computed the slow way.
std::vector<ModelEntry> counting_entries(const Example& example) {
  std::set<PackId> buried;
  for (const auto& [name, record] : example.records) {
    if (record.author.role != Role::full) continue;
    buried.insert(record.facts.buried.begin(), record.facts.buried.end());
  }
  std::vector<ModelEntry> entries;
  for (const NamedRecord& made : example.records) {
    if (is_revoked(example, made)) continue;
    const auto add = [&](const Certificate& author, const std::vector<PackDescription>& packs) {
      for (const auto& pack : packs) {
        if (!buried.contains(pack.id))
          entries.push_back({author.author, author.role == Role::full, &pack});
      }
    };
    add(made.record.author, made.record.packs);
    for (const auto& carried : made.record.carried) add(carried.author, carried.packs);
  }
  std::set<PackId> trusted;
  for (const ModelEntry& entry : entries) {
    if (entry.full) trusted.insert(entry.pack->id);
  }
  std::erase_if(entries, [&](const ModelEntry& entry) {
    return !entry.full && trusted.contains(entry.pack->id);
  });
  return entries;
}

bool is_condemned(const Example& example, const PackId& pack) {
  const auto full_records = [&](auto each) {
    for (const auto& [name, record] : example.records) {
      if (record.author.role == Role::full) each(name, record);
    }
  };
  bool condemned = false;
  full_records([&](const RecordId& origin, const IndexRecord& record) {
    for (const Condemnation& condemnation : record.facts.condemnations) {
      if (condemnation.pack != pack) continue;
      bool undone = false;
      full_records([&](const RecordId&, const IndexRecord& other) {
        for (const Undo& undo : other.facts.undoes) {
          undone = undone || (undo.record == origin &&
                              std::find(undo.subjects.begin(), undo.subjects.end(),
                                        ObjectId{pack.bytes()}) != undo.subjects.end());
        }
      });
      condemned = condemned || !undone;
    }
  });
  return condemned;
}

bool is_vouched(const Example& example, const PackDescription& pack, std::uint32_t block) {
  for (const auto& [name, record] : example.records) {
    if (record.author.role != Role::full) continue;
    for (const Vouch& vouch : record.facts.vouches) {
      if (vouch.pack != pack.id || vouch.entry != entry_digest(pack)) continue;
      if (vouch.blocks.empty() ||
          std::find(vouch.blocks.begin(), vouch.blocks.end(), block) != vouch.blocks.end()) {
        return true;
      }
    }
  }
  return false;
}

/// What section 9.1 says of deduplication.
bool may_deduplicate(const Example& example, const ChunkId& id, const crypto::PublicKey& author,
                     DedupPolicy policy) {
  for (const ModelEntry& entry : counting_entries(example)) {
    if (is_condemned(example, entry.pack->id)) continue;
    for (std::uint32_t i = 0; i < entry.pack->blocks.size(); ++i) {
      if (policy == DedupPolicy::trusted && !entry.full && entry.author != author &&
          !is_vouched(example, *entry.pack, i)) {
        continue;
      }
      for (const auto& chunk_entry : entry.pack->blocks[i].chunks) {
        if (chunk_entry.id == id) return true;
      }
    }
  }
  return false;
}

TEST(IndexFold, AnyOrderGivesOneState) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  const int rounds = vgerfs::testing::test_size(20, 5);
  for (int round = 0; round < rounds; ++round) {
    const Example example = make_example(random);
    std::vector<std::size_t> order(example.records.size());
    std::iota(order.begin(), order.end(), 0U);
    std::string expected;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const vgerfs::testing::TemporaryDirectory directory;
      auto cache = IndexCache::open(directory.path(), kRepository);
      for (const std::size_t at : order) {
        const NamedRecord& record = example.records[at];
        cache->apply(record.id, record.record, 100);
        if (random() % 4 == 0) cache->apply(record.id, record.record, 100);
        if (random() % 8 == 0) {
          cache.reset();
          cache = IndexCache::open(directory.path(), kRepository);
        }
      }
      const std::string state = describe(*cache, example.snapshots, kChunks);
      if (attempt == 0) expected = state;
      ASSERT_EQ(state, expected) << "round " << round;
      for (std::uint64_t i = 0; i < kChunks; ++i) {
        for (const char* author : {"client0", "client1", "full0", "nobody"}) {
          for (const auto policy : {DedupPolicy::trusted, DedupPolicy::all}) {
            ASSERT_EQ(cache->knows(chunk(i), make_author(author), policy),
                      may_deduplicate(example, chunk(i), make_author(author), policy));
          }
        }
      }
      EXPECT_NO_THROW(cache->check_once());
      std::shuffle(order.begin(), order.end(), random);
    }
  }
}

/// Random histories: every record names some of the heads that its writer may have known.
TEST(IndexFold, HeadsOfAHistoryAreThoseThatNobodyNames) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  const int rounds = vgerfs::testing::test_size(20, 5);
  for (int round = 0; round < rounds; ++round) {
    std::vector<NamedRecord> history;
    std::set<RecordId> heads;
    for (std::uint64_t i = 0; i < 15; ++i) {
      NamedRecord made{make_id<RecordId>("record", random()), make_record("full", Role::full)};
      for (const auto& earlier : history) {
        if (random() % 4 == 0) {
          made.record.after_records.push_back(earlier.id);
          heads.erase(earlier.id);
        }
      }
      heads.insert(made.id);
      history.push_back(std::move(made));
    }
    std::shuffle(history.begin(), history.end(), random);
    const vgerfs::testing::TemporaryDirectory directory;
    const auto cache = IndexCache::open(directory.path(), kRepository);
    for (const auto& [id, record] : history) cache->apply(id, record, 1);
    EXPECT_EQ(cache->record_heads(), std::vector<RecordId>(heads.begin(), heads.end()));
  }
}

class IndexFoldConflict : public ::testing::Test {
 protected:
  void apply(std::uint64_t number, std::string_view author, Role role,
             const std::vector<std::vector<ChunkId>>& blocks) {
    cache_->apply(make_id<RecordId>("record", number),
                  make_record(author, role, {make_pack("p", blocks)}), 1);
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::unique_ptr<IndexCache> cache_ = IndexCache::open(directory_.path(), kRepository);
};

TEST_F(IndexFoldConflict, EntriesThatAgreeAreOne) {
  apply(1, "client", Role::ingest, {{chunk(1)}});
  apply(2, "client", Role::ingest, {{chunk(1)}});
  EXPECT_EQ(cache_->find(chunk(1)).size(), 1U);
  EXPECT_EQ(cache_->totals().packs, 1U);
}

TEST_F(IndexFoldConflict, TheMoreTrustedEntryCountsWheneverItComes) {
  apply(1, "client", Role::ingest, {{chunk(1)}, {chunk(2)}});
  apply(2, "full", Role::full, {{chunk(3)}});
  apply(3, "client", Role::ingest, {{chunk(4)}});
  EXPECT_THAT(cache_->find(chunk(1)), IsEmpty());
  EXPECT_THAT(cache_->find(chunk(2)), IsEmpty());
  EXPECT_THAT(cache_->find(chunk(4)), IsEmpty());
  ASSERT_EQ(cache_->find(chunk(3)).size(), 1U);
  EXPECT_TRUE(cache_->find(chunk(3))[0].trusted);
  const IndexTotals totals = cache_->totals();
  EXPECT_EQ(totals.packs, 1U);
  EXPECT_EQ(totals.blocks, 1U);
  EXPECT_EQ(totals.chunks, 1U);
  EXPECT_EQ(totals.plain_bytes, 1000U);
}

// A stolen ingest key must not hide what the same client stored before, nor another's key what that
// one stored.
TEST_F(IndexFoldConflict, AContradictionOfEqualTrustHidesNothing) {
  for (std::uint64_t number = 0; number < 8;
       ++number) {  // record names smaller and larger than the honest one's
    apply(number, number % 2 == 0 ? "client" : "thief", Role::ingest,
          {{number == 4 ? chunk(1) : make_id<ChunkId>("bogus", number)}});
  }
  const auto places = cache_->find(chunk(1));
  ASSERT_EQ(places.size(), 1U);
  EXPECT_EQ(places[0].author, make_author("client"));
  EXPECT_TRUE(cache_->knows(chunk(1), make_author("client"), DedupPolicy::trusted));
}

TEST_F(IndexFoldConflict, EntriesThatContradictEachOtherAreToldApart) {
  apply(1, "client", Role::ingest, {{chunk(1), chunk(2)}});
  apply(2, "thief", Role::ingest, {{chunk(1), chunk(3)}});
  const auto places = cache_->find(chunk(1));
  ASSERT_EQ(places.size(), 2U);
  EXPECT_NE(places[0].entry, places[1].entry);
  EXPECT_EQ(places[0].block->offset, places[1].block->offset);
}

}  // namespace
}  // namespace vgerfs::repo
