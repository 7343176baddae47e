// The object `config`, which every client reads before it has a key.
#include "fuzz_support.h"
#include "repo/config.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  const ByteView stored{reinterpret_cast<const std::byte*>(data), size};
  fuzz::decode([&] {
    const repo::Config config = repo::parse_config(stored);
    const auto& chunker = config.chunker;
    VGERFS_CHECK(chunker.min_bytes > 0 && chunker.min_bytes <= chunker.average_bytes);
    VGERFS_CHECK(chunker.average_bytes <= chunker.max_bytes);
  });
  fuzz::decode(
      [&] { static_cast<void>(repo::verify_config(stored, fuzz::keyring().root_public_key())); });
  return 0;
}
