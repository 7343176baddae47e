#include "base/buffer.h"

#include <set>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

TEST(Buffer, GrowsWithinItsCapacity) {
  BufferPool pool{10, 1};
  Buffer buffer = pool.take();
  EXPECT_TRUE(buffer);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 10U);
  buffer.append(bytes_of("abc"));
  buffer.append({});
  EXPECT_EQ(buffer.spare().size(), 7U);
  std::memcpy(buffer.spare().data(), "de", 2);
  buffer.resize(5);
  EXPECT_EQ(text_of(buffer.view()), "abcde");
  buffer.append(bytes_of("fghij"));
  EXPECT_EQ(buffer.size(), buffer.capacity());
}

TEST(BufferDeathTest, NeverGrowsPastItsCapacity) {
  BufferPool pool{10, 1};
  Buffer buffer = pool.take();
  buffer.resize(8);
  EXPECT_DEATH(buffer.append(bytes_of("abc")), "bug at .*buffer");
  EXPECT_DEATH(buffer.resize(11), "bug at .*buffer");
}

TEST(BufferPool, GivesTheSameMemoryAgain) {
  BufferPool pool{10, 2};
  const std::byte* memory = nullptr;
  {
    Buffer buffer = pool.take();
    buffer.append(bytes_of("abc"));
    memory = buffer.data();
  }
  const Buffer again = pool.take();
  EXPECT_EQ(again.data(), memory);
  EXPECT_TRUE(again.empty()) << "a reused buffer begins empty";
  EXPECT_NE(pool.take().data(), memory) << "memory in use was given away";
}

TEST(BufferPool, KeepsNoMoreThanItsLimit) {
  BufferPool pool{10, 1};
  Buffer first = pool.take();
  Buffer second = pool.take();
  const std::byte* kept = first.data();
  first = {};
  second = {};
  EXPECT_EQ(pool.take().data(), kept);
}

TEST(Buffer, MovesItsMemory) {
  BufferPool pool{10, 5};
  Buffer from = pool.take();
  from.append(bytes_of("abc"));
  const std::byte* memory = from.data();
  Buffer to{std::move(from)};
  EXPECT_EQ(to.data(), memory);
  EXPECT_EQ(text_of(to.view()), "abc");
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): the state after a move is promised
  EXPECT_EQ(from.size(), 0U);
  Buffer target = pool.take();
  const std::byte* replaced = target.data();
  target = std::move(to);
  EXPECT_EQ(target.data(), memory);
  EXPECT_EQ(pool.take().data(), replaced) << "the replaced memory was lost";
}

TEST(BufferPool, ServesManyThreads) {
  BufferPool pool{64, 3};
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < 2000; ++i) {
        Buffer buffer = pool.take();
        buffer.resize(64);
        const auto mark = static_cast<std::byte>(number);
        std::fill_n(buffer.data(), 64, mark);
        for (const std::byte byte : buffer.view()) ASSERT_EQ(byte, mark);
      }
    });
  }
}

}  // namespace
}  // namespace vgerfs
