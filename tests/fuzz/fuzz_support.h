// What the fuzz targets share. Each target defines LLVMFuzzerTestOneInput;
// tests/fuzz/CMakeLists.txt says how they are linked. A decoder may give a value or refuse with an
// Error of a fitting code: anything else ends the process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "base/error.h"
#include "repo/keyring.h"
#include "repo/signed_object.h"
#include "repo/worked_example.h"
#include "support/fixed_random.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace vgerfs::fuzz {

/// Runs a decoder. It may refuse as `corrupt` or `unsupported`, or with one of `more`.
template <class Decode>
void decode(Decode decoder, std::initializer_list<ErrorCode> more = {}) {
  try {
    decoder();
  } catch (const Error& error) {
    const ErrorCode code = error.code();
    if (code == ErrorCode::corrupt || code == ErrorCode::unsupported) return;
    if (std::find(more.begin(), more.end(), code) == more.end()) bug(error.what());
  }
}

/// The worked example's keys, role full: sealed seeds open, and what a target seals opens again.
inline const repo::Keyring& keyring() {
  static const repo::WorkedExample example;
  return example.keyring();
}

inline const repo::DataKey& data_key() {
  static const auto key = [] {
    testing::FixedRandom random{1};
    auto made = keyring().make_data_key(random);
    keyring().remember(made);
    return made;
  }();
  return *key;
}

/// Rightly sealed and signed, whatever the payload: what somebody with a key could write.
inline Bytes sealed(repo::EnvelopeKind kind, ByteView payload) {
  testing::FixedRandom random{3};
  return repo::seal_signed({.kind = kind,
                            .cipher = crypto::Cipher::aes256gcm,
                            .data_key = repo::has_data_key(kind) ? &data_key() : nullptr},
                           keyring().envelope_keys(), keyring().author(), random, payload);
}

/// How an input of a signed kind begins: whether what follows is the object as it is stored, or
/// its payload, which the target seals.
enum class Form : std::uint8_t { stored = 0, payload = 1 };

struct FormedInput {
  Form form = Form::stored;
  ByteView bytes;
};

inline FormedInput formed_input(const std::uint8_t* data, std::size_t size) {
  const ByteView all{reinterpret_cast<const std::byte*>(data), size};
  if (all.empty()) return {};
  return {(std::to_integer<unsigned>(all[0]) & 1U) != 0 ? Form::payload : Form::stored,
          all.subspan(1)};
}

/// The stored object that an input of a signed kind is about.
inline Bytes object_of(repo::EnvelopeKind kind, const std::uint8_t* data, std::size_t size) {
  const auto [form, bytes] = formed_input(data, size);
  // An object that is too large cannot be sealed: its reader's check is met in the other form.
  if (form == Form::stored || bytes.size() + 1024 > repo::max_signed_bytes(kind))
    return {bytes.begin(), bytes.end()};
  return sealed(kind, bytes);
}

}  // namespace vgerfs::fuzz
