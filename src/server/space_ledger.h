// Who uses how much space, and who may use more. Space is reserved before a body is read, so that
// parallel uploads cannot pass a quota together; what is not used goes back by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "server/catalog.h"

namespace vgerfs::server {

/// For one upload; 0: unlimited.
struct SpaceLimits {
  std::uint64_t repository_bytes = 0;
  std::uint64_t token_bytes = 0;
  std::uint64_t min_free_bytes = 0;  ///< what must stay free on the disk
};

/// Whose space: repository and token (0 and less: no token's).
struct SpaceOwner {
  std::int64_t repository = 0;
  std::int64_t token = 0;
};

class SpaceLedger;

/// Space that is set aside; goes back when destroyed. Move-only. Must not outlive its ledger.
class Reservation {
 public:
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation();

  std::uint64_t bytes() const noexcept { return bytes_; }
  /// Makes it at least so large. Throws no_space.
  void grow_to(std::uint64_t bytes);
  /// Turns `used` of it into used space, and gives the rest back.
  void settle(std::uint64_t used) noexcept;

 private:
  friend class SpaceLedger;
  Reservation(SpaceLedger& ledger, SpaceOwner owner, SpaceLimits limits) noexcept
      : ledger_(&ledger), owner_(owner), limits_(limits) {}

  SpaceLedger* ledger_;  // null once moved from or settled
  SpaceOwner owner_;
  SpaceLimits limits_;
  std::uint64_t bytes_ = 0;
};

/// Thread-safe; a leaf.
class SpaceLedger {
 public:
  /// `free_bytes` asks the disk.
  explicit SpaceLedger(std::function<std::uint64_t()> free_bytes)
      : free_bytes_(std::move(free_bytes)) {}

  /// Forgets what was used, and takes it from the database's totals. Reservations stay.
  void load(const std::vector<TotalRow>& totals);
  /// Throws no_space with the limit that stands in the way.
  Reservation reserve(SpaceOwner owner, const SpaceLimits& limits, std::uint64_t bytes);
  void give_back_used(SpaceOwner owner, std::uint64_t bytes) noexcept;
  std::uint64_t used_by_repository(std::int64_t repository) const;
  /// Everything that is set aside now.
  std::uint64_t reserved() const;

 private:
  friend class Reservation;
  struct Account {
    std::uint64_t used = 0;
    std::uint64_t reserved = 0;
  };

  void add(const SpaceOwner& owner, const SpaceLimits& limits, std::uint64_t bytes);

  const std::function<std::uint64_t()> free_bytes_;
  mutable std::mutex mutex_;
  std::map<std::int64_t, Account> repositories_;  // guarded by mutex_, as all below
  std::map<std::int64_t, Account> tokens_;
  std::uint64_t reserved_ = 0;
};

}  // namespace vgerfs::server
