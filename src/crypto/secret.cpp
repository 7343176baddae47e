#include "crypto/secret.h"

#include <sodium.h>

#include <cstring>
#include <utility>

#include "base/error.h"
#include "crypto/sodium.h"

namespace vgerfs::crypto {

Secret::Secret(std::size_t size) : size_(size) {
  if (size == 0) return;
  start_sodium();
  data_ = static_cast<std::byte*>(::sodium_malloc(size));
  if (data_ == nullptr) throw Error{ErrorCode::io, "there is no memory left for a secret"};
  std::memset(data_, 0, size);
}

Secret::Secret(ByteView bytes) : Secret(bytes.size()) {
  if (data_ != nullptr) std::memcpy(data_, bytes.data(), bytes.size());
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    ::sodium_free(data_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { ::sodium_free(data_); }

TransientKey::TransientKey(TransientKey&& other) noexcept : bytes_(other.bytes_) {
  wipe(other.bytes_);
}

TransientKey& TransientKey::operator=(TransientKey&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    wipe(other.bytes_);
  }
  return *this;
}

TransientKey::~TransientKey() { wipe(bytes_); }

void wipe(MutableBytes bytes) noexcept {
  if (!bytes.empty()) ::sodium_memzero(bytes.data(), bytes.size());
}

bool equal(ByteView a, ByteView b) noexcept {
  if (a.size() != b.size()) return false;
  return a.empty() || ::sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace vgerfs::crypto
