#include "repo/message.h"

#include <limits>

#include <google/protobuf/stubs/logging.h>

#include "repo/message_scan.h"

namespace vgerfs::repo {
namespace {

/// protobuf writes what it dislikes in foreign bytes to standard error; we throw it.
void silence_protobuf() {
  static const auto before = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(before);
}

}  // namespace

Bytes encode_message(const google::protobuf::Message& message) {
  Bytes bytes(message.ByteSizeLong());
  VGERFS_CHECK(bytes.size() <= std::numeric_limits<int>::max());
  VGERFS_CHECK(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

void decode_message(google::protobuf::Message& message, ByteView bytes, std::string_view what) {
  silence_protobuf();
  scan_message(*message.GetDescriptor(), bytes, what);
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error{ErrorCode::corrupt, fmt::format("{} cannot be decoded", what)};
  }
}

bool is_utf8(std::string_view text) noexcept {
  // Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
  std::size_t i = 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  while (i < text.size()) {
    const unsigned char lead = byte(i++);
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const std::size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (text.size() - i < more) return false;
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(i) < low || byte(i) > high) return false;
    for (std::size_t k = 1; k < more; ++k) {
      if ((byte(i + k) & 0xc0U) != 0x80) return false;
    }
    i += more;
  }
  return true;
}

}  // namespace vgerfs::repo
