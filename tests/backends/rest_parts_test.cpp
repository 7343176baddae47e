// The parts of the REST backend that need no network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/http_date.h"
#include "backends/http_pace.h"
#include "backends/rest_list.h"
#include "backends/rest_location.h"
#include "backends/retry_schedule.h"
#include "base/error.h"
#include "support/error_of.h"

namespace vgerfs::testing {
namespace {

using backends::HttpPace;
using backends::is_rest_location;
using backends::parse_http_date;
using backends::parse_rest_location;
using backends::RestListEntry;
using backends::RestListParser;
using backends::RetrySchedule;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kId(64, 'a');
const std::string kOther = std::string(63, 'b') + "7";

std::vector<RestListEntry> parse(std::string_view text, std::size_t piece = 1) {
  RestListParser parser;
  while (!text.empty()) {
    parser.feed(bytes_of(text.substr(0, piece)));
    text.remove_prefix(std::min(piece, text.size()));
  }
  return parser.finish();
}

TEST(RestList, ReadsAllThreeForms) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    const auto v1 = parse(fmt::format(R"(["{}", "{}"])", kId, kOther), piece);
    ASSERT_EQ(v1.size(), 2U);
    EXPECT_EQ(v1[1].id.hex(), kOther);
    EXPECT_FALSE(v1[0].bytes);
    const auto v2 = parse(
        fmt::format("\n[ {{\"name\":\"{}\",\"size\":12}} ,{{\"size\": 0, \"name\":\"{}\"}}]\n", kId,
                    kOther),
        piece);
    ASSERT_EQ(v2.size(), 2U);
    EXPECT_EQ(v2[0].bytes, 12U);
    EXPECT_EQ(v2[1].id.hex(), kOther);
    EXPECT_EQ(v2[1].bytes, 0U);
    EXPECT_FALSE(v2[0].stored_at_ns);
    const auto times =
        parse(fmt::format(R"([{{"name":"{}","size":1,"stored_at_ns":1764353550123456789}}])", kId),
              piece);
    ASSERT_EQ(times.size(), 1U);
    EXPECT_EQ(times[0].stored_at_ns, 1764353550123456789);
  }
  EXPECT_TRUE(parse("[]").empty());
  EXPECT_TRUE(parse("null").empty());
}

TEST(RestList, SkipsForeignNamesAndKeys) {
  const auto entries = parse(fmt::format(
      R"(["tmp","{}x","{}","","A\"]","{}\u0061","\n{}",{{}},{{"name":"{}","size":3,"more":true,"x":"]"}}])",
      kId, kOther, kId.substr(1), kId, kId));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].id.hex(), kOther);
  EXPECT_EQ(entries[1].bytes, 3U);
}

TEST(RestList, AnEntryTakesNothingFromTheOneBefore) {
  const auto entries = parse(
      fmt::format(R"([{{"name":"{}","size":3,"stored_at_ns":4}},{{"name":"{}"}}])", kId, kOther));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_FALSE(entries[1].bytes);
  EXPECT_FALSE(entries[1].stored_at_ns);
  EXPECT_EQ(parse(fmt::format(R"([{{"name":"{}"}},{{"size":3}}])", kId)).size(), 1U);
}

TEST(RestList, RefusesWhatIsNoWholeList) {
  const std::vector<std::string> texts{std::string{},
                                       std::string{"["},
                                       std::string{"<html>"},
                                       std::string{"{}"},
                                       std::string{"[1]"},
                                       std::string{"[\""} + kId,
                                       "[\"" + kId + "\"",
                                       "[\"" + kId + "\",]",
                                       "[\"" + kId + "\"]]",
                                       "[\"" + kId + "\"][",
                                       std::string{"[[]]"},
                                       std::string{"nul"},
                                       "[{\"name\":\"" + kId + "\",\"size\":-1}]",
                                       "[{\"name\":\"" + kId + "\",\"size\":1e3}]",
                                       "[{\"name\":\"" + kId + "\",\"size\":18446744073709551616}]",
                                       "[{\"name\":\"" + kId + "\",}]",
                                       "[{\"name\"}]",
                                       "[{\"name\":}]",
                                       "[{\"name\":[]}]",
                                       "[{\"name\":\"" + kId + "\" \"size\":1}]",
                                       "[\"" + kId + "\" \"" + kId + "\"]",
                                       "[\"" + kId + "\"}",
                                       "[\"" + std::string(100'000, 'a') + "\"]",
                                       std::string{"[,]"}};
  for (const std::string& text : texts) {
    EXPECT_EQ(thrown_by([&] { parse(text); }).code(), ErrorCode::unavailable)
        << text.substr(0, 200);
  }
}

TEST(RestLocation, TakesUrlsApart) {
  const auto plain = parse_rest_location("https://host:8000/some/repo/");
  EXPECT_EQ(plain.base, "https://host:8000/some/repo/");
  EXPECT_EQ(plain.shown, "https://host:8000/some/repo");
  EXPECT_TRUE(plain.is_encrypted);
  EXPECT_FALSE(plain.is_loopback);
  EXPECT_EQ(parse_rest_location("rest:https://host").base, "https://host/");
  const auto user = parse_rest_location("http://joe@127.0.0.1/r");
  EXPECT_EQ(user.user, "joe");
  EXPECT_EQ(user.base, "http://127.0.0.1/r/");
  EXPECT_TRUE(user.is_loopback);
  EXPECT_FALSE(user.is_encrypted);
  const auto unix = parse_rest_location("http+unix:///run/vgerfs/http.sock:/team/repo");
  EXPECT_EQ(unix.unix_socket, "/run/vgerfs/http.sock");
  EXPECT_EQ(unix.base, "http://localhost/team/repo/");
  EXPECT_EQ(unix.shown, "http+unix:///run/vgerfs/http.sock:/team/repo");
  EXPECT_TRUE(parse_rest_location("http://[::1]:80/r").is_loopback);
  EXPECT_FALSE(parse_rest_location("http://127.example.com/r").is_loopback);
}

TEST(RestLocation, KnowsItsSchemes) {
  for (const char* yes : {"http://h/r", "https://h", "rest:http://h/r", "http+unix:///s:/r"}) {
    EXPECT_TRUE(is_rest_location(yes)) << yes;
  }
  for (const char* no :
       {"/http://h", "rest:/r", "s3:https://h/b", "http:/x", "https", "./https://"}) {
    EXPECT_FALSE(is_rest_location(no)) << no;
  }
}

TEST(RestLocation, RefusesWhatItWouldMisunderstand) {
  for (const char* wrong :
       {"https:///r", "https://host//r", "https://host/a/../b", "https://host/./b",
        "https://h/r?x=1", "https://h/r#x", "https://h/a b", "https://h/\"", "https://h:port/r",
        "https://h:/r", "https://h:123456/r", "https://a:b:c/r", "http+unix://relative:/r",
        "https://u:p@h/r"}) {
    EXPECT_EQ(thrown_by([&] { parse_rest_location(wrong); }).code(), ErrorCode::usage) << wrong;
  }
  EXPECT_THAT(thrown_by([] { parse_rest_location("https://joe:secret@h/r"); }).message(),
              Not(HasSubstr("secret")));
}

TEST(HttpDate, ReadsTheOneFormThatCounts) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  for (const char* wrong : {"", "1", "Sunday, 06-Nov-94 08:49:37 GMT",
                            "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 ovD 1994 08:49:37 GMT",
                            "Sun, 6x Nov 1994 08:49:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(wrong), std::nullopt) << wrong;
  }
}

TEST(RetrySchedule, DoublesItsPausesAndEndsInTime) {
  std::minstd_rand random{1};
  RetrySchedule schedule{milliseconds{100}};
  RetrySchedule::Time now{};
  milliseconds longest{100};
  milliseconds whole{0};
  for (int i = 0;; ++i) {
    const auto pause = schedule.next(now, milliseconds{10'000}, milliseconds{0}, random);
    if (!pause) break;
    EXPECT_GE(*pause, longest / 2);
    EXPECT_LE(*pause, longest);
    longest *= 2;
    now += *pause;
    whole += *pause;
    ASSERT_LT(i, 20);
  }
  EXPECT_LE(whole, milliseconds{10'000});
  EXPECT_GE(whole, milliseconds{3'000});
}

TEST(RetrySchedule, APatientOneStillAsksTwiceAMinute) {
  std::minstd_rand random{1};
  RetrySchedule schedule{milliseconds{100}};
  for (int i = 0; i < 50; ++i) {
    const auto pause = schedule.next({}, std::chrono::hours{1000}, milliseconds{0}, random);
    ASSERT_TRUE(pause);
    EXPECT_LE(*pause, milliseconds{30'000});
  }
}

TEST(RetrySchedule, ProgressBeginsAnew) {
  std::minstd_rand random{1};
  RetrySchedule schedule{milliseconds{100}};
  RetrySchedule::Time now{};
  for (int i = 0; i < 100; ++i) {
    const auto pause = schedule.next(now, milliseconds{500}, milliseconds{0}, random);
    ASSERT_TRUE(pause);
    EXPECT_LE(*pause, milliseconds{100});
    now += milliseconds{400};
    schedule.progress();
  }
}

TEST(RetrySchedule, NoPauseIsShorterThanAsked) {
  std::minstd_rand random{1};
  RetrySchedule schedule{milliseconds{1}};
  EXPECT_EQ(schedule.next({}, milliseconds{10'000}, milliseconds{3'000}, random),
            milliseconds{3'000});
  EXPECT_EQ(schedule.next({}, milliseconds{10'000}, milliseconds{11'000}, random), std::nullopt);
}

TEST(HttpPace, OwesWhatWasTooMuch) {
  HttpPace pace{1000};
  HttpPace::Time now{std::chrono::seconds{100}};
  EXPECT_TRUE(pace.is_open(now));
  pace.count(500, now);
  EXPECT_FALSE(pace.is_open(now + milliseconds{499}));
  EXPECT_TRUE(pace.is_open(now + milliseconds{500}));
  pace.count(500, now);
  EXPECT_FALSE(pace.is_open(now + milliseconds{999})) << "the first debt is forgotten";
  // Time without bytes is not saved up.
  now += std::chrono::hours{1};
  pace.count(1000, now);
  EXPECT_FALSE(pace.is_open(now + milliseconds{999}));
  HttpPace unlimited{0};
  unlimited.count(1 << 30, now);
  EXPECT_TRUE(unlimited.is_open(now));
}

}  // namespace
}  // namespace vgerfs::testing
