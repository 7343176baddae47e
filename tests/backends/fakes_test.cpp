// The fakes do what the tests of other folders rely on.
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/faulty_backend.h"
#include "support/fixed_random.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {
namespace {

using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using namespace std::chrono_literals;

template <class Action>
std::optional<ErrorCode> code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

TEST(ForgettingBackend, KeepsInACrashOnlyWhatABarrierCovered) {
  ForgettingBackend backend;
  const ObjectName kept = write_object(backend, ObjectType::pack, random_bytes(1, 10));
  backend.barrier();
  const ObjectName lost = write_object(backend, ObjectType::pack, random_bytes(2, 10));
  backend.crash();
  EXPECT_TRUE(backend.stat(kept));
  EXPECT_FALSE(backend.stat(lost));
  EXPECT_NO_THROW(backend.write(lost, random_bytes(3, 10)));
}

TEST(ForgettingBackend, ASeedDecidesAboutEachUnsyncedWrite) {
  const auto survivors = [](std::uint64_t seed) {
    ForgettingBackend backend;
    for (std::uint64_t i = 0; i < 40; ++i) {
      write_object(backend, ObjectType::pack, random_bytes(i, 10));
    }
    const std::size_t count = backend.crash(seed);
    EXPECT_EQ(backend.store()->names().size(), count);
    return backend.store()->names();
  };
  EXPECT_GT(survivors(1).size(), 5U);
  EXPECT_LT(survivors(1).size(), 35U);
  EXPECT_EQ(survivors(1), survivors(1));
  EXPECT_NE(survivors(1), survivors(2));
}

TEST(FaultyBackend, FailsTheNthCallOfAKindOnly) {
  MemoryBackend inner;
  FaultyBackend backend{inner};
  backend.order({.fault = Fault::fail, .call = Call::write, .nth = 2, .code = ErrorCode::no_space});
  const auto write = [&](std::uint64_t i) {
    return code_of([&] { write_object(backend, ObjectType::pack, random_bytes(i, 10)); });
  };
  EXPECT_EQ(write(1), std::nullopt);
  EXPECT_EQ(code_of([&] { backend.barrier(); }), std::nullopt);
  EXPECT_EQ(write(2), ErrorCode::no_space);
  EXPECT_EQ(write(3), std::nullopt);
  backend.barrier();
  EXPECT_EQ(inner.store()->names().size(), 2U);
  EXPECT_EQ(backend.calls(Call::write), 3U);
  EXPECT_EQ(backend.calls(), 5U);
}

TEST(FaultyBackend, CountsOnlyTheTypeOfAnOrder) {
  MemoryBackend inner;
  FaultyBackend backend{inner};
  backend.order({.fault = Fault::fail, .call = Call::write, .type = ObjectType::snapshot});
  EXPECT_NO_THROW(write_object(backend, ObjectType::pack, random_bytes(1, 10)));
  EXPECT_THROW(write_object(backend, ObjectType::snapshot, random_bytes(1, 10)), Error);
}

TEST(FaultyBackend, ALostReplyHasItsEffect) {
  MemoryBackend inner;
  FaultyBackend backend{inner};
  backend.order({.fault = Fault::lose_reply, .nth = 1, .times = 2});
  const Bytes bytes = random_bytes(1, 10);
  EXPECT_EQ(code_of([&] { write_object(backend, ObjectType::pack, bytes); }),
            ErrorCode::unavailable);
  EXPECT_EQ(code_of([&] { backend.barrier(); }), ErrorCode::unavailable);
  EXPECT_EQ(inner.store()->names().size(), 1U);
  EXPECT_NO_THROW(write_object(backend, ObjectType::pack, bytes)) << "the retry";
}

TEST(FaultyBackend, NothingWorksAfterAKill) {
  for (const Fault fault : {Fault::kill, Fault::kill_after}) {
    MemoryBackend inner;
    FaultyBackend backend{inner};
    write_object(backend, ObjectType::pack, random_bytes(1, 10));
    backend.order({.fault = fault});
    EXPECT_THROW(backend.barrier(), Killed);
    EXPECT_EQ(inner.store()->names().size(), fault == Fault::kill_after ? 1U : 0U);
    EXPECT_THROW(backend.stat(format::config_name()), Killed);
    EXPECT_THROW(backend.barrier(), Killed);
    EXPECT_TRUE(backend.killed());
    backend.clear();
    EXPECT_NO_THROW(backend.stat(format::config_name()));
  }
}

TEST(MemoryStore, CanShowYesterdaysState) {
  MemoryBackend backend;
  write_object(backend, ObjectType::pack, random_bytes(1, 10));
  backend.barrier();
  const auto yesterday = backend.store()->copy();
  write_object(backend, ObjectType::pack, random_bytes(2, 10));
  backend.barrier();
  backend.store()->replace_all(yesterday);
  EXPECT_EQ(backend.store()->names().size(), 1U);
}

TEST(MemoryStore, ShowsTheTimesOfItsClock) {
  ManualClock clock{{1000, 0}};
  MemoryBackend backend{&clock};
  const ObjectName first = write_object(backend, ObjectType::lock, random_bytes(1, 10));
  backend.barrier();
  clock.advance(90s);
  const ObjectName second = write_object(backend, ObjectType::lock, random_bytes(2, 10));
  EXPECT_EQ(backend.stat(first)->stored_at, (Timestamp{1000, 0}));
  EXPECT_EQ(backend.stat(second)->stored_at, (Timestamp{1090, 0}));
}

TEST(ManualClock, CarriesNanoseconds) {
  ManualClock clock{{-1, 999'999'999}};
  const std::int64_t boot = clock.boot_ns();
  clock.advance(2ns);
  EXPECT_EQ(clock.now(), (Timestamp{0, 1}));
  clock.advance(-2ns);
  EXPECT_EQ(clock.now(), (Timestamp{-1, 999'999'999}));
  clock.advance(2500ms);
  EXPECT_EQ(clock.now(), (Timestamp{2, 499'999'999}));
  EXPECT_EQ(clock.boot_ns() - boot, 2'500'000'000);
  clock.set({5, 0});
  EXPECT_EQ(clock.boot_ns() - boot, 2'500'000'000);
}

TEST(FixedRandom, RepeatsItself) {
  FixedRandom first{7};
  FixedRandom second{7};
  FixedRandom other{8};
  const auto a = crypto::random_array<32>(first);
  EXPECT_EQ(a, crypto::random_array<32>(second));
  EXPECT_NE(a, crypto::random_array<32>(first));
  EXPECT_NE(a, crypto::random_array<32>(other));
  FixedRandom broken = FixedRandom::constant(std::byte{5});
  EXPECT_EQ(crypto::random_array<32>(broken), crypto::random_array<32>(broken));
}

}  // namespace
}  // namespace vgerfs::testing
