// Large reusable buffers. First touch of fresh memory costs more than the work done on it, so
// packs, blocks and file reads take theirs from a pool.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace vgerfs {

class BufferPool;

/// Uninitialised bytes with a size within a fixed capacity; goes back to its pool when destroyed.
/// Move-only.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() noexcept { return memory_.get(); }
  const std::byte* data() const noexcept { return memory_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  explicit operator bool() const noexcept { return memory_ != nullptr; }
  /// New bytes are uninitialised. `size` must be within the capacity.
  void resize(std::size_t size);
  void append(ByteView bytes);
  ByteView view() const noexcept { return {memory_.get(), size_}; }
  MutableBytes mutable_view() noexcept { return {memory_.get(), size_}; }
  /// The unused part, to be filled before `resize`.
  MutableBytes spare() noexcept { return {memory_.get() + size_, capacity_ - size_}; }

 private:
  friend class BufferPool;
  void give_back() noexcept;

  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  BufferPool* pool_ = nullptr;
};

/// Buffers of one capacity. Keeps up to `keep` idle ones. Must outlive its buffers. Thread-safe.
class BufferPool {
 public:
  BufferPool(std::size_t capacity, std::size_t keep) : capacity_(capacity), keep_(keep) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// An empty buffer.
  Buffer take();
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  friend class Buffer;
  void give(std::unique_ptr<std::byte[]> memory) noexcept;

  const std::size_t capacity_;
  const std::size_t keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> idle_;  // guarded by mutex_
};

}  // namespace vgerfs
