#include "repo/content_splitter.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "repo/memory_chunks.h"
#include "repo/random_bytes.h"
#include "repo/tree.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

constexpr ChunkerParameters kSmall{4096, 16384, 65536};

const Chunker& small_chunker() {
  static const Chunker chunker = [] {
    TestRandom random{42};
    GearTable gear;
    for (auto& value : gear) value = random();
    return Chunker{kSmall, gear};
  }();
  return chunker;
}

std::vector<ExtentReader::Located> extents_of(MemoryChunks& chunks, const Entry& entry) {
  std::vector<ExtentReader::Located> extents;
  ExtentReader{chunks, entry}.for_each([&](const auto& located) { extents.push_back(located); });
  return extents;
}

Bytes content_of(MemoryChunks& chunks, const Entry& entry) {
  Bytes content(entry.size());
  for (const auto& [start, extent] : extents_of(chunks, entry)) {
    if (!extent.chunk) continue;
    const Bytes chunk = chunks.get(ChunkKind::data, *extent.chunk);
    std::copy_n(chunk.begin() + extent.chunk_offset, extent.bytes,
                content.begin() + static_cast<std::ptrdiff_t>(start));
  }
  return content;
}

void feed(ContentSplitter& splitter, ByteView bytes, TestRandom& random) {
  while (!bytes.empty()) {
    const MutableBytes space = splitter.space();
    const std::size_t count =
        std::min({bytes.size(), space.size(), std::size_t{1} + random() % 300'000});
    std::memcpy(space.data(), bytes.data(), count);
    splitter.filled(count);
    bytes = bytes.subspan(count);
  }
}

class Splitter : public ::testing::Test {
 protected:
  TestRandom random_{testing::test_seed()};
  MemoryChunks chunks_;
  ContentSplitter splitter_{small_chunker(), chunks_};

  Entry split(ByteView bytes) {
    Entry entry;
    splitter_.start();
    feed(splitter_, bytes, random_);
    splitter_.finish(entry);
    return entry;
  }
};

TEST_F(Splitter, GivesTheContentBack) {
  for (const std::size_t bytes : {0UL, 1UL, 4096UL, 70'000UL, 9'000'000UL}) {
    const Bytes content = random_bytes(random_, bytes);
    const Entry entry = split(content);
    EXPECT_EQ(entry.size(), bytes);
    EXPECT_EQ(content_of(chunks_, entry), content);
  }
}

TEST_F(Splitter, ForgetsAStreamThatWasNotFinished) {
  splitter_.start();
  feed(splitter_, random_bytes(random_, 100'000), random_);
  splitter_.skip(1'000'000);
  const Bytes content = random_bytes(random_, 50'000);
  EXPECT_EQ(content_of(chunks_, split(content)), content);
}

// Where the holes of the file system are is chance: it must not show in the chunks.
TEST_F(Splitter, HolesAndZerosGiveTheSameExtents) {
  constexpr std::uint64_t kPage = 4096;
  for (int round = 0; round < testing::test_size(60, 10); ++round) {
    Bytes content;
    std::vector<std::pair<std::uint64_t, bool>> parts;  // length, hole
    for (int part = 0; part < 6; ++part) {
      const bool zeros = random_() % 2 == 0;
      const std::uint64_t pages = random_() % (random_() % 4 == 0 ? 2000 : 40);
      Bytes bytes = zeros ? Bytes(pages * kPage) : random_bytes(random_, pages * kPage);
      // Zeros go on in the data around a hole, and stand alone.
      for (std::size_t i = 0; !zeros && i + kPage <= bytes.size(); i += kPage) {
        if (random_() % 8 == 0)
          std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(i + random_() % 100), kPage / 2,
                      std::byte{0});
      }
      if (!zeros && !bytes.empty() && random_() % 2 == 0)
        std::fill_n(bytes.end() - 1000, 1000, std::byte{0});
      if (!zeros && !bytes.empty() && random_() % 2 == 0)
        std::fill_n(bytes.begin(), 500, std::byte{0});
      append(content, bytes);
      // Some zeros are allocated, as cp --sparse=never leaves them.
      parts.emplace_back(bytes.size(), zeros && random_() % 4 != 0);
    }
    const Entry full = split(content);
    Entry sparse;
    splitter_.start();
    std::size_t at = 0;
    for (const auto& [bytes, hole] : parts) {
      if (hole) {
        splitter_.skip(bytes);
      } else {
        feed(splitter_, ByteView{content}.subspan(at, bytes), random_);
      }
      at += bytes;
    }
    EXPECT_EQ(splitter_.bytes(), content.size());
    splitter_.finish(sparse);
    ASSERT_EQ(sparse.SerializeAsString(), full.SerializeAsString());
    ASSERT_EQ(content_of(chunks_, full), content);
  }
}

TEST_F(Splitter, AHugeHoleIsOneExtentAndNoWork) {
  Entry entry;
  splitter_.start();
  feed(splitter_, random_bytes(random_, 100'000), random_);
  splitter_.skip(std::uint64_t{1} << 50);
  feed(splitter_, random_bytes(random_, 100'000), random_);
  splitter_.finish(entry);
  EXPECT_EQ(entry.size(), (std::uint64_t{1} << 50) + 200'000);
  std::size_t holes = 0;
  for (const auto& each : extents_of(chunks_, entry)) {
    if (!each.extent.chunk) ++holes;
  }
  EXPECT_EQ(holes, 1U);
  EXPECT_LT(chunks_.puts(), 100U);
}

}  // namespace
}  // namespace vgerfs::repo
