#include "base/buffer.h"

#include <utility>

#include "base/error.h"

namespace vgerfs {

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::move(other.memory_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)),
      pool_(std::exchange(other.pool_, nullptr)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    give_back();
    memory_ = std::move(other.memory_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    pool_ = std::exchange(other.pool_, nullptr);
  }
  return *this;
}

Buffer::~Buffer() { give_back(); }

void Buffer::give_back() noexcept {
  if (memory_ && pool_ != nullptr) pool_->give(std::move(memory_));
  memory_.reset();
}

void Buffer::resize(std::size_t size) {
  VGERFS_CHECK(size <= capacity_);
  size_ = size;
}

void Buffer::append(ByteView bytes) {
  VGERFS_CHECK(bytes.size() <= capacity_ - size_);
  if (!bytes.empty()) std::memcpy(memory_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

Buffer BufferPool::take() {
  Buffer buffer;
  buffer.capacity_ = capacity_;
  buffer.pool_ = this;
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      buffer.memory_ = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!buffer.memory_) buffer.memory_.reset(new std::byte[capacity_]);
  return buffer;
}

void BufferPool::give(std::unique_ptr<std::byte[]> memory) noexcept {
  const std::lock_guard lock{mutex_};
  if (idle_.capacity() < keep_) idle_.reserve(keep_);
  if (idle_.size() < keep_) idle_.push_back(std::move(memory));
}

}  // namespace vgerfs
