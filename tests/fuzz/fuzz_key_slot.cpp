// Key slots: as stored; bundle, slot information and certificate beyond their seals; key files.
//
//   | form u8 | bytes |   0 slot, 1 bundle, 2 slot information, 3 certificate, 4 key file
#include "base/sha256.h"
#include "fuzz_support.h"
#include "repo/forge.h"
#include "repo/key_slot.h"
#include "repo/limits.h"
#include "repo/message.h"

namespace {

using namespace vgerfs;

constexpr std::size_t kInfoLengthOffset = 24;

repo::Credential key_file() {
  static const repo::WorkedExample example;
  return repo::parse_key_file(example.key_file());
}

void describe(ByteView slot) { repo::describe_slot(SlotId{sha256(slot)}, slot, fuzz::keyring()); }

void open(ByteView slot) { repo::open_slot(slot, key_file(), fuzz::keyring().repository()); }

/// A slot whose information has this payload. Its bundle does not open: the header is another.
Bytes slot_with(ByteView payload) {
  static const Bytes good = [] {
    testing::FixedRandom random{6};
    return repo::make_slot(fuzz::keyring().bundle(), key_file(), {},
                           fuzz::keyring().envelope_keys(), crypto::Cipher::aes256gcm, 1, random);
  }();
  const ByteView view{good};
  const std::uint32_t old_bytes = ByteReader{view.subspan(kInfoLengthOffset), "slot"}.u32();
  Bytes info(repo::sealed_size(repo::EnvelopeKind::slot_info, 0, payload.size()));
  std::copy(payload.begin(), payload.end(),
            info.begin() +
                static_cast<std::ptrdiff_t>(repo::data_offset(repo::EnvelopeKind::slot_info, 0)));
  testing::FixedRandom random{7};
  repo::seal_in_place({.kind = repo::EnvelopeKind::slot_info, .cipher = crypto::Cipher::aes256gcm},
                      fuzz::keyring().envelope_keys(), random, {}, info);
  Bytes slot;
  ByteWriter writer{slot};
  writer.bytes(view.first(kInfoLengthOffset));
  writer.u32(static_cast<std::uint32_t>(info.size()));
  writer.bytes(view.first(view.size() - old_bytes).subspan(kInfoLengthOffset + 4));
  writer.bytes(info);
  return slot;
}

void verify(ByteView certificate) {
  const auto& keyring = fuzz::keyring();
  const repo::Certificate verified = repo::verify_certificate(
      repo::forge_certificate(certificate, keyring.repository(), keyring.root()),
      keyring.repository(), keyring.root_public_key());
  for (const std::string& host : verified.hosts) VGERFS_CHECK(repo::is_valid_name(host));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input{reinterpret_cast<const std::byte*>(data), size};
  if (input.empty()) return 0;
  const ByteView bytes = input.subspan(1);
  switch (std::to_integer<unsigned>(input[0]) % 5) {
    case 0:
      fuzz::decode([&] { describe(bytes); });
      fuzz::decode([&] { open(bytes); });
      break;
    case 1: fuzz::decode([&] { repo::Keyring::from_bundle(bytes); }); break;
    case 2:
      if (bytes.size() <= repo::kMaxSlotBytes / 2)
        fuzz::decode([&] { describe(slot_with(bytes)); });
      break;
    case 3: fuzz::decode([&] { verify(bytes); }); break;
    default: fuzz::decode([&] { repo::parse_key_file(text_of(bytes)); }, {ErrorCode::usage}); break;
  }
  return 0;
}
