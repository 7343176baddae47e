#include "repo/signed_object.h"

#include <string_view>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kSignatureBytes = sizeof(crypto::Signature);

/// "vgerfs/1 object" ‖ 0 ‖ kind ‖ repository id ‖ SHA-256(envelope)
Bytes message_to_sign(EnvelopeKind kind, const RepositoryId& repository, ByteView envelope) {
  Bytes message;
  ByteWriter writer{message};
  writer.bytes(bytes_of("vgerfs/1 object"));
  writer.u8(0);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.bytes(repository.view());
  writer.bytes(sha256(envelope));
  return message;
}

}  // namespace

std::size_t max_signed_bytes(EnvelopeKind kind) noexcept {
  switch (kind) {
    case EnvelopeKind::index_record: return kMaxRecordBytes;
    case EnvelopeKind::snapshot: return kMaxSnapshotBytes;
    case EnvelopeKind::lease: return kMaxLeaseBytes;
    case EnvelopeKind::block:
    case EnvelopeKind::slot_info: break;
  }
  bug("this kind is not signed");
}

Bytes seal_signed(const SealParameters& parameters, const EnvelopeKeys& keys,
                  const crypto::SigningKey& author, crypto::Random& random, ByteView payload) {
  const std::size_t limit = max_signed_bytes(parameters.kind);
  const std::size_t envelope_bytes = sealed_size(parameters.kind, 0, payload.size());
  if (envelope_bytes + kSignatureBytes > limit) {
    throw Error{ErrorCode::usage,
                fmt::format("the {} would have {} bytes; at most {} are allowed",
                            to_string(parameters.kind), envelope_bytes + kSignatureBytes, limit)};
  }
  Bytes object(envelope_bytes + kSignatureBytes);
  const MutableBytes envelope = MutableBytes{object}.first(envelope_bytes);
  std::copy(payload.begin(), payload.end(),
            envelope.begin() + static_cast<std::ptrdiff_t>(data_offset(parameters.kind, 0)));
  seal_in_place(parameters, keys, random, {}, envelope);
  const crypto::Signature signature =
      author.sign(message_to_sign(parameters.kind, keys.repository, envelope));
  std::copy(signature.begin(), signature.end(),
            object.begin() + static_cast<std::ptrdiff_t>(envelope_bytes));
  return object;
}

OpenedObject open_signed(EnvelopeKind kind, ByteView object, const EnvelopeKeys& keys,
                         const crypto::Secret* data_key) {
  const std::string_view what = to_string(kind);
  if (object.size() > max_signed_bytes(kind)) {
    throw Error{ErrorCode::corrupt, fmt::format("the {} is too large", what)};
  }
  const EnvelopeHeader header = parse_envelope_header(object, kind);
  if (object.size() != header.sealed_bytes() + kSignatureBytes) {
    throw Error{ErrorCode::corrupt,
                fmt::format("the {} does not have the length that its header says", what)};
  }
  const ByteView envelope = object.first(header.sealed_bytes());
  OpenedObject opened;
  opened.kind = kind;
  opened.payload.resize(header.data_bytes);
  EnvelopeOpener{header, envelope, keys, data_key}.data(opened.payload);
  ByteReader rest{object.subspan(envelope.size()), what};
  opened.signature = rest.array<kSignatureBytes>();
  opened.signed_message = message_to_sign(kind, keys.repository, envelope);
  return opened;
}

void check_signature(const OpenedObject& object, const crypto::PublicKey& author) {
  if (!crypto::verify(author, object.signed_message, object.signature)) {
    throw Error{ErrorCode::corrupt,
                fmt::format("the {}'s signature does not hold", to_string(object.kind))};
  }
}

}  // namespace vgerfs::repo
