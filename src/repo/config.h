// The object `config` (docs/FORMAT.md section 4).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/aead.h"
#include "crypto/public_key.h"
#include "repo/features.h"

namespace vgerfs::repo {

struct ChunkerParameters {
  std::uint32_t min_bytes = 64 * 1024;
  std::uint32_t average_bytes = 256 * 1024;
  std::uint32_t max_bytes = 1024 * 1024;
  friend bool operator==(const ChunkerParameters&, const ChunkerParameters&) = default;
};

struct Config {
  RepositoryId repository;
  crypto::PublicKey root_public_key{};
  std::int64_t created_s = 0;
  ChunkerParameters chunker;
  std::optional<crypto::Cipher> cipher;  // nullopt: the faster one on each CPU
  Supported supported;                   // set by parse_config
};

/// The stored bytes. Throws usage for chunker parameters that FORMAT.md does not allow.
Bytes encode_config(const Config& config, const crypto::SigningKey& root);

/// Content of a config that is not authenticated yet. Throws corrupt, unsupported (newer format).
Config parse_config(ByteView stored);
/// Whether the signature by `root` holds.
[[nodiscard]] bool verify_config(ByteView stored, const crypto::PublicKey& root);

}  // namespace vgerfs::repo
