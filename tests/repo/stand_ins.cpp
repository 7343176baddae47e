// Stand before functions of libsodium and libc in the program that this is linked into. The
// simulator opens thousands of repositories, and asks what clients do to each other, not what
// mathematics does to a forger: a signature here is a hash of key and message, which anybody could
// make; a sealed key is covered by a hash of the public key. They have the lengths of the real
// ones, and fail when a bit of what they cover changes. Memory of secrets is neither locked nor
// guarded. What depends on chance or on the process, and ends up in names of objects, is the same
// in every run.
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <span>

#include "base/sha256.h"

namespace {

using vgerfs::ByteView;
using vgerfs::Sha256;
using vgerfs::Sha256Digest;
using Size = unsigned long long;  // NOLINT(google-runtime-int): libsodium's

constexpr std::size_t kKeyBytes = 32;

ByteView view(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(bytes), size};
}

Sha256Digest hash(std::string_view use, ByteView key, ByteView content) {
  Sha256 sha;
  sha.update(vgerfs::bytes_of(use));
  sha.update(key);
  sha.update(content);
  return sha.finish();
}

void put(unsigned char* out, ByteView bytes) { std::memcpy(out, bytes.data(), bytes.size()); }

void make_signature(unsigned char* signature, ByteView key, ByteView message) {
  put(signature, hash("signature, one", key, message));
  put(signature + kKeyBytes, hash("signature, two", key, message));
}

}  // namespace

extern "C" {

pid_t getpid() noexcept { return 4711; }

void* sodium_malloc(std::size_t size) { return std::malloc(size); }
void sodium_free(void* memory) { std::free(memory); }

int crypto_sign_seed_keypair(unsigned char* public_key, unsigned char* secret_key,
                             const unsigned char* seed) {
  put(public_key, hash("author", view(seed, kKeyBytes), {}));
  put(secret_key, view(seed, kKeyBytes));
  put(secret_key + kKeyBytes, view(public_key, kKeyBytes));
  return 0;
}

int crypto_sign_detached(unsigned char* signature, Size* size, const unsigned char* message,
                         Size bytes, const unsigned char* secret_key) {
  make_signature(signature, view(secret_key + kKeyBytes, kKeyBytes), view(message, bytes));
  if (size != nullptr) *size = crypto_sign_BYTES;
  return 0;
}

int crypto_sign_verify_detached(const unsigned char* signature, const unsigned char* message,
                                Size bytes, const unsigned char* key) {
  std::array<unsigned char, crypto_sign_BYTES> made;
  make_signature(made.data(), view(key, kKeyBytes), view(message, bytes));
  return std::memcmp(made.data(), signature, made.size()) == 0 ? 0 : -1;
}

int crypto_scalarmult_base(unsigned char* public_key, const unsigned char* secret_key) {
  put(public_key, hash("recipient", view(secret_key, kKeyBytes), {}));
  return 0;
}

/// 32 bytes in place of chance, so that a schedule can be repeated ‖ 32 bytes of the key under a
/// hash ‖ 16 bytes to check it
int crypto_box_seal(unsigned char* sealed, const unsigned char* message, Size bytes,
                    const unsigned char* public_key) {
  if (bytes != kKeyBytes) std::abort();
  put(sealed, hash("chance", view(public_key, kKeyBytes), view(message, bytes)));
  const auto cover = hash("cover", view(public_key, kKeyBytes), view(sealed, kKeyBytes));
  put(sealed + kKeyBytes, cover);
  for (std::size_t i = 0; i < kKeyBytes; ++i) sealed[kKeyBytes + i] ^= message[i];
  const auto check = hash("check", view(public_key, kKeyBytes), view(sealed, 2 * kKeyBytes));
  put(sealed + 2 * kKeyBytes, ByteView{check}.first(crypto_box_MACBYTES));
  return 0;
}

int crypto_box_seal_open(unsigned char* message, const unsigned char* sealed, Size,
                         const unsigned char* public_key, const unsigned char*) {
  const auto check = hash("check", view(public_key, kKeyBytes), view(sealed, 2 * kKeyBytes));
  if (std::memcmp(check.data(), sealed + 2 * kKeyBytes, crypto_box_MACBYTES) != 0) return -1;
  const auto cover = hash("cover", view(public_key, kKeyBytes), view(sealed, kKeyBytes));
  put(message, cover);
  for (std::size_t i = 0; i < kKeyBytes; ++i) message[i] ^= sealed[kKeyBytes + i];
  return 0;
}

}  // extern "C"
