// Signed objects with any payload: what somebody with a key could write who does not use this
// library.
#pragma once

#include <google/protobuf/message.h>

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
