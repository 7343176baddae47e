// Certificates: what an author may do, signed by the repository's root key (docs/FORMAT.md
// section 5.3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/public_key.h"
#include "format/common.pb.h"

namespace vgerfs::repo {

enum class Role { full, ingest };
std::string_view to_string(Role role) noexcept;

/// A checked certificate: a plain value.
struct Certificate {
  crypto::PublicKey author{};
  Role role = Role::ingest;
  std::string label;
  std::vector<std::string> hosts;  // empty: any (full)
  std::int64_t created_s = 0;

  /// Whether this author's snapshots for `host` belong to that host's lines.
  bool may_write_for(std::string_view host) const;
};

/// Whether a host or source name is allowed: 1–128 bytes of [A-Za-z0-9._-], not beginning with a
/// dot.
bool is_valid_name(std::string_view name) noexcept;
/// The same for people.
inline constexpr const char* kNameRule =
    "names have 1 to 128 characters of A-Z a-z 0-9 . _ - and do not begin with a dot";

/// Signs with the root key. Throws usage for values that FORMAT.md does not allow.
format::proto::SignedCertificate sign_certificate(const Certificate& certificate,
                                                  const RepositoryId& repository,
                                                  const crypto::SigningKey& root);

/// Checks signature and content. Throws corrupt.
Certificate verify_certificate(const format::proto::SignedCertificate& certificate,
                               const RepositoryId& repository, const crypto::PublicKey& root);

}  // namespace vgerfs::repo
