#include "repo/index_record.h"

#include <functional>

#include <gtest/gtest.h>

#include "format/index.pb.h"
#include "repo/forge.h"
#include "repo/keyrings.h"
#include "repo/limits.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;
namespace proto = format::proto;

template <class IdType>
IdType some_id(unsigned n) {
  std::array<std::byte, 32> bytes{};
  bytes[0] = static_cast<std::byte>(n);
  bytes[31] = std::byte{0xee};
  return IdType{bytes};
}

/// A pack whose numbers add up; block i has i % 3 + 1 chunks.
PackDescription some_pack(unsigned n, ChunkKind kind = ChunkKind::data, std::size_t blocks = 3) {
  PackDescription pack{
      .id = some_id<PackId>(n), .kind = pack_kind_of(kind), .stored_bytes = 0, .blocks = {}};
  std::uint32_t offset = 32;
  for (unsigned i = 0; i < blocks; ++i) {
    BlockEntry block{
        .offset = offset, .stored_bytes = 1000 + i, .tag = {}, .chunk_kind = kind, .chunks = {}};
    block.tag[3] = static_cast<std::byte>(i);
    for (unsigned k = 0; k <= i % 3; ++k) {
      block.chunks.push_back({.id = some_id<ChunkId>(n + 10 * i + k), .plain_bytes = 100 + k});
    }
    offset += block.stored_bytes;
    pack.blocks.push_back(block);
  }
  pack.stored_bytes = offset + 4 * blocks + 16;
  return pack;
}

IndexRecord some_record() {
  IndexRecord record;
  record.time = {kTestTime, 999'999'999};
  record.session[0] = std::byte{0x5e};
  record.after_records = {some_id<RecordId>(1), some_id<RecordId>(2)};
  record.after_snapshots = {some_id<SnapshotId>(3)};
  record.packs = {some_pack(4), some_pack(5, ChunkKind::tree)};
  return record;
}

void expect_equal(const PackDescription& a, const PackDescription& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.stored_bytes, b.stored_bytes);
  ASSERT_EQ(a.blocks.size(), b.blocks.size());
  for (std::size_t i = 0; i < a.blocks.size(); ++i) {
    EXPECT_EQ(a.blocks[i].offset, b.blocks[i].offset);
    EXPECT_EQ(a.blocks[i].stored_bytes, b.blocks[i].stored_bytes);
    EXPECT_EQ(a.blocks[i].tag, b.blocks[i].tag);
    EXPECT_EQ(a.blocks[i].chunk_kind, b.blocks[i].chunk_kind);
    ASSERT_EQ(a.blocks[i].chunks.size(), b.blocks[i].chunks.size());
    for (std::size_t k = 0; k < a.blocks[i].chunks.size(); ++k) {
      EXPECT_EQ(a.blocks[i].chunks[k].id, b.blocks[i].chunks[k].id);
      EXPECT_EQ(a.blocks[i].chunks[k].plain_bytes, b.blocks[i].chunks[k].plain_bytes);
    }
  }
}

class IndexRecordTest : public ::testing::Test {
 protected:
  using Change = std::function<void(proto::IndexRecord&)>;

  Bytes seal(const IndexRecord& record, const Keyring& keyring) const {
    FixedRandom random{4};
    return seal_record(record, keyring, crypto::Cipher::aes256gcm, random);
  }
  /// A record with a changed payload, sealed and signed rightly by `author`.
  IndexRecord open_changed(const Change& change, const Keyring& author) const {
    auto message = payload_of<proto::IndexRecord>(EnvelopeKind::index_record,
                                                  seal(some_record(), author), *full_);
    change(message);
    return open_record(forge(EnvelopeKind::index_record, message, author), *full_);
  }
  std::string_view error_with(const Change& change) const {
    return error_of([&] { return open_changed(change, *full_); });
  }
  /// The first pack's entry changed.
  std::string_view error_with_pack(const std::function<void(proto::PackEntry&)>& change) const {
    return error_with([&](auto& m) { change(*m.mutable_additions(0)->mutable_packs(0)); });
  }

  const std::unique_ptr<Keyring> full_ = full_keyring();
  const std::unique_ptr<Keyring> ingest_ = ingest_keyring(*full_, "alpha");
};

TEST_F(IndexRecordTest, OpensToWhatWasSealed) {
  for (const Keyring* author : {full_.get(), ingest_.get()}) {
    for (const Keyring* reader : {full_.get(), ingest_.get()}) {
      const IndexRecord sealed = some_record();
      const IndexRecord opened = open_record(seal(sealed, *author), *reader);
      EXPECT_EQ(opened.author.author, author->author().public_key());
      EXPECT_EQ(opened.author.role, author->role());
      EXPECT_EQ(opened.time, sealed.time);
      EXPECT_EQ(opened.session, sealed.session);
      EXPECT_EQ(opened.after_records, sealed.after_records);
      EXPECT_EQ(opened.after_snapshots, sealed.after_snapshots);
      EXPECT_FALSE(opened.ignored_claims);
      EXPECT_EQ(opened.supported, Supported{});
      EXPECT_TRUE(opened.facts.removals.empty());
      ASSERT_EQ(opened.packs.size(), 2U);
      expect_equal(opened.packs[0], sealed.packs[0]);
      expect_equal(opened.packs[1], sealed.packs[1]);
    }
  }
}

TEST_F(IndexRecordTest, RemovalsCountFromFullAuthors) {
  IndexRecord removing;
  removing.facts.removals = {{some_id<SnapshotId>(9), kTestTime}};
  const IndexRecord opened = open_record(seal(removing, *full_), *ingest_);
  ASSERT_EQ(opened.facts.removals.size(), 1U);
  EXPECT_EQ(opened.facts.removals[0].snapshot, some_id<SnapshotId>(9));
  EXPECT_EQ(opened.facts.removals[0].time_s, kTestTime);
  EXPECT_EQ(error_of([&] { return seal(removing, *ingest_); }), "denied");
}

TEST_F(IndexRecordTest, ForgedRemovalsOfAnIngestAuthorAreDropped) {
  const IndexRecord opened = open_changed(
      [](auto& m) { m.add_removals()->set_snapshot_id(some_id<SnapshotId>(9).raw()); }, *ingest_);
  EXPECT_TRUE(opened.facts.removals.empty());
  EXPECT_TRUE(opened.ignored_claims);
  EXPECT_EQ(opened.packs.size(), 2U) << "its additions count";
}

TEST_F(IndexRecordTest, MaintenanceIsDroppedFromIngestAuthors) {
  const std::string id = some_id<PackId>(9).raw();
  const Change changes[] = {
      [&](auto& m) { m.add_vouches()->set_pack_id(id); },
      [&](auto& m) { m.add_supersedes(id); },
      [&](auto& m) { m.add_condemnations()->set_pack_id(id); },
      [&](auto& m) { m.add_buried(id); },
      [&](auto& m) { m.add_undoes()->set_record_id(id); },
      [&](auto& m) {
        auto& annotation = *m.add_annotations();
        annotation.set_snapshot_id(id);
        annotation.set_held(true);
      },
      // What another author sealed, carried over.
      [&](auto& m) {
        *m.mutable_additions(0)->mutable_author() =
            other_keyring(*full_, Role::full, {}, 8)->signed_certificate();
      },
  };
  for (const Change& change : changes) {
    const IndexRecord opened = open_changed(change, *ingest_);
    EXPECT_TRUE(opened.ignored_claims);
    EXPECT_FALSE(opened.facts.need_full_author());
    EXPECT_TRUE(opened.carried.empty());
  }
}

TEST_F(IndexRecordTest, FactsOpenToWhatWasSealed) {
  IndexRecord record = some_record();
  Facts& facts = record.facts;
  facts.removals = {{some_id<SnapshotId>(1), 5, some_id<RecordId>(2)}, {some_id<SnapshotId>(3), 6}};
  facts.vouches = {{some_id<PackId>(4), {}, {0, 7}}, {some_id<PackId>(5), {}, {}}};
  facts.supersedes = {some_id<RecordId>(6)};
  facts.condemnations = {{some_id<PackId>(7), 8, std::nullopt}};
  facts.buried = {some_id<PackId>(9)};
  facts.undoes = {{some_id<RecordId>(10), {some_id<ObjectId>(11)}}};
  facts.annotations = {{some_id<SnapshotId>(12), {13, 14}, some_id<RecordId>(15), Hold{true}},
                       {some_id<SnapshotId>(12), {13, 14}, std::nullopt, Tags{{"a", "b"}}},
                       {some_id<SnapshotId>(13), {13, 14}, std::nullopt, Tags{}}};
  const auto other = other_keyring(*full_, Role::ingest, {"web1"}, 8);
  facts.revocations = {sign_revocation(other->certificate().author,
                                       {some_id<ObjectId>(17), some_id<ObjectId>(16)}, *full_)};
  record.carried = {{other->certificate(), other->signed_certificate(), {some_pack(18)}}};
  const IndexRecord opened = open_record(seal(record, *full_), *full_);
  ASSERT_EQ(opened.facts.removals.size(), 2U);
  EXPECT_EQ(opened.facts.removals[0].origin, some_id<RecordId>(2));
  EXPECT_EQ(opened.facts.removals[1].origin, std::nullopt);
  ASSERT_EQ(opened.facts.vouches.size(), 2U);
  EXPECT_EQ(opened.facts.vouches[0].blocks, (std::vector<std::uint32_t>{0, 7}));
  EXPECT_EQ(opened.facts.supersedes, facts.supersedes);
  ASSERT_EQ(opened.facts.condemnations.size(), 1U);
  EXPECT_EQ(opened.facts.condemnations[0].pack, some_id<PackId>(7));
  EXPECT_EQ(opened.facts.buried, facts.buried);
  ASSERT_EQ(opened.facts.undoes.size(), 1U);
  EXPECT_EQ(opened.facts.undoes[0].subjects, facts.undoes[0].subjects);
  ASSERT_EQ(opened.facts.annotations.size(), 3U);
  EXPECT_TRUE(std::get<Hold>(opened.facts.annotations[0].property).held);
  EXPECT_EQ(opened.facts.annotations[0].time, (Timestamp{13, 14}));
  EXPECT_EQ(std::get<Tags>(opened.facts.annotations[1].property).tags.size(), 2U);
  EXPECT_TRUE(std::get<Tags>(opened.facts.annotations[2].property).tags.empty());
  ASSERT_EQ(opened.facts.revocations.size(), 1U);
  EXPECT_EQ(opened.facts.revocations[0].surviving.front(), some_id<ObjectId>(16));
  ASSERT_EQ(opened.carried.size(), 1U);
  EXPECT_EQ(opened.carried[0].author.author, other->certificate().author);
  ASSERT_EQ(opened.carried[0].packs.size(), 1U);
  expect_equal(opened.carried[0].packs[0], some_pack(18));
  EXPECT_EQ(error_of([&] { seal(record, *ingest_); }), "denied");
}

TEST_F(IndexRecordTest, ARevocationThatTheRootDidNotSignIsCorrupt) {
  const Revocation good =
      sign_revocation(full_->certificate().author, {some_id<ObjectId>(1)}, *full_);
  const auto open_with = [&](auto break_it) {
    return error_of([&] {
      open_changed(
          [&](proto::IndexRecord& m) {
            auto& added = *m.add_revocations();
            added.set_author(raw_string(good.author));
            added.add_surviving(good.surviving[0].raw());
            added.set_signature(raw_string(good.signature));
            break_it(added);
          },
          *ingest_);
    });
  };
  EXPECT_EQ(open_with([](auto&) {}), "none") << "anybody may pass on what the root signed";
  EXPECT_EQ(open_with([](auto& m) { m.clear_surviving(); }), "corrupt");
  EXPECT_EQ(open_with([](auto& m) { m.set_author(some_id<PackId>(3).raw()); }), "corrupt");
  EXPECT_EQ(open_with([](auto& m) { m.mutable_signature()->at(5) ^= 1; }), "corrupt");
}

TEST_F(IndexRecordTest, AdditionsInTheNameOfAnotherAreDropped) {
  const IndexRecord opened = open_changed(
      [&](auto& m) { *m.mutable_additions(0)->mutable_author() = full_->signed_certificate(); },
      *ingest_);
  EXPECT_TRUE(opened.packs.empty()) << "an ingest author made blocks look like a full author's";
  EXPECT_TRUE(opened.ignored_claims);
}

TEST_F(IndexRecordTest, AdditionsMayNameTheSignerHimself) {
  const auto change = [&](auto& m) { *m.mutable_additions(0)->mutable_author() = m.author(); };
  EXPECT_EQ(open_changed(change, *full_).packs.size(), 2U);
  EXPECT_EQ(open_changed(change, *ingest_).packs.size(), 2U);
}

TEST_F(IndexRecordTest, SignatureOfAnybodyElseIsCorrupt) {
  // An ingest author claims to be the full one.
  EXPECT_EQ(error_of([&] {
              return open_changed(
                  [&](auto& m) { *m.mutable_author() = full_->signed_certificate(); }, *ingest_);
            }),
            "corrupt");
  // An author that no root has certified: the ingest author is its own root.
  const Certificate wanted{
      .author = ingest_->author().public_key(), .role = Role::full, .label = "", .hosts = {}};
  EXPECT_EQ(error_of([&] {
              return open_changed(
                  [&](auto& m) {
                    *m.mutable_author() =
                        sign_certificate(wanted, full_->repository(), ingest_->author());
                  },
                  *ingest_);
            }),
            "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_author(); }), "corrupt");
}

TEST_F(IndexRecordTest, SignatureOfAnotherRecordIsCorrupt) {
  IndexRecord empty;
  Bytes first = seal(empty, *full_);
  empty.time.s = 1;
  const Bytes second = seal(empty, *full_);
  std::copy(second.end() - 64, second.end(), first.end() - 64);
  EXPECT_EQ(error_of([&] { open_record(first, *full_); }), "corrupt");
}

TEST_F(IndexRecordTest, AnyFlippedByteIsNoticed) {
  const Bytes good = seal(some_record(), *full_);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{0x20};
    const bool may_be_newer = i == 4 || i == 6 || (i >= 8 && i < 12);
    const auto error = error_of([&] { open_record(bad, *full_); });
    EXPECT_TRUE(error == "corrupt" || (may_be_newer && error == "unsupported"))
        << i << ": " << error;
  }
}

TEST_F(IndexRecordTest, TruncatedOrLongerIsCorrupt) {
  Bytes stored = seal(some_record(), *full_);
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_EQ(error_of([&] { open_record(ByteView{stored}.first(size), *full_); }), "corrupt")
        << size;
  }
  stored.push_back(std::byte{0});
  EXPECT_EQ(error_of([&] { open_record(stored, *full_); }), "corrupt");
  stored.resize(kMaxRecordBytes + 1);
  EXPECT_EQ(error_of([&] { open_record(stored, *full_); }), "corrupt");
}

TEST_F(IndexRecordTest, OfAnotherRepositoryIsCorrupt) {
  EXPECT_EQ(error_of([&] { open_record(seal(some_record(), *full_keyring(5)), *full_); }),
            "corrupt");
}

TEST_F(IndexRecordTest, FieldsThatBreakTheFormatAreCorrupt) {
  EXPECT_EQ(error_with([](auto&) {}), "none");
  EXPECT_EQ(error_with([](auto& m) { m.set_time_ns(1'000'000'000); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.mutable_session()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.add_after_records("short"); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.add_after_snapshots(std::string(33, 'x')); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.add_removals()->set_snapshot_id("short"); }), "corrupt");
}

TEST_F(IndexRecordTest, UnknownDomainAndFeaturesAreUnsupported) {
  EXPECT_EQ(error_with([](auto& m) { m.set_domain(2); }), "unsupported");
  EXPECT_EQ(error_with([](auto& m) { m.clear_domain(); }), "unsupported");
  EXPECT_EQ(error_with([](auto& m) { m.mutable_features()->add_read(1); }), "unsupported");
  const IndexRecord opened =
      open_changed([](auto& m) { m.mutable_features()->add_maintain(1); }, *full_);
  EXPECT_EQ(opened.supported, (Supported{.add = true, .maintain = false}));
}

TEST_F(IndexRecordTest, AnIngestAuthorCannotLockOthersOutWithARecordFromTheFuture) {
  for (const Change& change : {Change{[](auto& m) { m.set_domain(2); }},
                               Change{[](auto& m) { m.mutable_features()->add_read(1); }}}) {
    EXPECT_EQ(error_of([&] { open_changed(change, *ingest_); }), "corrupt");
  }
}

TEST_F(IndexRecordTest, UnknownFieldsAreIgnored) {
  const auto unknown = [](auto& m) {
    m.GetReflection()->MutableUnknownFields(&m)->AddVarint(500, 1);
  };
  EXPECT_EQ(error_with(unknown), "none");
}

TEST_F(IndexRecordTest, ColumnsThatDoNotAgreeAreCorrupt) {
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_block_tags()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_block_tags()->append(16, 'x'); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_block_chunk_kinds()->push_back(1); }),
            "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_block_chunk_kinds()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.add_block_chunks(1); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_block_chunks()->RemoveLast(); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.add_block_bytes(1000); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_chunk_ids()->append(32, 'x'); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_chunk_ids()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.add_chunk_bytes(1); }), "corrupt");
  // One chunk too many in ids and lengths, or one too few: the sum of block_chunks differs.
  EXPECT_EQ(error_with_pack([](auto& p) {
              p.mutable_chunk_ids()->append(32, 'x');
              p.add_chunk_bytes(1);
            }),
            "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_block_chunks(0, 2); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_block_chunks(2, 0xffffffff); }), "corrupt");
}

TEST_F(IndexRecordTest, PacksThatBreakTheLimitsAreCorrupt) {
  EXPECT_EQ(error_with_pack([](auto& p) { p.mutable_pack_id()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_pack_kind(0); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_pack_kind(3); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_pack_kind(2); }), "corrupt")
      << "data blocks in a metadata pack";
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_stored_bytes(p.stored_bytes() + 1); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_stored_bytes(p.stored_bytes() - 1); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_stored_bytes(100); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_stored_bytes(~std::uint64_t{0}); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) {
              p.clear_block_bytes();
              p.clear_block_tags();
              p.clear_block_chunk_kinds();
              p.clear_block_chunks();
              p.clear_chunk_ids();
              p.clear_chunk_bytes();
              p.set_stored_bytes(48);
            }),
            "corrupt")
      << "no block";
}

TEST_F(IndexRecordTest, BlocksThatBreakTheLimitsAreCorrupt) {
  // Every change keeps the pack's size right.
  const auto set_bytes = [](proto::PackEntry& p, std::uint32_t bytes) {
    p.set_stored_bytes(p.stored_bytes() - p.block_bytes(0) + bytes);
    p.set_block_bytes(0, bytes);
  };
  constexpr std::uint32_t kLeast = 168 + 4 + 36 + 16 + 1 + 16;
  EXPECT_EQ(error_with_pack([&](auto& p) { set_bytes(p, kLeast); }), "none");
  EXPECT_EQ(error_with_pack([&](auto& p) { set_bytes(p, kLeast - 1); }), "corrupt");
  EXPECT_EQ(error_with_pack([&](auto& p) { set_bytes(p, 0); }), "corrupt");
  EXPECT_EQ(error_with_pack([&](auto& p) { set_bytes(p, kLeast - 1 + kMaxBlockDataBytes); }),
            "none");
  EXPECT_EQ(error_with_pack([&](auto& p) { set_bytes(p, kLeast + kMaxBlockDataBytes); }),
            "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { (*p.mutable_block_chunk_kinds())[1] = 0; }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { (*p.mutable_block_chunk_kinds())[1] = 5; }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { (*p.mutable_block_chunk_kinds())[1] = 4; }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_chunk_bytes(0, 0); }), "corrupt");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_chunk_bytes(0, kMaxChunkBytes); }), "none");
  EXPECT_EQ(error_with_pack([](auto& p) { p.set_chunk_bytes(0, kMaxChunkBytes + 1); }), "corrupt");
  // The third block has three chunks: two of 8 MiB are allowed, a byte more is not.
  EXPECT_EQ(error_with_pack([](auto& p) {
              p.set_chunk_bytes(3, kMaxChunkBytes);
              p.set_chunk_bytes(4, kMaxChunkBytes);
            }),
            "corrupt");
  // A block without chunks.
  EXPECT_EQ(error_with_pack([](auto& p) {
              p.set_block_chunks(0, 0);
              p.set_block_chunks(1, 3);
            }),
            "corrupt");
  const auto tree = [&](std::uint32_t bytes) {
    return error_with(
        [&](auto& m) { m.mutable_additions(0)->mutable_packs(1)->set_chunk_bytes(0, bytes); });
  };
  EXPECT_EQ(tree(kMaxNodeBytes), "none");
  EXPECT_EQ(tree(kMaxNodeBytes + 1), "corrupt") << "a node of more than 1 MiB";
}

TEST_F(IndexRecordTest, OffsetsBeyondThePackAreCorrupt) {
  EXPECT_EQ(error_with_pack([](auto& p) {
              for (int i = 0; i < p.block_bytes_size(); ++i) p.set_block_bytes(i, 0xffffffff);
            }),
            "corrupt");
}

TEST_F(IndexRecordTest, WeightIsAnUpperBoundOfWhatAPackAdds) {
  IndexRecord record;
  record.after_records.assign(50, some_id<RecordId>(1));
  const std::size_t empty = seal(record, *full_).size();
  EXPECT_LE(empty, kRecordWeightBase + 50 * kRecordWeightOfHead);
  for (const std::size_t blocks : {1U, 3U, 100U, 5000U}) {
    record.packs = {some_pack(1, ChunkKind::data, blocks)};
    const std::size_t added = seal(record, *full_).size() - empty;
    EXPECT_LE(added, record_weight(record.packs[0]));
    EXPECT_GE(2 * added, record_weight(record.packs[0])) << "too rough a bound";
  }
}

TEST_F(IndexRecordTest, TooLargeARecordIsNotSealed) {
  IndexRecord record;
  record.packs.assign(90, some_pack(1, ChunkKind::data, 3000));
  EXPECT_EQ(error_of([&] { return seal(record, *full_); }), "usage");
}

}  // namespace
}  // namespace vgerfs::repo
