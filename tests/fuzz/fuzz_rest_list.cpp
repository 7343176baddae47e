// Lists as REST servers send them: whole or in pieces they say the same.
#include <optional>

#include "backends/rest_list.h"
#include "fuzz_support.h"

namespace {

using namespace vgerfs;

std::optional<std::vector<backends::RestListEntry>> parse(ByteView text, std::size_t piece) {
  std::optional<std::vector<backends::RestListEntry>> entries;
  fuzz::decode(
      [&] {
        backends::RestListParser parser;
        for (std::size_t at = 0; at < text.size(); at += piece) {
          parser.feed(text.subspan(at, std::min(piece, text.size() - at)));
        }
        entries = parser.finish();
      },
      {ErrorCode::unavailable});
  return entries;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView text{reinterpret_cast<const std::byte*>(data), size};
  const auto whole = parse(text, std::max<std::size_t>(size, 1));
  const auto pieces = parse(text, 3);
  VGERFS_CHECK(whole.has_value() == pieces.has_value());
  if (!whole) return 0;
  VGERFS_CHECK(whole->size() == pieces->size());
  VGERFS_CHECK(whole->size() <= size / 64);
  for (std::size_t i = 0; i < whole->size(); ++i) {
    const auto& [a, b] = std::pair{(*whole)[i], (*pieces)[i]};
    VGERFS_CHECK(a.id == b.id && a.bytes == b.bytes && a.stored_at_ns == b.stored_at_ns);
  }
  return 0;
}
