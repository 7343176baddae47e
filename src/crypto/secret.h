// Secrets in locked memory that is wiped when it goes. Move-only, not printable, not comparable by accident.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace vgerfs::crypto {

/// A byte string of run-time length in sodium_malloc memory (locked, guarded, wiped). Move-only. Reading is safe from many
/// threads.
class Secret {
 public:
  Secret() = default;
  /// `size` zero bytes.
  explicit Secret(std::size_t size);
  /// Copy of `bytes`; the caller wipes the original.
  explicit Secret(ByteView bytes);
  Secret(Secret&&) noexcept;
  Secret& operator=(Secret&&) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret clone() const { return Secret{view()}; }
  ByteView view() const noexcept { return {data_, size_}; }
  MutableBytes mutable_view() noexcept { return {data_, size_}; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Overwrites memory in a way that the compiler does not remove.
void wipe(MutableBytes bytes) noexcept;
/// Comparison in constant time.
bool equal(ByteView a, ByteView b) noexcept;

}  // namespace vgerfs::crypto
