// Several clients at work on one store, one call of the store at a time, in an order that a seed
// decides: what a test of concurrency can repeat.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <vector>

#include "backends/forwarding_backend.h"
#include "base/waiting_clock.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {

/// Hands a baton to one client after another. Who has it runs until its next call of the store;
/// what clients share is so guarded by it. Clients fall asleep in the middle of a call, for minutes
/// or for longer than any lease and grace time; the clock goes on meanwhile. A client's keepers of
/// leases take turns of their own; they go on while the client waits for an answer of the store, or
/// sleep with it as on a laptop that is closed.
class Scheduler {
 public:
  Scheduler(std::uint64_t seed, ManualClock& clock) : random_(seed), clock_(clock) {}

  /// Runs all to their ends, each in a thread of its own; what they throw ends the test program.
  void run(const std::vector<std::function<void(std::size_t client)>>& clients);
  /// The client's call comes to the store: others may go first. Called with the baton, also by
  /// threads of the client that it waits for.
  void step(std::size_t client);
  void sleep(std::size_t client, std::int64_t seconds);
  /// From now on nobody falls asleep in the middle of a call for longer than some minutes.
  void stay_awake() { long_pauses_ = 1; }
  /// A keeper waits for so long, and then has a turn of its own until it waits again. False when a
  /// stop is requested: whoever did so waits for the keeper, which ends in that one's turn.
  bool wait(std::size_t client, std::int64_t seconds, const std::stop_token& stop);
  /// Whether the calling thread has turns of its own beside its client's.
  static bool is_keeper();
  /// The longest time since `begin_lease` from a refresh of the client's lease to the end of the
  /// next, or to now: others may have seen nothing newer.
  void begin_lease(std::size_t client);
  std::int64_t lease_gap_s(std::size_t client);
  /// Turns that keepers had.
  std::uint64_t keeper_turns() const { return keeper_turns_; }

  /// A number below `bound`, which is the same in every run with the seed.
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  /// A client, or a keeper of one.
  struct Participant {
    std::size_t client = 0;
    std::int64_t wakes_s = 0;
    bool done = false;
    std::int64_t refreshed_s =
        0;  // of clients, as the next: when the last refresh that ended began
    std::int64_t refreshing_s = 0;
    std::int64_t longest_gap_s = 0;
    // Its own: waking all at every call costs more than the call.
    std::unique_ptr<std::condition_variable_any> turned =
        std::make_unique<std::condition_variable_any>();
  };
  std::size_t add_keeper(std::size_t client, std::int64_t wakes_s);
  void end_refresh(Participant& client) const;
  void sleep_for(std::size_t client, std::int64_t seconds, bool everybody);
  /// Chooses who goes on, and lets time pass if everybody sleeps. With the lock.
  void hand_over();

  std::mt19937_64 random_;  // whoever has the baton
  ManualClock& clock_;
  std::mutex mutex_;
  std::vector<Participant> participants_;  // guarded by mutex_, as all below; clients come first
  std::optional<std::size_t> turn_;        // none: all are done
  std::uint64_t keeper_turns_ = 0;
  std::size_t long_pauses_ = 4;
};

/// A client's wall clock, which is wrong by some seconds. Who waits by it takes turns.
class SkewedClock final : public WaitingClock {
 public:
  SkewedClock(const ManualClock& real, std::int64_t skew_s, Scheduler& scheduler,
              std::size_t client)
      : real_(real), skew_s_(skew_s), scheduler_(scheduler), client_(client) {}
  Timestamp now() const override {
    const Timestamp real = real_.now();
    return {real.s + skew_s_, real.ns};
  }
  std::int64_t boot_ns() const override { return real_.boot_ns(); }
  bool wait(std::chrono::nanoseconds duration, const std::stop_token& stop) const override {
    return scheduler_.wait(
        client_, std::chrono::duration_cast<std::chrono::seconds>(duration).count(), stop);
  }

 private:
  const ManualClock& real_;
  const std::int64_t skew_s_;
  Scheduler& scheduler_;
  const std::size_t client_;
};

/// Requests of all clients that a network keeps, to deliver them a second time much later.
using StrayWrites = std::vector<std::pair<format::ObjectName, Bytes>>;

/// A client's way to the store: each call waits for its turn.
class SimulatedBackend final : public backends::ForwardingBackend {
 public:
  SimulatedBackend(MemoryBackend& target, Scheduler& scheduler, std::size_t client,
                   StrayWrites& strays)
      : ForwardingBackend(target),
        memory_(target),
        scheduler_(scheduler),
        client_(client),
        strays_(strays) {}

  /// Until then calls go straight to the store: the world is being made, or looked at.
  void begin() { active_ = true; }
  void end() { active_ = false; }

  void read(const format::ObjectName& name, std::uint64_t offset, MutableBytes out) override;
  void write(const format::ObjectName& name, ByteView bytes) override;
  void barrier() override;
  std::optional<backends::ObjectInfo> stat(const format::ObjectName& name) override;
  void list(format::ObjectType type,
            const std::function<void(const backends::ObjectInfo&)>& each) override;
  void remove(const format::ObjectName& name) override;

 private:
  /// Lets others go first; then one call of the client's threads at a time, and keepers beside
  /// them.
  std::unique_lock<std::mutex> step();

  MemoryBackend& memory_;
  Scheduler& scheduler_;
  const std::size_t client_;
  StrayWrites& strays_;
  std::mutex mutex_;  // one call of the client at a time
  bool active_ = false;
};

}  // namespace vgerfs::testing
