// Hard links in one walk: an inode is read once, its other names get the same entry.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "repo/tree.h"

namespace vgerfs::repo {

/// `Waiter` is what the walk keeps for a name that waits for its inode. Remembers an inode until
/// all its names were met, or until memory is short: then it is read again. One thread.
template <class Waiter>
class HardLinks {
 public:
  struct Inode {
    dev_t device = 0;
    ino_t number = 0;
    friend bool operator==(const Inode&, const Inode&) = default;
  };
  static Inode inode_of(const struct ::stat& attributes) {
    return {attributes.st_dev, attributes.st_ino};
  }

  enum class Found {
    nothing,  ///< the caller reads it and then calls `done` or `failed`
    waiting,  ///< it is being read; the waiter was taken
    entry,    ///< `entry_of` has it
  };

  /// A name of an inode with several; `waiter` is moved from only if the answer is `waiting`.
  Found meet(const struct ::stat& attributes, Waiter& waiter) {
    const auto [place, is_new] = inodes_.try_emplace(inode_of(attributes));
    State& state = place->second;
    if (is_new) {
      state.names_left = attributes.st_nlink - 1;
      return Found::nothing;
    }
    if (state.names_left > 0) --state.names_left;
    if (state.known) return Found::entry;
    state.waiting.push_back(std::move(waiter));
    return Found::waiting;
  }

  struct Known {
    Entry entry;
    std::optional<std::uint64_t> stat_hash;  // if it is settled
  };
  /// After `meet` answered `entry`; forgets an inode whose names were all met.
  Known take(const Inode& inode) {
    const auto place = inodes_.find(inode);
    if (place->second.names_left > 0) return *place->second.known;
    Known known = std::move(*place->second.known);
    forget(place);
    return known;
  }

  /// It was read. Returns who waited.
  std::vector<Waiter> done(const Inode& inode, Known known) {
    const auto place = inodes_.find(inode);
    State& state = place->second;
    std::vector<Waiter> waiting = std::exchange(state.waiting, {});
    state.bytes = sizeof(State) + known.entry.ByteSizeLong();
    if (state.names_left > 0 && used_bytes_ + state.bytes <= kMaxBytes) {
      used_bytes_ += state.bytes;
      state.known = std::move(known);
    } else {
      state.bytes = 0;
      forget(place);
    }
    return waiting;
  }

  /// It could not be read under that name. The one returned must try next (as after `nothing`);
  /// none: nobody waits.
  std::optional<Waiter> failed(const Inode& inode) {
    const auto place = inodes_.find(inode);
    State& state = place->second;
    if (state.waiting.empty()) {
      forget(place);
      return std::nullopt;
    }
    Waiter next = std::move(state.waiting.front());
    state.waiting.erase(state.waiting.begin());
    return next;
  }

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

  struct State {
    nlink_t names_left = 0;
    std::optional<Known> known;
    std::size_t bytes = 0;  // that `known` takes
    std::vector<Waiter> waiting;
  };
  struct Hash {
    std::size_t operator()(const Inode& inode) const noexcept {
      return std::hash<std::uint64_t>{}(inode.number) ^
             (std::hash<std::uint64_t>{}(inode.device) << 32U);
    }
  };
  using Inodes = std::unordered_map<Inode, State, Hash>;

  void forget(typename Inodes::iterator place) {
    used_bytes_ -= place->second.bytes;
    inodes_.erase(place);
  }

  Inodes inodes_;
  std::size_t used_bytes_ = 0;
};

}  // namespace vgerfs::repo
