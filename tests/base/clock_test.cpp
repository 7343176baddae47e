#include "base/clock.h"

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

struct Sample {
  std::int64_t s;
  const char* iso;
  const char* name;
};

constexpr Sample kSamples[] = {
    {0, "1970-01-01T00:00:00Z", "1970-01-01T00.00.00Z"},
    {-1, "1969-12-31T23:59:59Z", "1969-12-31T23.59.59Z"},
    {1'795'216'205, "2026-11-20T23:10:05Z", "2026-11-20T23.10.05Z"},
    {951'782'400, "2000-02-29T00:00:00Z", "2000-02-29T00.00.00Z"},
    {4'102'444'800, "2100-01-01T00:00:00Z", "2100-01-01T00.00.00Z"},
    {-2'208'988'800, "1900-01-01T00:00:00Z", "1900-01-01T00.00.00Z"},
};

TEST(Clock, NamesTimesInUtc) {
  for (const Sample& sample : kSamples) {
    EXPECT_EQ(iso_time({sample.s, 999'999'999}), sample.iso);
    EXPECT_EQ(snapshot_time_name({sample.s, 0}), sample.name);
  }
}

TEST(Clock, ParsesBothForms) {
  for (const Sample& sample : kSamples) {
    EXPECT_EQ(parse_time(sample.iso), sample.s) << sample.iso;
    EXPECT_EQ(parse_time(sample.name), sample.s) << sample.name;
  }
}

TEST(Clock, RejectsWhatIsNoTime) {
  for (const char* text :
       {"", "latest", "2026-11-20T23:10:05", "2026-11-20 23:10:05Z", "2026-11-20T23:10:05ZZ",
        "2026-11-20T23:10:0Z", "2026-13-20T23:10:05Z", "2026-00-20T23:10:05Z",
        "2026-02-30T23:10:05Z", "2026-11-31T23:10:05Z", "2026-11-20T24:10:05Z",
        "2026-11-20T23:60:05Z", "2026-11-20T23:10:61Z", "2026-11- 2T23:10:05Z",
        "2026-11-20T23-10-05Z", "+026-11-20T23:10:05Z", "2026-11-20T 3:10:05Z"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(Clock, TheSystemsClocksRun) {
  const Clock& clock = system_clock();
  EXPECT_GT(clock.now().s, 1'600'000'000);
  EXPECT_LT(clock.now().ns, 1'000'000'000U);
  const std::int64_t before = clock.boot_ns();
  EXPECT_GT(before, 0);
  EXPECT_GE(clock.boot_ns(), before);
}

TEST(Timestamp, IsOrdered) {
  EXPECT_LT((Timestamp{-1, 999'999'999}), (Timestamp{0, 0}));
  EXPECT_LT((Timestamp{5, 1}), (Timestamp{5, 2}));
}

TEST(Timestamp, IsMadeOfNanoseconds) {
  EXPECT_EQ(timestamp_of(0), (Timestamp{0, 0}));
  EXPECT_EQ(timestamp_of(1'999'999'999), (Timestamp{1, 999'999'999}));
  EXPECT_EQ(timestamp_of(-1), (Timestamp{-1, 999'999'999}));
  EXPECT_EQ(timestamp_of(-2'000'000'000), (Timestamp{-2, 0}));
  EXPECT_EQ(timestamp_of(INT64_MIN), (Timestamp{-9'223'372'037, 145'224'192}));
}

}  // namespace
}  // namespace vgerfs
