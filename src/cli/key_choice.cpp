#include "cli/key_choice.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vgerfs::cli {

using repo::SlotDescription;
using repo::SlotKind;

std::string_view kind_name(SlotKind kind) noexcept {
  switch (kind) {
    case SlotKind::passphrase: return "passphrase";
    case SlotKind::key_file: return "key file";
    case SlotKind::age: return "age";
  }
  return "unknown";
}

Json slot_json(const SlotDescription& slot, bool current) {
  return {{"id", slot.id.hex()},
          {"kind", kind_name(slot.kind)},
          {"role", repo::to_string(slot.certificate.role)},
          {"label", slot.certificate.label},
          {"hosts", slot.certificate.hosts},
          {"created", iso_time({slot.created_s, 0})},
          {"author", to_hex(slot.certificate.author)},
          {"current", current}};
}

const SlotDescription& choose_slot(const repo::SlotList& found, const std::string& prefix) {
  const SlotDescription* slot = nullptr;
  for (const SlotDescription& candidate : found.slots) {
    if (!candidate.id.hex().starts_with(prefix)) continue;
    if (slot != nullptr) {
      throw Error{ErrorCode::usage, fmt::format("'{}' names several keys", prefix),
                  "write more of its id"};
    }
    slot = &candidate;
  }
  if (slot == nullptr || prefix.empty()) {
    throw Error{ErrorCode::not_found, fmt::format("there is no key '{}'", printable(prefix)),
                "vgerfs-admin key list shows them"};
  }
  return *slot;
}

}  // namespace vgerfs::cli
