#include "server/space_ledger.h"

#include <algorithm>

#include "base/error.h"

namespace vgerfs::server {
namespace {

/// Whether `more` on top of what is taken would pass a limit. Sums that overflow pass it.
bool passes(std::uint64_t taken, std::uint64_t more, std::uint64_t limit) {
  return limit != 0 && (taken > limit || more > limit - taken);
}

}  // namespace

Reservation::Reservation(Reservation&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)),
      owner_(other.owner_),
      limits_(other.limits_),
      bytes_(other.bytes_) {}

Reservation::~Reservation() { settle(0); }

void Reservation::grow_to(std::uint64_t bytes) {
  VGERFS_CHECK(ledger_ != nullptr);
  if (bytes <= bytes_) return;
  ledger_->add(owner_, limits_, bytes - bytes_);
  bytes_ = bytes;
}

void Reservation::settle(std::uint64_t used) noexcept {
  SpaceLedger* const ledger = std::exchange(ledger_, nullptr);
  if (ledger == nullptr) return;
  const std::lock_guard lock{ledger->mutex_};
  auto& repository = ledger->repositories_[owner_.repository];
  repository.reserved -= bytes_;
  repository.used += used;
  if (owner_.token > 0) {
    auto& token = ledger->tokens_[owner_.token];
    token.reserved -= bytes_;
    token.used += used;
  }
  ledger->reserved_ -= bytes_;
}

void SpaceLedger::load(const std::vector<TotalRow>& totals) {
  const std::lock_guard lock{mutex_};
  for (auto& [id, account] : repositories_) account.used = 0;
  for (auto& [id, account] : tokens_) account.used = 0;
  for (const TotalRow& row : totals) {
    repositories_[row.repository].used += row.bytes;
    if (row.token > 0) tokens_[row.token].used += row.bytes;
  }
}

Reservation SpaceLedger::reserve(SpaceOwner owner, const SpaceLimits& limits, std::uint64_t bytes) {
  Reservation reservation{*this, owner, limits};
  // Nothing is reserved yet, but the accounts must be there for its end.
  {
    const std::lock_guard lock{mutex_};
    repositories_[owner.repository];
    if (owner.token > 0) tokens_[owner.token];
  }
  reservation.grow_to(bytes);
  return reservation;
}

void SpaceLedger::add(const SpaceOwner& owner, const SpaceLimits& limits, std::uint64_t bytes) {
  // Asked outside the lock: the disk may be slow.
  const std::uint64_t free = limits.min_free_bytes == 0 ? 0 : free_bytes_();
  const std::lock_guard lock{mutex_};
  Account& repository = repositories_[owner.repository];
  if (passes(repository.used + repository.reserved, bytes, limits.repository_bytes)) {
    throw Error{ErrorCode::no_space, "the repository's quota is used up"};
  }
  Account* const token = owner.token > 0 ? &tokens_[owner.token] : nullptr;
  if (token != nullptr && passes(token->used + token->reserved, bytes, limits.token_bytes)) {
    throw Error{ErrorCode::no_space, "the token's quota is used up"};
  }
  if (limits.min_free_bytes != 0 &&
      (free <= limits.min_free_bytes || passes(reserved_, bytes, free - limits.min_free_bytes))) {
    throw Error{ErrorCode::no_space, "the server's disk is full"};
  }
  repository.reserved += bytes;
  if (token != nullptr) token->reserved += bytes;
  reserved_ += bytes;
}

void SpaceLedger::give_back_used(SpaceOwner owner, std::uint64_t bytes) noexcept {
  const std::lock_guard lock{mutex_};
  auto& repository = repositories_[owner.repository];
  repository.used -= std::min(repository.used, bytes);
  if (owner.token > 0) {
    auto& token = tokens_[owner.token];
    token.used -= std::min(token.used, bytes);
  }
}

std::uint64_t SpaceLedger::used_by_repository(std::int64_t repository) const {
  const std::lock_guard lock{mutex_};
  const auto found = repositories_.find(repository);
  return found == repositories_.end() ? 0 : found->second.used;
}

std::uint64_t SpaceLedger::reserved() const {
  const std::lock_guard lock{mutex_};
  return reserved_;
}

}  // namespace vgerfs::server
