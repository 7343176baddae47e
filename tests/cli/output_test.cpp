#include "cli/output.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/cli_run.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/suggestion.h"

namespace vgerfs::cli {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(Quantity, ReadsDurations) {
  EXPECT_EQ(parse_duration("90s"), seconds{90});
  EXPECT_EQ(parse_duration("5m"), seconds{300});
  EXPECT_EQ(parse_duration("5min"), seconds{300});
  EXPECT_EQ(parse_duration("1d12h"), hours{36});
  EXPECT_EQ(parse_duration("2w"), hours{24 * 14});
  EXPECT_EQ(parse_duration("1y"), hours{24 * 365});
  for (const char* wrong :
       {"", "5", "m", "-5m", "5 m", "5x", "1001y", "99999999999999999999s", "1h5"}) {
    EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(Quantity, PeriodsAreOfTheCalendar) {
  const auto period = [](std::uint32_t months, std::uint32_t days, std::uint32_t and_hours) {
    return repo::Period{months, days, and_hours};
  };
  EXPECT_EQ(parse_period("30d"), period(0, 30, 0));
  EXPECT_EQ(parse_period("1y6m"), period(18, 0, 0));
  EXPECT_EQ(parse_period("48h"), period(0, 0, 48));
  EXPECT_EQ(parse_period("2w1d"), period(0, 15, 0));
  EXPECT_EQ(parse_period("1000y"), period(12'000, 0, 0));
  for (const char* wrong : {"", "0d", "1", "d", "1 d", "-1d", "1x", "1min", "30s", "1001y",
                            "1000y1m", "99999999999999999999d", "4294967297h"}) {
    EXPECT_EQ(parse_period(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(format_period(period(18, 15, 3)), "1y6m15d3h");
  EXPECT_EQ(format_period(period(0, 30, 0)), "30d");
}

TEST(Quantity, ReadsSizes) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("64K"), 65536U);
  EXPECT_EQ(parse_size("2GiB"), 2ULL << 30);
  EXPECT_EQ(parse_size("16383P"), 16383ULL << 50);
  for (const char* wrong : {"", "K", "-1", "1.5G", "1KB", "1iB", "16384P", "5 M"}) {
    EXPECT_EQ(parse_size(wrong), std::nullopt) << wrong;
  }
}

TEST(Quantity, PrintsSizes) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(1024), "1.00 KiB");
  EXPECT_EQ(format_size(15 * 1024), "15.0 KiB");
  EXPECT_EQ(format_size(1024 * 1024 - 1), "1.00 MiB");
  EXPECT_EQ(format_size(UINT64_MAX), "16.0 EiB");
}

TEST(Quantity, PrintsDurations) {
  EXPECT_EQ(format_duration(seconds{7}), "0:07");
  EXPECT_EQ(format_duration(seconds{754}), "12:34");
  EXPECT_EQ(format_duration(seconds{11045}), "3:04:05");
}

TEST(Suggestion, FindsTheNearestName) {
  constexpr std::string_view kNames[] = {"backup", "restore", "list", "ls"};
  EXPECT_EQ(nearest("bakcup", kNames), "backup");
  EXPECT_EQ(nearest("restroe", kNames), "restore");
  EXPECT_EQ(nearest("lits", kNames), "list");
  EXPECT_EQ(nearest("frobnicate", kNames), std::nullopt);
  EXPECT_EQ(nearest("", kNames), std::nullopt);
}

TEST(Printable, NeutralisesWhatSteersATerminal) {
  EXPECT_EQ(printable("a b ü 文"), "a b ü 文");
  EXPECT_EQ(printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(SetBytes, KeepsWhatIsNotUtf8InHex) {
  Json object;
  set_bytes(object, "path", "caf\xc3\xa9");
  EXPECT_FALSE(object.contains("path_hex"));
  set_bytes(object, "path", "caf\xe9");
  EXPECT_EQ(object.at("path_hex"), "636166e9");
  EXPECT_EQ(to_line(object), "{\"path\":\"caf\uFFFD\",\"path_hex\":\"636166e9\"}\n");
}

TEST(Table, AlignsItsColumns) {
  Table table{{{"NAME"}, {"SIZE", Table::Align::right}}};
  table.add({"ü", "1 B"});
  table.add({"longer", "10 B"});
  EXPECT_EQ(table.text(), "NAME    SIZE\nü        1 B\nlonger  10 B\n");
}

TEST(Output, PrintsErrorsInOneLineWithAHint) {
  TestIo surroundings;
  Output output{"vgerfs-admin", {}, surroundings.io};
  output.error(Error{ErrorCode::corrupt, "pack 3f: torn\n\x1b[31m", "restore it"},
               ExitCode::corrupt);
  EXPECT_EQ(surroundings.err(), "vgerfs-admin: pack 3f: torn\\n\\x1b[31m\nhint: restore it\n");
}

TEST(Output, QuietDropsChatterButNotResults) {
  TestIo surroundings;
  Output output{"vgerfs-admin", {.quiet = true}, surroundings.io};
  output.line("chatter");
  output.result("result\n");
  output.warning("careful");
  EXPECT_EQ(surroundings.out(), "result\n");
  EXPECT_EQ(surroundings.err(), "vgerfs-admin: warning: careful\n");
}

TEST(Output, JsonIsTheOnlyThingOnStandardOutput) {
  TestIo surroundings;
  Output output{"vgerfs-admin", {.json = true}, surroundings.io};
  output.line("chatter");
  output.result("result\n");
  output.json({{"a", 1}});
  output.warning("careful");
  EXPECT_EQ(surroundings.out(), "{\"a\":1}\n");
  EXPECT_EQ(surroundings.err(), "{\"warning\":\"careful\"}\n");
}

/// A clock that stands still until it is set.
class StillClock final : public Clock {
 public:
  Timestamp now() const override { return {}; }
  std::int64_t boot_ns() const override { return ns; }
  std::int64_t ns = 0;
};

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Progress, DrawsALineOnATerminalAndClearsIt) {
  StillClock clock;
  TestIo surroundings;
  surroundings.io.clock = &clock;
  surroundings.terminal_fd = surroundings.io.err;
  const Output output{"vgerfs-admin", {}, surroundings.io};
  {
    Progress progress{"backup", "file", output, surroundings.io};
    clock.ns = 10 * kSecond;
    progress.update({.items = 3, .bytes = 10 << 20, .total_items = 9, .total_bytes = 40 << 20},
                    "a/b");
    clock.ns += kSecond / 10;
    progress.update({.items = 4, .bytes = 11 << 20});
  }
  EXPECT_EQ(
      surroundings.err(),
      "\r\x1b[K0:10   25 %  3/9 files  10.0 MiB/40.0 MiB  1.00 MiB/s  0:30 left  a/b\r\x1b[K");
}

TEST(Progress, FitsIntoTheTerminal) {
  StillClock clock;
  TestIo surroundings;
  surroundings.io.clock = &clock;
  surroundings.io.terminal_columns = [] { return 40U; };
  surroundings.terminal_fd = surroundings.io.err;
  const Output output{"vgerfs-admin", {}, surroundings.io};
  Progress progress{"backup", "file", output, surroundings.io};
  progress.update({.items = 3, .bytes = 10}, "a/very/long/path/that/does/not/fit");
  EXPECT_EQ(surroundings.err(), "\r\x1b[K0:00  3 files  10 B  …that/does/not/fit");
}

TEST(Progress, IsSilentWithoutATerminalAndWhenAskedToBe) {
  for (const OutputOptions& options :
       {OutputOptions{}, OutputOptions{.quiet = true}, OutputOptions{.json = true}}) {
    TestIo surroundings;
    if (options.quiet || options.json) surroundings.terminal_fd = surroundings.io.err;
    const Output output{"vgerfs-admin", options, surroundings.io};
    Progress progress{"backup", "file", output, surroundings.io};
    progress.update({.items = 1});
    EXPECT_EQ(surroundings.err(), "");
  }
}

TEST(Progress, IsJsonLinesWithJsonAndVerbose) {
  StillClock clock;
  TestIo surroundings;
  surroundings.io.clock = &clock;
  const Output output{"vgerfs-admin", {.json = true, .verbose = 1}, surroundings.io};
  Progress progress{"backup", "file", output, surroundings.io};
  clock.ns = 2 * kSecond;
  progress.update({.items = 3, .bytes = 2000, .total_bytes = 4000});
  const auto fields = nlohmann::json::parse(surroundings.err()).at("progress");
  EXPECT_EQ(fields.at("activity"), "backup");
  EXPECT_EQ(fields.at("files"), 3);
  EXPECT_EQ(fields.at("bytes_per_second"), 1000);
  EXPECT_EQ(fields.at("seconds_left"), 2);
}

}  // namespace
}  // namespace vgerfs::cli
