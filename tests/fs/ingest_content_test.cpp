#include "fs/ingest_content.h"

#include <map>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "support/fixed_random.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::fs {
namespace {

using testing::random_bytes;

repo::GearTable gear() {
  repo::GearTable table{};
  std::mt19937_64 random{42};
  for (auto& each : table) each = random();
  return table;
}

/// A session in memory, with a real chunker and a real spool.
class FakePort final : public ContentPort {
 public:
  explicit FakePort(std::uint64_t spool_bytes = std::uint64_t{64} << 20)
      : spool_{directory_.path(), spool_bytes, random_} {}

  Segment put(ByteView bytes) override {
    if (failing) throw Error{ErrorCode::no_space, "the store is full"};
    const auto digest = sha256(bytes);
    const ChunkId id{digest};
    chunks[id] = Bytes{bytes.begin(), bytes.end()};
    largest = std::max(largest, bytes.size());
    ++puts;
    return {.bytes = bytes.size(), .kind = SegmentKind::chunk, .epoch = epoch_, .chunk = id};
  }
  std::shared_ptr<const repo::SpoolRecord> spool(ByteView bytes) override {
    return spool_.append(bytes);
  }
  const repo::Chunker& chunker() const override { return chunker_; }
  Epoch epoch() const override { return epoch_; }

  /// All bytes of a content; stored ones come from `stored`.
  Bytes read(const FileContent& content, ByteView stored = {}) const {
    Bytes out;
    for (const ContentPiece& piece : content.pieces(0, content.bytes())) {
      EXPECT_EQ(piece.start, out.size());
      const Segment& segment = piece.segment;
      const auto count = static_cast<std::ptrdiff_t>(segment.bytes);
      if (piece.in_memory) {
        EXPECT_EQ(piece.bytes.size(), segment.bytes);
        append(out, piece.bytes);
        continue;
      }
      switch (segment.kind) {
        case SegmentKind::hole: out.resize(out.size() + segment.bytes); break;
        case SegmentKind::stored: append(out, stored.subspan(piece.start, segment.bytes)); break;
        case SegmentKind::chunk: {
          const auto at = chunks.at(segment.chunk).begin() + segment.chunk_offset;
          out.insert(out.end(), at, at + count);
          break;
        }
        case SegmentKind::spool: {
          const Bytes record = segment.spool->read();
          out.insert(out.end(), record.begin() + segment.spool_offset,
                     record.begin() + segment.spool_offset + count);
          break;
        }
      }
    }
    return out;
  }

  const repo::Spool& spool() const noexcept { return spool_; }

  std::map<ChunkId, Bytes> chunks;
  std::size_t largest = 0;
  std::size_t puts = 0;
  bool failing = false;

 private:
  testing::TemporaryDirectory directory_;
  testing::FixedRandom random_{3};
  repo::Spool spool_;
  repo::Chunker chunker_{{.min_bytes = 8 << 10, .average_bytes = 32 << 10, .max_bytes = 128 << 10},
                         gear()};
  Epoch epoch_ = 5;
};

std::shared_ptr<const StoredContent> stored_of(std::uint64_t bytes) {
  auto stored = std::make_shared<StoredContent>();
  stored->bytes = bytes;
  stored->extents = {{.bytes = bytes, .chunk = ChunkId{}, .chunk_offset = 0}};
  return stored;
}

bool has_kind(const FileContent& content, SegmentKind kind) {
  for (const auto& piece : content.pieces(0, content.bytes())) {
    if (!piece.in_memory && piece.segment.kind == kind) return true;
  }
  return false;
}

TEST(FileContent, CutsAStreamAsAWholeWhateverThePortions) {
  const Bytes bytes = random_bytes(1, 3 << 20);
  std::vector<std::map<ChunkId, Bytes>> cuts;
  for (const std::size_t portion : {std::size_t{4096}, std::size_t{131072}, std::size_t{1000003}}) {
    FakePort port;
    FileContent content{nullptr};
    for (std::size_t at = 0; at < bytes.size(); at += portion) {
      content.write(port, at, ByteView{bytes}.subspan(at, std::min(portion, bytes.size() - at)));
      EXPECT_LE(content.run_bytes(), port.chunker().enough_bytes() + portion);
    }
    content.seal(port);
    EXPECT_EQ(content.run_bytes(), 0U);
    EXPECT_EQ(port.read(content), bytes);
    EXPECT_EQ(port.spool().used_bytes(), 0U) << "a stream is not staged";
    cuts.push_back(port.chunks);
  }
  EXPECT_EQ(cuts[0], cuts[1]);
  EXPECT_EQ(cuts[0], cuts[2]);
}

TEST(FileContent, KeepsLongZeroRunsAsHoles) {
  FakePort port;
  FileContent content{nullptr};
  content.write(port, 0, random_bytes(1, 100));
  content.write(port, 100, Bytes(1 << 20));
  content.write(port, (1 << 20) + 100, random_bytes(2, 100));
  content.seal(port);
  EXPECT_GE(content.hole_bytes(), std::uint64_t{1} << 20);
}

TEST(FileContent, SendsShortRandomWritesToTheSpoolUntilItIsSealed) {
  FakePort port;
  FileContent content{stored_of(1 << 20)};
  content.write(port, 4096, random_bytes(1, 4096));
  content.write(port, 65536, random_bytes(2, 4096));
  content.write(port, 20000, random_bytes(3, 10));
  EXPECT_TRUE(has_kind(content, SegmentKind::spool));
  EXPECT_EQ(port.puts, 0U);
  content.seal(port);
  EXPECT_FALSE(has_kind(content, SegmentKind::spool));
  EXPECT_TRUE(has_kind(content, SegmentKind::stored))
      << "what was not written stays as it is, unread";
  EXPECT_EQ(port.spool().used_bytes(), 0U);
}

TEST(FileContent, StreamsARewriteInTheMiddle) {
  FakePort port;
  FileContent content{stored_of(4 << 20)};
  const Bytes bytes = random_bytes(1, 1 << 20);
  for (std::size_t at = 0; at < bytes.size(); at += 512) {
    content.write(port, 100 + at, ByteView{bytes}.subspan(at, 512));
  }
  EXPECT_EQ(port.spool().used_bytes(), 0U);
  EXPECT_GT(port.puts, 4U);
}

TEST(FileContent, GoesOnWithoutRoomInTheSpool) {
  FakePort port{2 * 4096};
  FileContent content{nullptr};
  Bytes model(1 << 20);
  content.truncate(model.size());
  std::mt19937_64 random{9};
  for (int i = 0; i < 200; ++i) {
    const std::size_t at = random() % (model.size() - 4096);
    const Bytes bytes = random_bytes(random(), 1 + random() % 4096);
    std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
    content.write(port, at, bytes);
  }
  EXPECT_LE(port.spool().used_bytes(), 2U * 4096);
  EXPECT_EQ(port.read(content), model);
}

TEST(FileContent, LosesNothingWhenTheSessionFailsForAWhile) {
  FakePort port;
  FileContent content{nullptr};
  const Bytes bytes = random_bytes(1, 1 << 20);
  Bytes accepted;
  for (std::size_t at = 0; at < bytes.size(); at += 32768) {
    port.failing = at > 300000 && at < 700000;
    const ByteView portion = ByteView{bytes}.subspan(at, 32768);
    const std::uint64_t before = content.bytes();
    try {
      content.write(port, at, portion);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::no_space);
      if (content.bytes() == before) content.extend(at + portion.size());  // refused whole
    }
    EXPECT_LE(content.run_bytes(), port.chunker().enough_bytes() + 2 * 32768)
        << "memory stays bounded";
  }
  port.failing = false;
  content.seal(port);
  const Bytes read = port.read(content);
  ASSERT_EQ(read.size(), bytes.size());
  EXPECT_TRUE(std::equal(read.begin(), read.begin() + 300000, bytes.begin()));
}

TEST(FileContent, AppendingAgainAfterARefusalDoublesNothing) {
  FakePort port;
  FileContent content{nullptr};
  const Bytes bytes = random_bytes(1, 1 << 20);
  int refused = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
    const ByteView portion =
        ByteView{bytes}.subspan(at, std::min<std::size_t>(50'000, bytes.size() - at));
    port.failing = true;
    try {
      content.write(port, at, portion);
    } catch (const Error&) {
      ++refused;
      EXPECT_EQ(content.bytes(), at);
      port.failing = false;
      content.write(port, content.bytes(), portion);
    }
  }
  EXPECT_GT(refused, 0);
  port.failing = false;
  content.seal(port);
  EXPECT_TRUE(port.read(content) == bytes);
}

TEST(FileContent, MarksWhoReceivedTheBytes) {
  FakePort port;
  FileContent content{stored_of(100)};
  content.write(port, 50, random_bytes(1, 100));
  content.seal(port);
  for (const auto& piece : content.pieces(0, content.bytes())) {
    if (piece.segment.kind == SegmentKind::chunk) {
      EXPECT_EQ(piece.segment.epoch, 5U);
    }
  }
  EXPECT_EQ(content.at_rest(16, 5), nullptr) << "slices of the past are not of this session";
  content.truncate(0);
  content.write(port, 0, random_bytes(2, 100));
  content.seal(port);
  const auto rest = content.at_rest(16, 5);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->epoch, 5U);
  EXPECT_EQ(content.at_rest(16, 6), nullptr);
  EXPECT_EQ(content.at_rest(16, std::nullopt)->epoch, 0U);
  content.change_epoch(5, 6);
  EXPECT_TRUE(content.at_rest(16, 6));
}

/// What the journal would rebuild from the changes it was told.
class JournalModel {
 public:
  void note(const FakePort& port, FileContent& content, ByteView stored) {
    const Bytes now = port.read(content, stored);
    if (content.all_unjournaled()) {
      bytes_ = content.stored()
                   ? Bytes{stored.begin(),
                           stored.begin() + static_cast<std::ptrdiff_t>(content.stored()->bytes)}
                   : Bytes{};
    }
    const auto ranges = content.unjournaled();
    bytes_.resize(std::min<std::uint64_t>(bytes_.size(), now.size()));
    for (const auto& range : ranges) {
      ASSERT_LE(range.end, now.size());
      if (bytes_.size() < range.end) bytes_.resize(range.end);
      std::copy(now.begin() + static_cast<std::ptrdiff_t>(range.start),
                now.begin() + static_cast<std::ptrdiff_t>(range.end),
                bytes_.begin() + static_cast<std::ptrdiff_t>(range.start));
    }
    bytes_.resize(now.size());
    content.mark_journaled();
    ASSERT_EQ(bytes_, now) << "the journal would lose a change";
  }

 private:
  Bytes bytes_;
};

TEST(FileContent, AgreesWithAnArrayOfBytes) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t round = 0; round < testing::test_size<std::uint64_t>(30, 6); ++round) {
    std::mt19937_64 random{seed + round};
    FakePort port{round % 3 == 0 ? 16 * 4096 : std::uint64_t{64} << 20};
    const Bytes stored = random_bytes(seed + round, random() % 3 == 0 ? 0 : random() % 300000);
    FileContent content{stored.empty() ? nullptr : stored_of(stored.size())};
    Bytes model = stored;
    JournalModel journal;
    std::uint64_t next = 0;
    for (int step = 0; step < 150; ++step) {
      const std::uint64_t what = random() % 20;
      const std::uint64_t at = random() % 5 < 3 ? next : random() % 400000;
      const std::uint64_t count = random() % 4 == 0 ? 1 + random() % 200000 : 1 + random() % 5000;
      if (what < 13) {
        Bytes bytes = random() % 6 == 0 ? Bytes(count) : random_bytes(random(), count);
        content.write(port, at, bytes);
        if (model.size() < at + count) model.resize(at + count);
        std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
        next = at + count;
      } else if (what == 13) {
        content.truncate(at);
        model.resize(at);
      } else if (what == 14) {
        content.extend(at);
        if (model.size() < at) model.resize(at);
      } else if (what < 17) {
        content.punch(at, count);
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + count, model.size()); ++i)
          model[i] = std::byte{};
      } else if (what == 17) {
        content.close_run(port);
      } else if (what == 18) {
        content.seal(port);
      } else {
        journal.note(port, content, stored);
      }
      ASSERT_EQ(content.bytes(), model.size()) << "seed " << seed + round << " step " << step;
      if (step % 10 == 0) {
        ASSERT_EQ(port.read(content, stored), model) << "seed " << seed + round << " step " << step;
      }
    }
    content.seal(port);
    ASSERT_EQ(port.read(content, stored), model) << "seed " << seed + round;
    journal.note(port, content, stored);
    content.forget_journal();
    journal.note(port, content, stored);
    EXPECT_EQ(port.spool().used_bytes(), 0U);
  }
}

}  // namespace
}  // namespace vgerfs::fs
