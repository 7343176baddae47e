#include "server/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "support/manual_clock.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

class EventLogTest : public ::testing::Test {
 protected:
  std::string line(LogFormat format, std::string_view target) {
    const std::string path = directory_ / "log";
    const Fd fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    const EventLog log{fd.get(), format, clock_};
    log.write(Severity::warning, "refused",
              {{"target", target}, {"bytes", std::uint64_t{5}}, {"seconds", 0.25}});
    return std::string{text_of(read_whole_file(path, 10'000))};
  }

  vgerfs::testing::TemporaryDirectory directory_;
  vgerfs::testing::ManualClock clock_;
};

TEST_F(EventLogTest, IsJson) {
  EXPECT_EQ(line(LogFormat::json_lines, "/a/\"b\\"),
            R"({"time":"2026-11-20T23:10:05Z","level":"warning","event":"refused",)"
            R"("target":"/a/\"b\\","bytes":5,"seconds":0.250000})"
            "\n");
}

TEST_F(EventLogTest, ALineStaysALineWhateverAClientSends) {
  for (const LogFormat format : {LogFormat::json_lines, LogFormat::pretty}) {
    const std::string text = line(format, "/x\r\n2026 error event=forged\x1b[2J\xff token=1");
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\xff'), std::string::npos);
    EXPECT_NE(text.find("\\u000d\\u000a"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace vgerfs::server
