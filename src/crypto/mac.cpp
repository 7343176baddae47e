#include "crypto/mac.h"

#include <sodium.h>

#include <atomic>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace vgerfs::crypto {
namespace {

constexpr std::byte kNoByte{};

/// One thread's HMAC context. Fetching and allocating one costs more than hashing a small chunk, so
/// it is kept.
class MacContext {
 public:
  MacContext() {
    static EVP_MAC* const hmac = ::EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    VGERFS_CHECK(hmac != nullptr);
    context_ = ::EVP_MAC_CTX_new(hmac);
    VGERFS_CHECK(context_ != nullptr);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        ::OSSL_PARAM_construct_end()};
    VGERFS_CHECK(::EVP_MAC_CTX_set_params(context_, parameters) == 1);
  }
  ~MacContext() { ::EVP_MAC_CTX_free(context_); }
  MacContext(const MacContext&) = delete;
  MacContext& operator=(const MacContext&) = delete;

  /// Begins a message under a new key.
  void start(ByteView key) {
    // A null pointer would mean "the key as before".
    const ByteView given = key.empty() ? ByteView{&kNoByte, 0} : key;
    VGERFS_CHECK(::EVP_MAC_init(context_, uchars(given), given.size(), nullptr) == 1);
  }
  /// Begins a message under the key of the last `start`.
  void restart() { VGERFS_CHECK(::EVP_MAC_init(context_, nullptr, 0, nullptr) == 1); }
  void update(ByteView bytes) {
    if (!bytes.empty()) VGERFS_CHECK(::EVP_MAC_update(context_, uchars(bytes), bytes.size()) == 1);
  }
  Mac finish() {
    Mac mac;
    std::size_t size = 0;
    VGERFS_CHECK(::EVP_MAC_final(context_, uchars(MutableBytes{mac}), &size, mac.size()) == 1);
    VGERFS_CHECK(size == mac.size());
    return mac;
  }

 private:
  EVP_MAC_CTX* context_ = nullptr;
};

/// For messages under keys that come once.
MacContext& passing_context() {
  thread_local MacContext context;
  return context;
}

/// For HmacKey: keeps the schedule of the key with this number.
struct KeyedContext {
  MacContext context;
  std::uint64_t key_number = 0;
};
KeyedContext& keyed_context() {
  thread_local KeyedContext context;
  return context;
}

}  // namespace

Mac hmac_sha256(ByteView key, ByteView first, ByteView second, ByteView third, ByteView fourth) {
  MacContext& context = passing_context();
  context.start(key);
  context.update(first);
  context.update(second);
  context.update(third);
  context.update(fourth);
  return context.finish();
}

struct HmacKey::State {
  explicit State(ByteView bytes) : key(bytes) {
    static std::atomic<std::uint64_t> last_number{0};
    number = ++last_number;
  }

  Secret key;
  std::uint64_t number;  // never used again in this process, so that a thread cannot take another
                         // key's schedule for it
};

HmacKey::HmacKey(ByteView key) : state_(std::make_unique<State>(key)) {}
HmacKey::~HmacKey() = default;
HmacKey::HmacKey(HmacKey&&) noexcept = default;
HmacKey& HmacKey::operator=(HmacKey&&) noexcept = default;

Mac HmacKey::operator()(ByteView first, ByteView second, ByteView third, ByteView fourth) const {
  VGERFS_CHECK(state_ != nullptr);
  auto& [context, key_number] = keyed_context();
  if (key_number == state_->number) {
    context.restart();
  } else {
    key_number = 0;
    context.start(state_->key.view());
    key_number = state_->number;
  }
  context.update(first);
  context.update(second);
  context.update(third);
  context.update(fourth);
  return context.finish();
}

HkdfPair hkdf_pair(ByteView input_key, ByteView salt, ByteView info) {
  static constexpr std::byte kFirst{1};
  static constexpr std::byte kSecond{2};
  Mac prk = hmac_sha256(salt, input_key);
  Mac first = hmac_sha256(prk, info, {&kFirst, 1});
  HkdfPair pair;
  pair.second = hmac_sha256(prk, first, info, {&kSecond, 1});
  std::memcpy(pair.first.mutable_view().data(), first.data(), first.size());
  wipe(prk);
  wipe(first);
  return pair;
}

std::uint64_t siphash(ByteView key16, ByteView message) noexcept {
  static_assert(crypto_shorthash_siphash24_KEYBYTES == 16 && crypto_shorthash_siphash24_BYTES == 8);
  VGERFS_CHECK(key16.size() == 16);
  std::array<std::byte, 8> hash;
  ::crypto_shorthash_siphash24(uchars(MutableBytes{hash}), uchars(message), message.size(),
                               uchars(key16));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < hash.size(); ++i)
    number |= std::to_integer<std::uint64_t>(hash[i]) << (8 * i);
  return number;
}

}  // namespace vgerfs::crypto
