#include "backends/rest_lists.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace vgerfs::backends {
namespace {

using format::ChainHead;
using format::ObjectType;

/// A client that is further behind asks for the whole list.
constexpr std::uint64_t kMaxBehind = 20'000;

/// Packs are many and seldom listed; locks come from the directory, and are no part of the history
/// when others have made them there.
bool is_followed(ObjectType type) {
  return type == ObjectType::key || type == ObjectType::index || type == ObjectType::snapshot;
}

}  // namespace

std::vector<ObjectInfo> RestLists::list(ObjectType type) {
  if (!is_followed(type)) return wire_.list(type).objects;
  const std::lock_guard lock{mutex_};
  const auto found = followed_.find(type);
  if (found == followed_.end()) return list_anew(type);
  if (!catch_up(type, found->second)) {
    followed_.erase(found);
    return list_anew(type);
  }
  std::vector<ObjectInfo> objects;
  objects.reserve(found->second.objects.size());
  for (const auto& [id, info] : found->second.objects) objects.push_back(info);
  return objects;
}

std::vector<ObjectInfo> RestLists::list_anew(ObjectType type) {
  RestWire::List list = wire_.list(type);
  if (list.head) {
    Followed& kept = followed_[type];
    kept.head = *list.head;
    for (const ObjectInfo& info : list.objects) kept.objects.emplace(info.name.id, info);
    head_ = *list.head;
  }
  return std::move(list.objects);
}

bool RestLists::catch_up(ObjectType type, Followed& list) {
  for (;;) {
    const auto changes = wire_.changes(list.head.sequence);
    if (!changes) return false;
    if (!is_linked(list.head, *changes)) {
      log::warning("{}: the server tells another history than before: everything is listed anew",
                   wire_.location());
      return false;
    }
    if (changes->head.sequence - list.head.sequence > kMaxBehind) return false;
    for (const format::StoreChange& change : changes->changes) {
      if (change.object.type != type) continue;
      if (!change.is_added) {
        list.objects.erase(change.object.id);
        continue;
      }
      const ObjectInfo info{change.object, change.bytes, timestamp_of(change.stored_at_ns)};
      list.objects.insert_or_assign(change.object.id, info);
    }
    list.head = changes->last;
    head_ = changes->head;
    if (list.head == changes->head) return true;
    if (changes->changes.empty()) return false;
  }
}

std::optional<StoreHistory> RestLists::history(const std::optional<ChainHead>& known) {
  const std::lock_guard lock{mutex_};
  if (!head_) return std::nullopt;
  if (!known) return StoreHistory{*head_, Continuity::unknown};
  ChainHead at = *known;
  // Up to the head that the lists have shown; what came later is next time's matter.
  while (at.sequence < head_->sequence) {
    const auto changes = wire_.changes(at.sequence);
    if (!changes) return StoreHistory{*head_, Continuity::unknown};
    if (!is_linked(at, *changes)) return StoreHistory{*head_, Continuity::broken};
    if (changes->changes.empty()) break;
    if (changes->head.sequence - at.sequence > kMaxBehind) {
      return StoreHistory{*head_, Continuity::unknown};
    }
    at = changes->last;
    if (at.sequence >= head_->sequence) return StoreHistory{at, Continuity::continues};
  }
  return StoreHistory{*head_, at == *head_ ? Continuity::continues : Continuity::broken};
}

}  // namespace vgerfs::backends
