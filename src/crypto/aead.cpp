#include "crypto/aead.h"

#include <openssl/evp.h>

#if defined(__aarch64__)
#include <sys/auxv.h>

#include <asm/hwcap.h>
#endif

#include <algorithm>

#include "base/error.h"
#include "crypto/secret.h"

namespace vgerfs::crypto {
namespace {

/// EVP counts in int.
constexpr std::size_t kMaxStepBytes = std::size_t{1} << 30;

const EVP_CIPHER* fetch(Cipher cipher) {
  // Fetched once per process: a fetch costs more than sealing a small block.
  static const EVP_CIPHER* const aes = ::EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha = ::EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  const EVP_CIPHER* const found = cipher == Cipher::aes256gcm ? aes : chacha;
  if (found == nullptr) {
    throw Error{ErrorCode::unsupported,
                fmt::format("this system's OpenSSL does not provide {}",
                            cipher == Cipher::aes256gcm ? "AES-256-GCM" : "ChaCha20-Poly1305")};
  }
  return found;
}

enum class Direction { seal, open };

/// One thread's context for one cipher and direction.
class Context {
 public:
  Context(const EVP_CIPHER* algorithm, Direction direction)
      : context_(::EVP_CIPHER_CTX_new()), direction_(direction) {
    VGERFS_CHECK(context_ != nullptr);
    VGERFS_CHECK(::EVP_CipherInit_ex2(context_, algorithm, nullptr, nullptr,
                                      direction == Direction::seal ? 1 : 0, nullptr) == 1);
    VGERFS_CHECK(::EVP_CIPHER_CTX_get_key_length(context_) == kAeadKeyBytes);
    VGERFS_CHECK(::EVP_CIPHER_CTX_get_iv_length(context_) == std::tuple_size_v<AeadNonce>);
  }
  ~Context() { ::EVP_CIPHER_CTX_free(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  void start(ByteView key, const AeadNonce& nonce) {
    VGERFS_CHECK(key.size() == kAeadKeyBytes);
    VGERFS_CHECK(::EVP_CipherInit_ex2(context_, nullptr, uchars(key), uchars(ByteView{nonce}),
                                      direction_ == Direction::seal ? 1 : 0, nullptr) == 1);
  }

  void associate(ByteView bytes) { update(bytes, nullptr); }

  void transform(ByteView in, MutableBytes out) {
    VGERFS_CHECK(in.size() == out.size());
    update(in, out.data());
  }

  AeadTag finish_seal() {
    AeadTag tag;
    int written = 0;
    std::byte none[kAeadTagBytes];
    VGERFS_CHECK(::EVP_CipherFinal_ex(context_, uchars(MutableBytes{none}), &written) == 1 &&
                 written == 0);
    VGERFS_CHECK(
        ::EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag.data()) == 1);
    return tag;
  }

  /// Whether the tag is right.
  bool finish_open(const AeadTag& tag) {
    AeadTag copy = tag;  // OpenSSL's parameter is not const
    VGERFS_CHECK(
        ::EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, copy.data()) == 1);
    int written = 0;
    std::byte none[kAeadTagBytes];
    return ::EVP_CipherFinal_ex(context_, uchars(MutableBytes{none}), &written) == 1 &&
           written == 0;
  }

 private:
  void update(ByteView in, std::byte* out) {
    while (!in.empty()) {
      const std::size_t step = std::min(in.size(), kMaxStepBytes);
      int written = 0;
      VGERFS_CHECK(::EVP_CipherUpdate(context_, reinterpret_cast<unsigned char*>(out), &written,
                                      uchars(in), static_cast<int>(step)) == 1);
      // Both are stream ciphers here: nothing is held back, so that sealing in place never
      // overtakes itself.
      VGERFS_CHECK(static_cast<std::size_t>(written) == step);
      in = in.subspan(step);
      if (out != nullptr) out += step;
    }
  }

  EVP_CIPHER_CTX* context_;
  Direction direction_;
};

Context& context_of(Cipher cipher, Direction direction) {
  switch (cipher) {
    case Cipher::aes256gcm:
      if (direction == Direction::seal) {
        thread_local Context seal{fetch(Cipher::aes256gcm), Direction::seal};
        return seal;
      } else {
        thread_local Context open{fetch(Cipher::aes256gcm), Direction::open};
        return open;
      }
    case Cipher::chacha20poly1305:
      if (direction == Direction::seal) {
        thread_local Context seal{fetch(Cipher::chacha20poly1305), Direction::seal};
        return seal;
      } else {
        thread_local Context open{fetch(Cipher::chacha20poly1305), Direction::open};
        return open;
      }
  }
  bug("unknown cipher");
}

bool has_aes_instructions() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  const unsigned long features = ::getauxval(AT_HWCAP);
  return (features & HWCAP_AES) != 0 && (features & HWCAP_PMULL) != 0;
#else
  return false;
#endif
}

}  // namespace

Cipher fastest_cipher() noexcept {
  static const Cipher cipher =
      has_aes_instructions() ? Cipher::aes256gcm : Cipher::chacha20poly1305;
  return cipher;
}

AeadTag aead_seal(Cipher cipher, ByteView key, const AeadNonce& nonce, ByteView associated,
                  ByteView associated2, ByteView plain, MutableBytes sealed) {
  Context& context = context_of(cipher, Direction::seal);
  context.start(key, nonce);
  context.associate(associated);
  context.associate(associated2);
  context.transform(plain, sealed);
  return context.finish_seal();
}

bool aead_open(Cipher cipher, ByteView key, const AeadNonce& nonce, ByteView associated,
               ByteView associated2, ByteView sealed, const AeadTag& tag, MutableBytes plain) {
  Context& context = context_of(cipher, Direction::open);
  context.start(key, nonce);
  context.associate(associated);
  context.associate(associated2);
  context.transform(sealed, plain);
  if (context.finish_open(tag)) return true;
  wipe(plain);
  return false;
}

}  // namespace vgerfs::crypto
