#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace vgerfs {
namespace {

const EVP_MD* algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  VGERFS_CHECK(md != nullptr);
  return md;
}

}  // namespace

struct Sha256::State {
  State() : context(EVP_MD_CTX_new()) {
    VGERFS_CHECK(context != nullptr);
    restart();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void restart() { VGERFS_CHECK(EVP_DigestInit_ex2(context, algorithm(), nullptr) == 1); }

  EVP_MD_CTX* context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView bytes) {
  VGERFS_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  VGERFS_CHECK(EVP_DigestFinal_ex(state_->context, uchars(MutableBytes{digest}), nullptr) == 1);
  state_->restart();
  return digest;
}

Sha256Digest sha256(ByteView bytes) {
  thread_local Sha256 hasher;
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace vgerfs
