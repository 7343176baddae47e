// A map of bounded size that drops what was not used for longest. One thread at a time.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace vgerfs::fs {

template <class Key, class Value>
class LruMap {
 public:
  explicit LruMap(std::size_t capacity) : capacity_(capacity) {}

  /// Null if absent; counts as a use. Valid until the next put or erase.
  Value* find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return &found->second->second;
  }

  /// Replaces what is there. Returns what was dropped for it, so that a caller may destroy it
  /// outside its lock.
  std::list<std::pair<Key, Value>> put(const Key& key, Value value) {
    std::list<std::pair<Key, Value>> dropped = erase(key);
    items_.emplace_front(key, std::move(value));
    by_key_.emplace(key, items_.begin());
    if (items_.size() > capacity_) {
      by_key_.erase(items_.back().first);
      dropped.splice(dropped.end(), items_, std::prev(items_.end()));
    }
    return dropped;
  }

  std::list<std::pair<Key, Value>> erase(const Key& key) {
    std::list<std::pair<Key, Value>> dropped;
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      dropped.splice(dropped.end(), items_, found->second);
      by_key_.erase(found);
    }
    return dropped;
  }

 private:
  const std::size_t capacity_;
  std::list<std::pair<Key, Value>> items_;  // newest first
  std::map<Key, typename std::list<std::pair<Key, Value>>::iterator> by_key_;
};

}  // namespace vgerfs::fs
