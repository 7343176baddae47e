#include "repo/session.h"

#include <chrono>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "repo/block.h"
#include "repository_fixture.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::plain_root;
using testing::random_bytes;
using testing::TestRepository;

SessionOptions session_options(std::string source = "home") {
  SessionOptions options;
  options.host = "host";
  options.source = std::move(source);
  options.checkpoint_interval_s = 0;
  return options;
}

SnapshotDraft draft() {
  return {.root = plain_root(),
          .paths = {"/home"},
          .parent = {},
          .tags = {},
          .statistics = {},
          .trigger = "test"};
}

TEST(Session, WhatItCommittedCanBeReadByAnotherClient) {
  TestRepository test;
  std::vector<std::pair<ChunkId, Bytes>> chunks;
  {
    const auto repository = test.open(TestRepository::full_key(), "writer");
    Session session{*repository, session_options()};
    for (std::uint64_t i = 0; i < 300; ++i) {
      const Bytes bytes = random_bytes(i, 1 + (i * 7919) % 200'000);
      chunks.emplace_back(session.put(ChunkKind::data, bytes), bytes);
    }
    const ChunkId tree = session.put(ChunkKind::tree, bytes_of("tree"));
    chunks.emplace_back(tree, Bytes(bytes_of("tree").begin(), bytes_of("tree").end()));
    session.commit(draft());
  }
  const auto repository = test.open(TestRepository::full_key(), "reader");
  ASSERT_EQ(repository->snapshots()->snapshots.size(), 1U);
  EXPECT_EQ(repository->snapshots()->snapshots[0].snapshot->source, "home");
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const ChunkKind kind = i + 1 == chunks.size() ? ChunkKind::tree : ChunkKind::data;
    EXPECT_EQ(repository->reader().get(kind, chunks[i].first), chunks[i].second);
  }
}

TEST(Session, PacksOfTinyChunksFitIntoRecords) {
  // Of 56 stored bytes each: one pack of the usual size would have more than a record can name.
  constexpr std::uint64_t kChunks = 600'000;
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  for (std::uint64_t i = 0; i < kChunks; ++i) {
    session.put(ChunkKind::data, std::as_bytes(std::span{&i, 1}));
  }
  session.commit(draft());
  EXPECT_EQ(repository->index().totals().chunks, kChunks);
}

TEST(Session, ManyChunksMakeACheckpointDueBeforeItsTime) {
  constexpr std::int64_t kChunks = 100;
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  SessionOptions options = session_options();
  options.checkpoint_interval_s = 3600;
  options.checkpoint_chunks = kChunks;
  Session session{*repository, options};
  const auto wait_for = [&](std::int64_t named) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (repository->index().totals().chunks < static_cast<std::uint64_t>(named)) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
  };
  for (std::int64_t i = 0; i < 2 * kChunks; ++i) {
    session.put(ChunkKind::data, std::as_bytes(std::span{&i, 1}));
    if ((i + 1) % kChunks == 0) {
      ASSERT_TRUE(wait_for(i + 1)) << i;
    }
  }
}

TEST(Session, PendingChunksReadBackBeforeAndAfterTheCheckpoint) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  const Bytes small = random_bytes(1, 1000);
  const Bytes large = random_bytes(2, 900'000);
  const ChunkId small_id = session.put(ChunkKind::data, small);
  const ChunkId large_id = session.put(ChunkKind::data, large);
  EXPECT_EQ(repository->reader().get(ChunkKind::data, small_id), small);
  EXPECT_EQ(repository->reader().get(ChunkKind::data, large_id), large);
  session.checkpoint();
  repository->reader().clear();
  EXPECT_EQ(repository->reader().get(ChunkKind::data, small_id), small);
  EXPECT_EQ(repository->reader().get(ChunkKind::data, large_id), large);
}

TEST(Session, StoresEqualChunksOnce) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  const Bytes bytes = random_bytes(3, 50'000);
  EXPECT_TRUE(session.put_chunk(ChunkKind::data, bytes).added);
  EXPECT_FALSE(session.put_chunk(ChunkKind::data, bytes).added);
  session.checkpoint();
  EXPECT_FALSE(session.put_chunk(ChunkKind::data, bytes).added);
  EXPECT_EQ(session.counters().added_bytes, bytes.size());
  EXPECT_EQ(session.counters().known_bytes, 2 * bytes.size());
}

TEST(Session, ManyThreadsPutWithoutLosingOrRepeatingAChunk) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  constexpr std::uint64_t kChunks = 400;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kChunks; ++i)
        session.put(ChunkKind::data, random_bytes(i, 20'000));
    });
  }
  threads.clear();
  session.checkpoint();
  EXPECT_EQ(session.counters().added_chunks, kChunks);
  EXPECT_EQ(repository->index().totals().chunks, kChunks);
}

TEST(Session, WritesNothingButItsLeaseWhenNothingWasPut) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  const std::size_t before = test.store().names().size();
  {
    Session session{*repository, session_options()};
    session.checkpoint();
    EXPECT_EQ(test.store().names(ObjectType::lock).size(), 1U);
  }
  EXPECT_EQ(test.store().names().size(), before);
}

TEST(Session, ALeaseThatCouldNotBeMadeDurableIsTakenBack) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "a");
  test.faulty().order({.call = testing::Call::barrier, .code = ErrorCode::io});
  EXPECT_THROW((Session{*repository, session_options()}), Error);
  { Session session{*repository, session_options()}; }
  EXPECT_TRUE(test.store().names(ObjectType::lock).empty())
      << "a store that fails for what it has lost would fail for ever";
}

TEST(Session, ACheckpointIsReusedAfterAnInterruption) {
  TestRepository test;
  const Bytes bytes = random_bytes(4, 300'000);
  {
    const auto repository = test.open(TestRepository::full_key(), "client");
    Session session{*repository, session_options()};
    session.put(ChunkKind::data, bytes);
    session.checkpoint();
  }
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  EXPECT_FALSE(session.put_chunk(ChunkKind::data, bytes).added);
}

TEST(Session, APackThatTheStoreRefusedIsStoredByTheNextCheckpoint) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  const Bytes bytes = random_bytes(5, 300'000);
  const ChunkId id = session.put(ChunkKind::data, bytes);
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::write,
                       .nth = 1,
                       .times = 1,
                       .code = ErrorCode::no_space,
                       .type = ObjectType::pack});
  try {
    session.checkpoint();
    FAIL() << "the store was full";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::no_space);
  }
  EXPECT_TRUE(session.is_blocked());
  EXPECT_THROW(session.put(ChunkKind::data, random_bytes(6, 1000)), Error);
  session.checkpoint();
  EXPECT_FALSE(session.is_blocked());
  session.put(ChunkKind::data, random_bytes(6, 1000));
  session.commit(draft());
  const auto reader = test.open(TestRepository::full_key(), "reader");
  EXPECT_EQ(reader->reader().get(ChunkKind::data, id), bytes);
}

TEST(Session, AfterAFailedBarrierItPromisesNothing) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  session.put(ChunkKind::data, random_bytes(7, 300'000));
  test.faulty().order(
      {.fault = testing::Fault::fail, .call = testing::Call::barrier, .code = ErrorCode::io});
  EXPECT_THROW(session.checkpoint(), Error);
  EXPECT_THROW(session.put(ChunkKind::data, random_bytes(8, 1000)), Error);
  EXPECT_THROW(session.commit(draft()), Error);
  EXPECT_TRUE(test.store().names(ObjectType::snapshot).empty());
}

TEST(Session, AStoreThatWasAwayGetsItsBarrierAgain) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  const Bytes bytes = random_bytes(7, 300'000);
  const ChunkId id = session.put(ChunkKind::data, bytes);
  test.faulty().order({.fault = testing::Fault::fail,
                       .call = testing::Call::barrier,
                       .code = ErrorCode::unavailable});
  EXPECT_THROW(session.checkpoint(), Error);
  EXPECT_FALSE(session.is_over());
  session.commit(draft());
  const auto reader = test.open(TestRepository::full_key(), "reader");
  EXPECT_EQ(reader->reader().get(ChunkKind::data, id), bytes);
}

TEST(Session, ARecordThatFailedIsWrittenByTheNextCheckpoint) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  const Bytes bytes = random_bytes(9, 300'000);
  const ChunkId id = session.put(ChunkKind::data, bytes);
  test.faulty().order(
      {.fault = testing::Fault::fail, .call = testing::Call::write, .type = ObjectType::index});
  EXPECT_THROW(session.checkpoint(), Error);
  session.commit(draft());
  const auto reader = test.open(TestRepository::full_key(), "reader");
  EXPECT_EQ(reader->reader().get(ChunkKind::data, id), bytes);
}

TEST(Session, AnIngestKeyCanWriteButNotRead) {
  TestRepository test;
  test.add_ingest_slot("host");
  const Bytes old_bytes = random_bytes(10, 200'000);
  {
    const auto repository = test.open(TestRepository::full_key(), "admin");
    Session session{*repository, session_options("other")};
    session.put(ChunkKind::data, old_bytes);
    session.commit(draft());
  }
  const auto repository = test.open(TestRepository::ingest_key(), "ingest");
  EXPECT_FALSE(repository->can_read());
  EXPECT_TRUE(repository->snapshots()->snapshots.empty());
  ChunkId own;
  const Bytes new_bytes = random_bytes(11, 200'000);
  {
    Session session{*repository, session_options()};
    const PutResult known = session.put_chunk(ChunkKind::data, old_bytes);
    EXPECT_FALSE(known.added) << "a full author's blocks may be deduplicated against";
    EXPECT_FALSE(known.readable);
    EXPECT_THROW(repository->reader().get(ChunkKind::data, known.id), Error);
    own = session.put(ChunkKind::data, new_bytes);
    EXPECT_EQ(repository->reader().get(ChunkKind::data, own), new_bytes);
    session.checkpoint();
    repository->reader().clear();
    EXPECT_EQ(repository->reader().get(ChunkKind::data, own), new_bytes)
        << "its data key is still in memory";
    const PutResult again = session.put_chunk(ChunkKind::data, new_bytes);
    EXPECT_TRUE(again.readable);
    session.commit(draft());
  }
  repository->reader().clear();
  EXPECT_THROW(repository->reader().get(ChunkKind::data, own), Error)
      << "the session's key is gone";
  const auto reader = test.open(TestRepository::full_key(), "reader");
  EXPECT_EQ(reader->reader().get(ChunkKind::data, own), new_bytes);
}

/// A block that an earlier session of this client sealed; its data key is forgotten.
BlockEntry seal_earlier(Repository& repository, const std::vector<Bytes>& chunks, Bytes& sealed) {
  const auto key = repository.keyring().make_data_key(crypto::system_random());
  BufferPool pool{std::size_t{4} << 20, 1};
  PlainBlock block{.kind = ChunkKind::data, .chunks = {}, .bytes = pool.take()};
  for (const Bytes& chunk : chunks) {
    block.chunks.push_back({repository.keyring().chunk_id(ChunkKind::data, chunk),
                            static_cast<std::uint32_t>(chunk.size())});
    block.bytes.append(chunk);
  }
  Compressor compressor{1};
  Bytes directory;
  BufferPool sealed_pool{std::size_t{4} << 20, 1};
  Buffer out = sealed_pool.take();
  const BlockSealing sealing{repository.keyring().envelope_keys(), key.get(), repository.cipher(),
                             &crypto::system_random()};
  BlockEntry entry = seal_block(block, sealing, compressor, directory, out);
  sealed.assign(out.view().begin(), out.view().end());
  return entry;
}

TEST(Session, TakesBlocksOfAnEarlierSessionAsTheyAre) {
  TestRepository test;
  test.add_ingest_slot("host");
  const std::vector<Bytes> chunks = {random_bytes(20, 5000), random_bytes(21, 70'000)};
  const auto repository = test.open(TestRepository::ingest_key(), "ingest");
  {
    Session session{*repository, session_options()};
    Bytes sealed;
    BlockEntry entry = seal_earlier(*repository, chunks, sealed);
    session.adopt_block(std::move(entry), sealed);
    for (const bool settled : {false, true}) {
      const PutResult known = session.put_chunk(ChunkKind::data, chunks[0]);
      EXPECT_FALSE(known.added);
      EXPECT_FALSE(known.readable) << "its data key is gone; settled: " << settled;
      EXPECT_THROW(repository->reader().get(ChunkKind::data, known.id), Error);
      session.checkpoint();
    }
    const PutResult again = session.put_again(ChunkKind::data, chunks[0]);
    EXPECT_TRUE(again.added);
    EXPECT_EQ(repository->reader().get(ChunkKind::data, again.id), chunks[0]);
    EXPECT_TRUE(session.put_chunk(ChunkKind::data, chunks[0]).readable);
    session.commit(draft());
  }
  const auto reader = test.open(TestRepository::full_key(), "reader");
  for (const Bytes& chunk : chunks) {
    EXPECT_EQ(
        reader->reader().get(ChunkKind::data, reader->keyring().chunk_id(ChunkKind::data, chunk)),
        chunk);
  }
}

TEST(Session, AnAdoptedChunkThatIsPendingCanBeStoredAgain) {
  TestRepository test;
  test.add_ingest_slot("host");
  const std::vector<Bytes> chunks = {random_bytes(20, 5000)};
  const auto repository = test.open(TestRepository::ingest_key(), "ingest");
  Session session{*repository, session_options()};
  Bytes sealed;
  BlockEntry entry = seal_earlier(*repository, chunks, sealed);
  session.adopt_block(std::move(entry), sealed);
  const PutResult again = session.put_again(ChunkKind::data, chunks[0]);
  EXPECT_TRUE(again.added && again.readable);
  EXPECT_EQ(repository->reader().get(ChunkKind::data, again.id), chunks[0]);
}

TEST(Session, IsOverWhenABarrierFailed) {
  TestRepository test;
  const auto repository = test.open(TestRepository::full_key(), "client");
  Session session{*repository, session_options()};
  session.put(ChunkKind::data, random_bytes(1, 1000));
  EXPECT_FALSE(session.is_over());
  test.faulty().order({.call = testing::Call::barrier, .code = ErrorCode::io});
  EXPECT_THROW(session.checkpoint(), Error);
  EXPECT_TRUE(session.is_over());
}

TEST(Session, AnIngestKeyCannotWriteForAnotherHost) {
  TestRepository test;
  test.add_ingest_slot("elsewhere");
  const auto repository = test.open(TestRepository::ingest_key(), "ingest");
  try {
    const Session session{*repository, session_options()};
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::denied);
  }
}

TEST(Session, FullAuthorsDoNotDeduplicateAgainstIngestBlocks) {
  TestRepository test;
  test.add_ingest_slot("host");
  const Bytes bytes = random_bytes(12, 200'000);
  {
    const auto repository = test.open(TestRepository::ingest_key(), "ingest");
    Session session{*repository, session_options()};
    session.put(ChunkKind::data, bytes);
    session.commit(draft());
  }
  const auto repository = test.open(TestRepository::full_key(), "admin");
  Session session{*repository, session_options()};
  EXPECT_TRUE(session.put_chunk(ChunkKind::data, bytes).added);
}

TEST(SourceLock, ASecondSessionIsToldWhoHoldsIt) {
  const testing::TemporaryDirectory directory;
  const SourceLock held = SourceLock::acquire(directory.path(), 0);
  try {
    SourceLock::acquire(directory.path(), 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::busy);
    EXPECT_NE(error.message().find(std::to_string(::getpid())), std::string::npos);
  }
}

}  // namespace
}  // namespace vgerfs::repo
