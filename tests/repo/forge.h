// Signed objects with any payload: what somebody with a key could write who does not use this
// library.
#pragma once

#include <algorithm>
#include <vector>

#include <google/protobuf/message.h>

#include "repo/block.h"
#include "repo/certificate.h"
#include "repo/envelope.h"
#include "repo/keyrings.h"
#include "repo/message.h"
#include "repo/signed_object.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {

/// `message` sealed for the keyring's repository and signed by its author.
inline Bytes forge(EnvelopeKind kind, const google::protobuf::Message& message,
                   const Keyring& keyring, const DataKey* data_key = nullptr) {
  testing::FixedRandom random{77};
  return seal_signed(
      {.kind = kind, .cipher = crypto::Cipher::chacha20poly1305, .data_key = data_key},
      keyring.envelope_keys(), keyring.author(), random, encode_message(message));
}

/// A block's directory.
inline Bytes directory_of(const std::vector<ChunkEntry>& chunks) {
  Bytes bytes;
  ByteWriter out{bytes};
  out.u32(static_cast<std::uint32_t>(chunks.size()));
  for (const ChunkEntry& chunk : chunks) {
    out.bytes(chunk.id.view());
    out.u32(chunk.plain_bytes);
  }
  return bytes;
}

/// An authentic envelope around any directory and data: what a malicious holder of an ingest key
/// can make. Its tag is its last bytes.
inline Bytes forge_block(ByteView directory, ByteView data, Codec codec, ChunkKind kind,
                         const Keyring& keyring, const DataKey& data_key, crypto::Random& random) {
  Bytes out(sealed_size(EnvelopeKind::block, directory.size(), data.size()));
  const std::size_t at = data_offset(EnvelopeKind::block, directory.size());
  std::copy(data.begin(), data.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  const SealParameters parameters{.kind = EnvelopeKind::block,
                                  .cipher = crypto::Cipher::chacha20poly1305,
                                  .codec = codec,
                                  .chunk_kind = kind,
                                  .data_key = &data_key};
  seal_in_place(parameters, keyring.envelope_keys(), random, directory, out);
  return out;
}

inline Bytes frame_of(ByteView plain) {
  Compressor compressor{3};
  Bytes frame(Compressor::bound(plain.size()));
  frame.resize(compressor.compress(plain, frame));
  return frame;
}

/// A certificate with any payload, signed by this root.
inline format::proto::SignedCertificate forge_certificate(ByteView payload,
                                                          const RepositoryId& repository,
                                                          const crypto::SigningKey& root) {
  Bytes to_sign;
  ByteWriter writer{to_sign};
  writer.bytes(bytes_of("vgerfs/1 certificate"));
  writer.u8(0);
  writer.bytes(repository.view());
  writer.bytes(payload);
  format::proto::SignedCertificate forged;
  forged.set_certificate(raw_string(payload));
  forged.set_signature(raw_string(root.sign(to_sign)));
  return forged;
}

/// The payload of an object, whoever signed it.
template <class Message>
Message payload_of(EnvelopeKind kind, ByteView stored, const Keyring& keyring,
                   const DataKey* data_key = nullptr) {
  Message message;
  decode_message(message,
                 open_signed(kind, stored, keyring.envelope_keys(),
                             data_key != nullptr ? &data_key->key : nullptr)
                     .payload,
                 "a test's object");
  return message;
}

}  // namespace vgerfs::repo
