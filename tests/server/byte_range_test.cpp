#include "server/byte_range.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace vgerfs::server {
namespace {

std::string range(std::string_view header, std::uint64_t bytes) {
  const ByteRange found = parse_byte_range(header, bytes);
  switch (found.kind) {
    case ByteRange::Kind::whole: return "whole";
    case ByteRange::Kind::unsatisfiable: return "none";
    case ByteRange::Kind::part: return fmt::format("{}+{}", found.offset, found.bytes);
  }
  return "";
}

TEST(ByteRange, GivesTheBytesThatAreThere) {
  EXPECT_EQ(range("bytes=0-", 100), "0+100");
  EXPECT_EQ(range("bytes=0-99", 100), "0+100");
  EXPECT_EQ(range("bytes=10-19", 100), "10+10");
  EXPECT_EQ(range("bytes=99-", 100), "99+1");
  EXPECT_EQ(range("bytes=90-200", 100), "90+10");
  EXPECT_EQ(range("bytes=0-18446744073709551615", 100), "0+100");
  EXPECT_EQ(range("bytes=-10", 100), "90+10");
  EXPECT_EQ(range("bytes=-200", 100), "0+100");
}

TEST(ByteRange, BeyondTheEndIsUnsatisfiable) {
  EXPECT_EQ(range("bytes=100-", 100), "none");
  EXPECT_EQ(range("bytes=18446744073709551615-", 100), "none");
  EXPECT_EQ(range("bytes=-0", 100), "none");
  EXPECT_EQ(range("bytes=1-", 0), "none");
}

TEST(ByteRange, AnEmptyObjectIsSentWhole) { EXPECT_EQ(range("bytes=0-", 0), "whole"); }

TEST(ByteRange, WhatIsNotUnderstoodIsIgnored) {
  for (const std::string_view header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "items=0-1",
        "bytes=1", "bytes=+1-2", "bytes= 1-2", "bytes=18446744073709551616-", "bytes=0x1-2"}) {
    EXPECT_EQ(range(header, 100), "whole") << header;
  }
}

}  // namespace
}  // namespace vgerfs::server
