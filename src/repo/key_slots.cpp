#include "repo/key_slots.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "repo/limits.h"

namespace vgerfs::repo {

SlotList read_slots(Repository& repository) {
  SlotList found;
  repository.backend().list(format::ObjectType::key, [&](const backends::ObjectInfo& info) {
    const SlotId id{info.name.id.bytes()};
    try {
      const Bytes stored = backends::read_object(repository.backend(), info.name, kMaxSlotBytes);
      found.slots.push_back(describe_slot(id, stored, repository.keyring()));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::unsupported) throw;
      found.unreadable.push_back({id, error.what()});
    }
  });
  std::sort(found.slots.begin(), found.slots.end(),
            [](const SlotDescription& a, const SlotDescription& b) {
              return std::tie(a.created_s, a.id) < std::tie(b.created_s, b.id);
            });
  return found;
}

SlotDescription add_slot(Repository& repository, const crypto::Secret& bundle,
                         const Credential& credential) {
  const Keyring& keyring = repository.keyring();
  const OpenOptions& options = repository.options();
  backends::Backend& backend = repository.backend();
  const Bytes slot = make_slot(bundle, credential, {}, keyring.envelope_keys(), repository.cipher(),
                               options.clock->now().s, *options.random);
  const format::ObjectName name = backends::write_object(backend, format::ObjectType::key, slot);
  backend.barrier();
  const Bytes stored = backends::read_object(backend, name, kMaxSlotBytes);
  if (!open_slot(stored, credential, keyring.repository())) {
    throw Error{ErrorCode::corrupt, name.path() + " does not open with what it was made for"};
  }
  return describe_slot(SlotId{name.id.bytes()}, stored, keyring);
}

SlotDescription replace_slot(Repository& repository, const Credential& credential) {
  SlotDescription made = add_slot(repository, repository.keyring().bundle(), credential);
  try {
    repository.backend().remove(format::slot_name(repository.slot()));
    repository.backend().barrier();
  } catch (Error& error) {
    error.add_context(fmt::format("key {} is made, and key {} opens as before", made.id.short_hex(),
                                  repository.slot().short_hex()));
    throw;
  }
  return made;
}

SlotId restore_slot(backends::Backend& backend, ByteView slot, const Credential& credential) {
  const Config config =
      parse_config(backends::read_object(backend, format::config_name(), kMaxConfigBytes));
  if (!open_slot(slot, credential, config.repository)) {
    throw Error{ErrorCode::wrong_key,
                "this copy of a key does not open with this passphrase or key file"};
  }
  const format::ObjectName name = backends::write_object(backend, format::ObjectType::key, slot);
  backend.barrier();
  return SlotId{name.id.bytes()};
}

}  // namespace vgerfs::repo
