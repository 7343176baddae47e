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
#include <vector>

#include "backends/forwarding_backend.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {

/// Hands a baton to one client after another. Who has it runs until its next call of the store;
/// what clients share is so guarded by it. Clients fall asleep in the middle of a call, for minutes
/// or for longer than any lease and grace time; the clock goes on meanwhile.
class Scheduler {
 public:
  Scheduler(std::uint64_t seed, ManualClock& clock) : random_(seed), clock_(clock) {}

  /// Runs all to their ends, each in a thread of its own; what they throw ends the test program.
  void run(const std::vector<std::function<void(std::size_t client)>>& clients);
  /// The client's call comes to the store: others may go first. Called with the baton, also by
  /// threads of the client that it waits for.
  void step(std::size_t client);
  void sleep(std::size_t client, std::int64_t seconds);

  /// A number below `bound`, which is the same in every run with the seed.
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  struct Client {
    std::int64_t wakes_s = 0;
    bool done = false;
  };
  /// Chooses who goes on, and lets time pass if everybody sleeps. With the lock.
  void hand_over();

  std::mt19937_64 random_;  // whoever has the baton
  ManualClock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Client> clients_;      // guarded by mutex_, as the next
  std::optional<std::size_t> turn_;  // none: all are done
};

/// A client's wall clock, which is wrong by some seconds.
class SkewedClock final : public Clock {
 public:
  SkewedClock(const ManualClock& real, std::int64_t skew_s) : real_(real), skew_s_(skew_s) {}
  Timestamp now() const override {
    const Timestamp real = real_.now();
    return {real.s + skew_s_, real.ns};
  }
  std::int64_t boot_ns() const override { return real_.boot_ns(); }

 private:
  const ManualClock& real_;
  const std::int64_t skew_s_;
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
  void step();

  MemoryBackend& memory_;
  Scheduler& scheduler_;
  const std::size_t client_;
  StrayWrites& strays_;
  std::mutex mutex_;  // one call of the client at a time
  bool active_ = false;
};

}  // namespace vgerfs::testing
