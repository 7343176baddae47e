#include "server/change_bell.h"

#include <utility>

namespace vgerfs::server {

ChangeBell::Listener::~Listener() {
  const std::lock_guard lock{bell_.mutex_};
  const auto found = bell_.listeners_.find(repository_);
  found->second.erase(number_);
  if (found->second.empty()) bell_.listeners_.erase(found);
}

std::unique_ptr<ChangeBell::Listener> ChangeBell::listen(std::int64_t repository,
                                                         std::function<void()> wake) {
  const std::lock_guard lock{mutex_};
  const std::uint64_t number = ++last_number_;
  listeners_[repository].emplace(number, std::move(wake));
  return std::unique_ptr<Listener>{new Listener{*this, repository, number}};
}

void ChangeBell::ring(const std::set<std::int64_t>& repositories) {
  const std::lock_guard lock{mutex_};
  for (const std::int64_t repository : repositories) {
    const auto found = listeners_.find(repository);
    if (found == listeners_.end()) continue;
    for (const auto& [number, wake] : found->second) wake();
  }
}

void ChangeBell::ring_all() {
  const std::lock_guard lock{mutex_};
  for (const auto& [repository, listeners] : listeners_) {
    for (const auto& [number, wake] : listeners) wake();
  }
}

}  // namespace vgerfs::server
