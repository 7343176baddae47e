#include "repo/message_scan.h"

#include <cstdint>

#include "base/error.h"

// Protobuf's wire format (protobuf.dev, "Encoding"): a field is a varint tag (number << 3 | type)
// and a value of type 0 varint, 1 eight bytes, 2 a varint length and so many bytes, 5 four bytes.
// Types 3 and 4 delimit groups, which this format does not use.

namespace vgerfs::repo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What a message may take in memory: so much, and so much for each of its stored bytes. An index
// record of packs with one chunk each needs a factor of 7.
constexpr std::size_t kFreeBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxFactor = 10;

// Rough sizes of what protobuf allocates.
constexpr std::size_t kStringBytes = 80;
constexpr std::size_t kMessageBytes = 64;
constexpr std::size_t kMemberBytes = 32;
constexpr std::size_t kPackedBytes = 8;
constexpr std::size_t kSingleBytes = 24;

class Scanner {
 public:
  Scanner(std::size_t budget, std::string_view what) : budget_(budget), what_(what) {}

  void scan(const Descriptor& type, ByteView encoded) {
    spend(kMessageBytes + kMemberBytes * static_cast<std::size_t>(type.field_count()));
    ByteReader reader{encoded, what_};
    while (reader.left() > 0) {
      const std::uint64_t tag = read_varint(reader);
      const std::uint64_t number = tag >> 3;
      if (number == 0 || number > FieldDescriptor::kMaxNumber) fail("cannot be decoded");
      const FieldDescriptor* const field = type.FindFieldByNumber(static_cast<int>(number));
      switch (tag & 7) {
        case 0: read_varint(reader); break;
        case 1: reader.bytes(8); break;
        case 2: scan_delimited(field, reader); continue;
        case 5: reader.bytes(4); break;
        default: fail("cannot be decoded");
      }
      spend(kSingleBytes);
    }
  }

 private:
  /// `field` is null for an unknown one.
  void scan_delimited(const FieldDescriptor* field, ByteReader& reader) {
    const std::uint64_t size = read_varint(reader);
    const ByteView value = reader.bytes(size);
    if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
      // No type of the format contains itself: the depth is that of the .proto files.
      scan(*field->message_type(), value);
    } else if (field != nullptr && field->is_packable()) {
      spend(kPackedBytes * value.size());  // a number has at least a byte
    } else {
      spend(kStringBytes + value.size());  // a string, or kept as one because it is unknown
    }
  }

  std::uint64_t read_varint(ByteReader& reader) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = reader.u8();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    fail("cannot be decoded");
  }

  void spend(std::size_t bytes) {
    if (bytes > budget_) fail("has too many empty parts");
    budget_ -= bytes;
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw Error{ErrorCode::corrupt, fmt::format("{} {}", what_, why)};
  }

  std::size_t budget_;
  std::string_view what_;
};

}  // namespace

void scan_message(const Descriptor& type, ByteView encoded, std::string_view what) {
  Scanner{kFreeBytes + kMaxFactor * encoded.size(), what}.scan(type, encoded);
}

}  // namespace vgerfs::repo
