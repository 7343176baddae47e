// A decorator that fails on order: at the n-th call, with a chosen error, with or without the
// effect.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/forwarding_backend.h"
#include "backends/store_services.h"
#include "base/error.h"

namespace vgerfs::testing {

enum class Call { read, write, barrier, stat, list, remove, compact };
inline constexpr std::size_t kCallKinds = 7;
std::string_view to_string(Call call) noexcept;

enum class Fault {
  fail,        ///< the call does nothing and throws Error{code}
  lose_reply,  ///< the call has its effect and throws Error{code}
  kill,        ///< the call does nothing; it and every later one throws Killed
  kill_after,  ///< the call has its effect; it and every later one throws Killed
};

/// What a call throws when the process counts as dead. Not an Error: nothing may handle it.
class Killed final : public std::exception {
 public:
  const char* what() const noexcept override { return "killed by the test"; }
};

/// One order. Without `call` every kind counts and matches.
struct FaultPlan {
  Fault fault = Fault::fail;
  std::optional<Call> call;
  std::uint64_t nth = 1;    ///< counts from the order on
  std::uint64_t times = 1;  ///< how many calls in a row; kills last for ever anyway
  ErrorCode code = ErrorCode::unavailable;
  /// Only objects of this type count (a barrier has none).
  std::optional<format::ObjectType> type;
};

/// Counts the calls and executes orders. Thread-safe.
class FaultyBackend final : public backends::ForwardingBackend, private backends::StoreServices {
 public:
  using ForwardingBackend::ForwardingBackend;

  void order(FaultPlan plan);
  /// Runs `action` before the next such call, in the thread that makes it: what another thread
  /// could do there.
  void before_next(Call call, std::function<void()> action);
  /// Likewise before the n-th call of any kind from now on.
  void before_call(std::uint64_t nth, std::function<void()> action);
  /// Listings leave this object out, as those of some stores do for a while.
  void hide(const format::ObjectName& name);
  /// Drops all orders, revives a killed one, hides nothing.
  void clear();
  bool killed() const;
  /// Calls since the beginning, those that failed included.
  std::uint64_t calls() const;
  std::uint64_t calls(Call call) const;

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

  struct Order {
    FaultPlan plan;
    std::uint64_t seen = 0;
  };

  /// Counts a call; throws what is to be thrown before its effect, returns what comes after it.
  std::optional<FaultPlan> begin(Call call, std::optional<format::ObjectType> type);
  void end(Call call, const std::optional<FaultPlan>& plan);

  mutable std::mutex mutex_;  // guards all below
  std::vector<Order> orders_;
  std::array<std::uint64_t, kCallKinds> counts_{};
  std::array<std::function<void()>, kCallKinds> actions_;
  std::uint64_t calls_until_action_ = 0;  // 0: there is none
  std::function<void()> action_;
  std::set<format::ObjectName> hidden_;
  bool killed_ = false;
};

}  // namespace vgerfs::testing
