// Leases under locks/ (docs/FORMAT.md section 12): the codec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "repo/features.h"
#include "repo/index_record.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

enum class LeaseKind { shared, exclusive };

struct Lease {
  Certificate author;  // set by open_lease
  LeaseKind kind = LeaseKind::shared;
  SessionId session{};
  std::string host;
  std::string program;
  std::uint64_t pid = 0;
  std::int64_t created_s = 0;
  std::int64_t refreshed_s = 0;
  std::uint32_t ttl_s = 0;
  std::uint64_t sequence = 0;
  std::vector<RecordId> condemnations;
  Supported supported;  // set by open_lease
};

/// Stored bytes, signed by the keyring's author. Throws usage if they would exceed kMaxLeaseBytes.

Bytes seal_lease(const Lease& lease, const Keyring& keyring, crypto::Cipher cipher,
                 crypto::Random& random);
/// Throws corrupt, unsupported. Host and program are what the author says: any UTF-8 text.
Lease open_lease(ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo
