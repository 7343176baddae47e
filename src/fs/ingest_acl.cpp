#include "fs/ingest_acl.h"

#include <algorithm>

namespace vgerfs::fs {
namespace {

// struct posix_acl_xattr_header and _entry of linux/posix_acl_xattr.h
constexpr std::uint32_t kXattrVersion = 2;
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kEntryBytes = 8;
constexpr std::uint32_t kNoId = 0xFFFFFFFF;

bool has_id(AclTag tag) noexcept { return tag == AclTag::user || tag == AclTag::group; }

bool is_tag(std::uint16_t value) noexcept {
  switch (value) {
    case 0x01:
    case 0x02:
    case 0x04:
    case 0x08:
    case 0x10:
    case 0x20: return true;
    default: return false;
  }
}

AclEntry* find(Acl& acl, AclTag tag) noexcept {
  const auto found =
      std::find_if(acl.begin(), acl.end(), [&](const AclEntry& entry) { return entry.tag == tag; });
  return found == acl.end() ? nullptr : &*found;
}

const AclEntry* find(const Acl& acl, AclTag tag) noexcept {
  return find(const_cast<Acl&>(acl), tag);
}

std::uint16_t bits(mode_t mode, unsigned shift) noexcept {
  return static_cast<std::uint16_t>((mode >> shift) & 7U);
}

bool is_valid(const Acl& acl) {
  std::size_t owners = 0;
  std::size_t groups = 0;
  std::size_t others = 0;
  std::size_t masks = 0;
  bool named = false;
  for (std::size_t i = 0; i < acl.size(); ++i) {
    if (acl[i].permissions > 7) return false;
    // Tags ascend in canonical order.
    if (i > 0 && acl[i].tag < acl[i - 1].tag) return false;
    if (i > 0 && acl[i].tag == acl[i - 1].tag &&
        (!has_id(acl[i].tag) || acl[i].id <= acl[i - 1].id))
      return false;
    switch (acl[i].tag) {
      case AclTag::owner: ++owners; break;
      case AclTag::owning_group: ++groups; break;
      case AclTag::other: ++others; break;
      case AclTag::mask: ++masks; break;
      case AclTag::user:
      case AclTag::group: named = true; break;
    }
  }
  return owners == 1 && groups == 1 && others == 1 && masks <= 1 && (!named || masks == 1);
}

}  // namespace

std::optional<Acl> parse_acl(ByteView xattr) {
  if (xattr.size() < kHeaderBytes || (xattr.size() - kHeaderBytes) % kEntryBytes != 0)
    return std::nullopt;
  ByteReader reader{xattr, "an ACL"};
  if (reader.u32() != kXattrVersion) return std::nullopt;
  Acl acl;
  while (reader.left() != 0) {
    const std::uint16_t tag = reader.u16();
    const std::uint16_t permissions = reader.u16();
    const std::uint32_t id = reader.u32();
    if (!is_tag(tag)) return std::nullopt;
    const auto known = static_cast<AclTag>(tag);
    acl.push_back({known, permissions, has_id(known) ? id : 0});
  }
  // Tools may write named entries in any order of ids.
  std::stable_sort(acl.begin(), acl.end(), [](const AclEntry& a, const AclEntry& b) {
    return a.tag != b.tag ? a.tag < b.tag : a.id < b.id;
  });
  if (!is_valid(acl)) return std::nullopt;
  return acl;
}

Bytes encode_acl(const Acl& acl) {
  Bytes out;
  ByteWriter writer{out};
  writer.u32(kXattrVersion);
  for (const AclEntry& entry : acl) {
    writer.u16(static_cast<std::uint16_t>(entry.tag));
    writer.u16(entry.permissions);
    writer.u32(has_id(entry.tag) ? entry.id : kNoId);
  }
  return out;
}

bool is_minimal(const Acl& acl) noexcept { return acl.size() == 3; }

mode_t mode_with_acl(mode_t mode, const Acl& acl) noexcept {
  const AclEntry* mask = find(acl, AclTag::mask);
  const AclEntry* group = mask != nullptr ? mask : find(acl, AclTag::owning_group);
  const mode_t permissions = static_cast<mode_t>(find(acl, AclTag::owner)->permissions) << 6U |
                             static_cast<mode_t>(group->permissions) << 3U |
                             static_cast<mode_t>(find(acl, AclTag::other)->permissions);
  return (mode & ~mode_t{0777}) | permissions;
}

void chmod_acl(Acl& acl, mode_t mode) noexcept {
  find(acl, AclTag::owner)->permissions = bits(mode, 6);
  AclEntry* mask = find(acl, AclTag::mask);
  AclEntry* group = mask != nullptr ? mask : find(acl, AclTag::owning_group);
  group->permissions = bits(mode, 3);
  find(acl, AclTag::other)->permissions = bits(mode, 0);
}

InheritedAcl inherit_acl(const Acl& default_acl, mode_t mode) {
  Acl acl = default_acl;
  const auto restrict_to = [](AclEntry& entry, std::uint16_t allowed) {
    entry.permissions = static_cast<std::uint16_t>(entry.permissions & allowed);
  };
  restrict_to(*find(acl, AclTag::owner), bits(mode, 6));
  AclEntry* mask = find(acl, AclTag::mask);
  restrict_to(mask != nullptr ? *mask : *find(acl, AclTag::owning_group), bits(mode, 3));
  restrict_to(*find(acl, AclTag::other), bits(mode, 0));
  InheritedAcl out{.mode = mode_with_acl(mode, acl), .access = std::nullopt};
  if (!is_minimal(acl)) out.access = std::move(acl);
  return out;
}

}  // namespace vgerfs::fs
