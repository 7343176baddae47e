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
#include "backends/store_services.h"
#include "base/waiting_clock.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {

inline constexpr std::int64_t kHour_s = 3600;

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
  /// threads of the client that it waits for. One in `calls_awake` falls asleep,
  /// with its keepers if that is more than usual.
  void step(std::size_t client, std::uint64_t calls_awake = 40);
  void sleep(std::size_t client, std::int64_t seconds);
  /// From now on nobody falls asleep in the middle of a call for longer than some minutes.
  void stay_awake() { long_pauses_ = 1; }
  /// A keeper waits for so long, and then has a turn of its own until it waits again. False when a
  /// stop is requested: whoever did so waits for the keeper, which ends in that one's turn.
  bool wait(std::size_t client, std::int64_t seconds, const std::stop_token& stop);
  /// The client has started a keeper, and goes on only when that one waits: else what comes next
  /// would depend on how fast threads start.
  void expect_keeper(std::size_t client);
  /// Whether the calling thread has turns of its own beside its client's.
  static bool is_keeper();
  /// Whether it is a keeper's, also when that one goes on in its client's turn, which waits for its
  /// end.
  static bool is_keeper_thread();
  /// The longest time since `begin_lease` from a refresh of the client's lease to the end of the
  /// next, or to now: others may have seen nothing newer.
  void begin_lease(std::size_t client);
  std::int64_t lease_gap_s(std::size_t client);
  /// Turns that keepers had.
  std::uint64_t keeper_turns() const { return keeper_turns_; }
  /// Calls of the store.
  std::uint64_t calls() const { return calls_; }

  /// A number below `bound`, which is the same in every run with the seed.
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  /// A client, or a keeper of one.
  struct Participant {
    std::size_t client = 0;
    std::int64_t wakes_s = 0;
    bool done = false;
    bool keeper_expected = false;
    std::int64_t refreshed_s =
        0;  // of clients, as the next: when the last refresh that ended began
    std::int64_t refreshing_s = 0;
    std::int64_t longest_gap_s = 0;
    // Its own: waking all at every call costs more than the call.
    std::unique_ptr<std::condition_variable_any> turned =
        std::make_unique<std::condition_variable_any>();
  };
  /// With the lock.
  void await_keeper(std::unique_lock<std::mutex>& lock, std::size_t client);
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
  std::uint64_t calls_ = 0;
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

/// A request that a network keeps, to deliver it a second time much later.
struct StrayRequest {
  format::ObjectName name;
  std::shared_ptr<const Bytes> written;  // null: removed
};
/// Of all clients.
using StrayRequests = std::vector<StrayRequest>;

/// A client's way to the store: each call waits for its turn.
class SimulatedBackend final : public backends::ForwardingBackend, private backends::StoreServices {
 public:
  SimulatedBackend(MemoryBackend& target, Scheduler& scheduler, std::size_t client,
                   StrayRequests& strays)
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
  backends::StoreServices* services() noexcept override {
    return inner().services() == nullptr ? nullptr : this;
  }

 private:
  std::optional<backends::StoreHistory> history(
      const std::optional<format::ChainHead>& known) override {
    return inner().services()->history(known);
  }
  std::optional<backends::CompactionAnswer> compact(const backends::CompactionPlan& plan) override;
  /// Lets others go first; then one call of the client's threads at a time, and keepers beside
  /// them.
  std::unique_lock<std::mutex> step(std::uint64_t calls_awake = 40);
  void write_now(const format::ObjectName& name, ByteView bytes);

  MemoryBackend& memory_;
  Scheduler& scheduler_;
  const std::size_t client_;
  StrayRequests& strays_;
  std::mutex mutex_;  // one call of the client at a time
  std::mutex packs_mutex_;
  // Several threads of the client write them: which comes first is decided at its barrier, by name.
  std::map<format::ObjectName, Bytes> packs_;  // guarded by packs_mutex_
  bool active_ = false;
  bool lease_written_ = false;  // by the client itself, whose keeper begins when it is durable
};

}  // namespace vgerfs::testing
