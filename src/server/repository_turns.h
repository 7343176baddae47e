// Work of which a repository has one at a time: who comes second is told so instead of waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>

namespace vgerfs::server {

/// Thread-safe.
class RepositoryTurns {
 public:
  /// `at_most`: in all repositories together.
  explicit RepositoryTurns(std::size_t at_most = SIZE_MAX) : at_most_(at_most) {}

  /// A repository's turn, if nobody else has it; given back when it dies.
  class Turn {
   public:
    Turn(RepositoryTurns& turns, std::int64_t repository) : turns_(turns), repository_(repository) {
      const std::lock_guard lock{turns_.mutex_};
      is_ours_ = turns_.taken_.size() < turns_.at_most_ && turns_.taken_.insert(repository_).second;
    }
    ~Turn() {
      if (!is_ours_) return;
      const std::lock_guard lock{turns_.mutex_};
      turns_.taken_.erase(repository_);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool is_ours() const noexcept { return is_ours_; }

   private:
    RepositoryTurns& turns_;
    const std::int64_t repository_;
    bool is_ours_ = false;
  };

 private:
  const std::size_t at_most_;
  std::mutex mutex_;  // a leaf
  std::set<std::int64_t> taken_;
};

}  // namespace vgerfs::server
