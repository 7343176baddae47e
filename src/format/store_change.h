// What happens to the objects of a repository behind a server, as one chain of hashes
// (docs/PROTOCOL.md, changes): whoever remembers its head notices when the server tells another
// history later.
#pragma once

#include <cstdint>
#include <string>

#include "base/sha256.h"
#include "format/object_name.h"

namespace vgerfs::format {

/// An object was added or removed. A plain value.
struct StoreChange {
  std::uint64_t sequence = 0;  ///< grows by 1 with each change of the repository
  bool is_added = false;
  ObjectName object;
  std::uint64_t bytes = 0;
  std::int64_t stored_at_ns = 0;  ///< of the object, since 1970
  std::int64_t at_s = 0;          ///< when the change happened, by the server's clock
  std::string token;              ///< name of the token that did it

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend bool operator==(const StoreChange&, const StoreChange&) = default;
};

/// How far a history has come: the number of its last change, and the hash over all of them.
struct ChainHead {
  std::uint64_t sequence = 0;
  Sha256Digest hash{};

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};

/// The hash after one more change. Thread-safe.
Sha256Digest link_hash(const Sha256Digest& before, const StoreChange& change);

}  // namespace vgerfs::format
