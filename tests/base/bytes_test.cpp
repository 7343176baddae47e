#include "base/bytes.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vgerfs {
namespace {

Bytes bytes_from(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

template <class Action>
void expect_corrupt(Action action) {
  try {
    action();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(error.message().find("the thing"), std::string::npos) << error.message();
  }
}

TEST(ByteReader, ReadsLittleEndianFields) {
  const Bytes bytes = bytes_from(
      {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff});
  ByteReader reader{bytes, "the thing"};
  EXPECT_EQ(reader.u8(), 0x01U);
  EXPECT_EQ(reader.u16(), 0x0302U);
  EXPECT_EQ(reader.u32(), 0x07060504U);
  EXPECT_EQ(reader.left(), 8U);
  EXPECT_EQ(reader.u64(), 0xff0e0d0c0b0a0908ULL);
  EXPECT_NO_THROW(reader.expect_end());
}

TEST(ByteReader, ThrowsInsteadOfReadingPastTheEnd) {
  const Bytes bytes = bytes_from({1, 2, 3});
  expect_corrupt([&] { ByteReader{bytes, "the thing"}.u32(); });
  expect_corrupt([&] { ByteReader{bytes, "the thing"}.u64(); });
  expect_corrupt([&] { ByteReader{bytes, "the thing"}.bytes(4); });
  expect_corrupt([&] { ByteReader{bytes, "the thing"}.array<4>(); });
  expect_corrupt([&] {
    ByteReader{bytes, "the thing"}.bytes(std::numeric_limits<std::size_t>::max());
  });
  expect_corrupt([&] { ByteReader({}, "the thing").u8(); });
}

TEST(ByteReader, ConsumesNothingWhenItThrows) {
  const Bytes bytes = bytes_from({1, 2, 3});
  ByteReader reader{bytes, "the thing"};
  EXPECT_THROW(reader.u64(), Error);
  EXPECT_EQ(reader.left(), 3U);
  EXPECT_EQ(reader.u16(), 0x0201U);
}

TEST(ByteReader, RejectsTrailingBytes) {
  const Bytes bytes = bytes_from({1, 2});
  ByteReader reader{bytes, "the thing"};
  reader.u8();
  expect_corrupt([&] { reader.expect_end(); });
}

TEST(ByteReader, ViewsPointIntoTheInput) {
  const Bytes bytes = bytes_from({1, 2, 3});
  ByteReader reader{bytes, "the thing"};
  reader.u8();
  EXPECT_EQ(reader.rest().data(), bytes.data() + 1);
  EXPECT_EQ(reader.bytes(2).data(), bytes.data() + 1);
  EXPECT_TRUE(reader.bytes(0).empty());
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  Bytes bytes;
  ByteWriter writer{bytes};
  writer.u8(0xfe);
  writer.u16(0xfedc);
  writer.u32(0xfedcba98U);
  writer.u64(0xfedcba9876543210ULL);
  writer.zeros(3);
  writer.bytes(bytes_of("end"));
  ASSERT_EQ(bytes.size(), 1U + 2 + 4 + 8 + 3 + 3);
  EXPECT_EQ(bytes[1], std::byte{0xdc});  // the low byte comes first
  ByteReader reader{bytes, "the thing"};
  EXPECT_EQ(reader.u8(), 0xfeU);
  EXPECT_EQ(reader.u16(), 0xfedcU);
  EXPECT_EQ(reader.u32(), 0xfedcba98U);
  EXPECT_EQ(reader.u64(), 0xfedcba9876543210ULL);
  EXPECT_EQ(reader.array<3>(), (std::array<std::byte, 3>{}));
  EXPECT_EQ(text_of(reader.bytes(3)), "end");
}

TEST(ByteWriter, AppendsToWhatIsThere) {
  Bytes bytes = bytes_from({9});
  ByteWriter{bytes}.u8(1);
  EXPECT_EQ(bytes, bytes_from({9, 1}));
}

TEST(Hex, RoundTripsEveryByte) {
  Bytes all;
  for (int value = 0; value < 256; ++value) all.push_back(static_cast<std::byte>(value));
  const std::string text = to_hex(all);
  EXPECT_EQ(text.substr(0, 6), "000102");
  EXPECT_EQ(text.substr(506), "fdfeff");
  EXPECT_EQ(parse_hex(text), all);
  EXPECT_EQ(parse_hex("fDFeFF"), bytes_from({0xfd, 0xfe, 0xff}));
  EXPECT_EQ(parse_hex(""), Bytes{});
}

TEST(Hex, RejectsWhatIsNotHex) {
  for (const char* text : {"0", "0g", "g0", "00 0", " 000", "0x00", "-100", "\xff\xff"}) {
    EXPECT_EQ(parse_hex(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vgerfs
