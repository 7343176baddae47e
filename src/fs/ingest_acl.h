// POSIX ACLs as they travel in xattrs, and their relation to mode bits. With FUSE_CAP_POSIX_ACL the
// kernel checks access; inheritance, mask and umask are the file system's (acl(5); POSIX 1003.1e
// draft 17, sections 23.1.5 and 23.1.6).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace vgerfs::fs {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

enum class AclTag : std::uint16_t {
  owner = 0x01,
  user = 0x02,
  owning_group = 0x04,
  group = 0x08,
  mask = 0x10,
  other = 0x20,
};

struct AclEntry {
  AclTag tag{};
  std::uint16_t permissions = 0;  // rwx
  std::uint32_t id = 0;           // user and group: whom; others: 0
  friend bool operator==(const AclEntry&, const AclEntry&) = default;
};

/// In canonical order, valid: exactly one owner, owning group and other; a mask if there are named
/// users or groups.
using Acl = std::vector<AclEntry>;

/// nullopt: not a valid ACL.
std::optional<Acl> parse_acl(ByteView xattr);
Bytes encode_acl(const Acl& acl);

/// Whether the nine mode bits say all of it.
bool is_minimal(const Acl& acl) noexcept;
/// `mode` with the permission bits that the ACL stands for: the group bits are the mask, where
/// there is one.
mode_t mode_with_acl(mode_t mode, const Acl& acl) noexcept;
/// What chmod does to an access ACL.
void chmod_acl(Acl& acl, mode_t mode) noexcept;

/// What a new object gets from its directory's default ACL when it is made with `mode` (the umask
/// does not count then).
struct InheritedAcl {
  mode_t mode = 0;
  std::optional<Acl> access;  // nullopt: the mode says it all
};
InheritedAcl inherit_acl(const Acl& default_acl, mode_t mode);

}  // namespace vgerfs::fs
