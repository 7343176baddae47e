// Secrets that are wiped when they go. Move-only, not printable, not comparable by accident.
#pragma once

#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace vgerfs::crypto {

/// A byte string of run-time length in sodium_malloc memory (locked, guarded, wiped). Move-only.
/// Reading is safe from many threads.
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

/// A 32-byte key for the length of one operation: wiped when it goes, but on the stack. The locked
/// memory of a Secret costs several system calls, too many for one key per block. Move-only.
class TransientKey {
 public:
  TransientKey() = default;
  TransientKey(TransientKey&& other) noexcept;
  TransientKey& operator=(TransientKey&& other) noexcept;
  TransientKey(const TransientKey&) = delete;
  TransientKey& operator=(const TransientKey&) = delete;
  ~TransientKey();

  ByteView view() const noexcept { return bytes_; }
  MutableBytes mutable_view() noexcept { return bytes_; }

 private:
  std::array<std::byte, 32> bytes_{};
};

/// Overwrites memory in a way that the compiler does not remove.
void wipe(MutableBytes bytes) noexcept;
/// Comparison in constant time.
bool equal(ByteView a, ByteView b) noexcept;

}  // namespace vgerfs::crypto
