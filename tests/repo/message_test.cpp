#include "repo/message.h"

#include <gtest/gtest.h>

#include "base/ids.h"
#include "format/index.pb.h"
#include "format/snapshot.pb.h"
#include "repo/features.h"
#include "support/error_of.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
namespace proto = format::proto;

std::string_view decode_error(google::protobuf::Message& message, std::string_view encoded) {
  return error_of([&] {
    decode_message(message, bytes_of(encoded), "it");
    return 0;
  });
}

TEST(Message, ComesBack) {
  proto::Removal removal;
  removal.set_snapshot_id("some id");
  removal.set_time_s(-3);
  proto::Removal again;
  decode_message(again, encode_message(removal), "it");
  EXPECT_EQ(again.snapshot_id(), "some id");
  EXPECT_EQ(again.time_s(), -3);
}

TEST(Message, IsEncodedInNumberOrderWithoutDefaults) {
  proto::IndexRecord record;
  record.mutable_features()->add_read(5);  // field 15, declared after field 21
  record.add_buried("x");                  // field 19
  record.set_domain(0);                    // default
  record.set_time_s(1);                    // field 2
  EXPECT_EQ(to_hex(encode_message(record)),
            "1001"
            "7a030a0105"
            "9a010178");
}

TEST(Message, UnknownFieldsAreIgnored) {
  proto::Removal removal;
  EXPECT_EQ(decode_error(removal, "\x10\x07\xfa\x3f\x02hi"), "none");
  EXPECT_EQ(removal.time_s(), 7);
}

TEST(Message, MalformedIsCorrupt) {
  proto::Removal removal;
  EXPECT_EQ(decode_error(removal, "\x10"), "corrupt") << "no value";
  EXPECT_EQ(decode_error(removal,
                         "\x0a\x05"
                         "abc"),
            "corrupt")
      << "length beyond the end";
  EXPECT_EQ(decode_error(removal, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "corrupt")
      << "huge length";
  EXPECT_EQ(decode_error(removal, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "corrupt")
      << "long varint";
  EXPECT_EQ(decode_error(removal, std::string_view{"\x00\x00", 2}), "corrupt") << "field 0";
  EXPECT_EQ(decode_error(removal, "\x0b\x0c"), "corrupt") << "a group";
  EXPECT_EQ(decode_error(removal, "\x0d\x01\x01"), "corrupt") << "short fixed32";
  proto::Certificate certificate;
  EXPECT_EQ(decode_error(certificate, "\x1a\x01\xff"), "corrupt") << "a string that is not UTF-8";
}

// Each of these takes two bytes when stored and about a hundred in memory.
TEST(Message, ManyEmptyPartsAreCorrupt) {
  const auto repeated = [](std::string_view field, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) text += field;
    return text;
  };
  const auto inside = [](char field, const std::string& content) {
    std::string text{field};
    for (std::size_t size = content.size();; size >>= 7) {
      text += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
      if (size <= 0x7f) break;
    }
    return text + content;
  };
  using std::string_view_literals::operator""sv;
  constexpr std::size_t kMany = 1'000'000;
  proto::IndexRecord record;
  EXPECT_EQ(decode_error(record, repeated("\x42\x00"sv, kMany)), "corrupt") << "additions";
  EXPECT_EQ(decode_error(record, inside('\x42', repeated("\x12\x00"sv, kMany))), "corrupt")
      << "packs";
  EXPECT_EQ(decode_error(record, repeated("\x32\x00"sv, kMany)), "corrupt") << "heads";
  EXPECT_EQ(decode_error(record, inside('\x0a', repeated("\x1a\x00"sv, kMany))), "corrupt")
      << "unknown fields in the certificate";
  EXPECT_EQ(decode_error(record, repeated("\x52\x00"sv, kMany)), "corrupt") << "unknown fields";
  EXPECT_EQ(decode_error(record, repeated("\x12\x00"sv, kMany)), "corrupt")
      << "fields of another type";
  EXPECT_EQ(decode_error(record, repeated("\x42\x00"sv, 100)), "none") << "a few are no harm";
}

TEST(Message, LargeColumnsAreFine) {
  proto::IndexRecord record;
  proto::PackEntry& pack = *record.add_additions()->add_packs();
  pack.mutable_chunk_ids()->resize(8'000'000);
  for (int i = 0; i < 250'000; ++i) pack.add_chunk_bytes(1);
  const Bytes encoded = encode_message(record);
  proto::IndexRecord again;
  EXPECT_EQ(decode_error(again, text_of(encoded)), "none");
}

TEST(Message, FieldsOfOtherLengthsAreCorrupt) {
  const std::string id(32, 'x');
  EXPECT_EQ(id_field<PackId>(id, "it").raw(), id);
  EXPECT_EQ(error_of([&] { id_field<PackId>(id + "x", "it"); }), "corrupt");
  EXPECT_EQ(error_of([&] { id_field<PackId>("", "it"); }), "corrupt");
  EXPECT_EQ(optional_id_field<PackId>("", "it"), std::nullopt);
  EXPECT_EQ(optional_id_field<PackId>(id, "it")->raw(), id);
  EXPECT_EQ(error_of([&] { optional_id_field<PackId>("x", "it"); }), "corrupt");
}

TEST(Utf8, FollowsTheUnicodeStandard) {
  for (const char* good :
       {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
        "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xe2\x82",
                          "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xff", "a\xc3(", "\xe2\x28\xa1", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(is_utf8(bad)) << to_hex(bytes_of(bad));
  }
}

TEST(Utf8, AgreesWithProtobuf) {
  // Every sequence of a lead byte and one more, and the edges of longer ones.
  const unsigned step = testing::test_size(1U, 7U);
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; second += step) {
      for (const char* rest : {"", "\x80", "\x80\x80", "\xbf\xbf"}) {
        std::string text{static_cast<char>(first), static_cast<char>(second)};
        text += rest;
        std::string encoded{'\x1a', static_cast<char>(text.size())};
        proto::Certificate certificate;
        const bool read = decode_error(certificate, encoded + text) == "none";
        ASSERT_EQ(is_utf8(text), read) << to_hex(bytes_of(text));
      }
    }
  }
}

TEST(Features, AreUnsupportedForTheirKindOfWork) {
  proto::Features features;
  EXPECT_EQ(check_features(features, "it", Role::full), Supported{});
  features.add_add(1);
  EXPECT_EQ(check_features(features, "it", Role::full),
            (Supported{.add = false, .maintain = true}));
  features.add_maintain(2);
  EXPECT_EQ(check_features(features, "it", Role::full),
            (Supported{.add = false, .maintain = false}));
  EXPECT_EQ(check_features(features, "it", Role::ingest), Supported{});
  features.add_read(3);
  EXPECT_EQ(error_of([&] { check_features(features, "it", Role::full); }), "unsupported");
}

}  // namespace
}  // namespace vgerfs::repo
