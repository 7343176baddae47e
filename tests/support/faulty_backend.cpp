#include "support/faulty_backend.h"

#include <numeric>
#include <utility>

namespace vgerfs::testing {

using backends::ObjectInfo;
using format::ObjectName;
using format::ObjectType;

namespace {

[[noreturn]] void fail(Call call, ErrorCode code) {
  throw Error{code, fmt::format("the test made a {} fail", to_string(call))};
}

}  // namespace

std::string_view to_string(Call call) noexcept {
  switch (call) {
    case Call::read: return "read";
    case Call::write: return "write";
    case Call::barrier: return "barrier";
    case Call::stat: return "stat";
    case Call::list: return "list";
    case Call::remove: return "remove";
    case Call::compact: return "compact";
  }
  return "call";
}

void FaultyBackend::order(FaultPlan plan) {
  const std::lock_guard lock{mutex_};
  orders_.push_back({plan, 0});
}

void FaultyBackend::before_next(Call call, std::function<void()> action) {
  const std::lock_guard lock{mutex_};
  actions_[static_cast<std::size_t>(call)] = std::move(action);
}

void FaultyBackend::before_call(std::uint64_t nth, std::function<void()> action) {
  const std::lock_guard lock{mutex_};
  calls_until_action_ = nth;
  action_ = std::move(action);
}

void FaultyBackend::hide(const ObjectName& name) {
  const std::lock_guard lock{mutex_};
  hidden_.insert(name);
}

void FaultyBackend::clear() {
  const std::lock_guard lock{mutex_};
  orders_.clear();
  actions_.fill(nullptr);
  calls_until_action_ = 0;
  hidden_.clear();
  killed_ = false;
}

bool FaultyBackend::killed() const {
  const std::lock_guard lock{mutex_};
  return killed_;
}

std::uint64_t FaultyBackend::calls() const {
  const std::lock_guard lock{mutex_};
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::uint64_t FaultyBackend::calls(Call call) const {
  const std::lock_guard lock{mutex_};
  return counts_[static_cast<std::size_t>(call)];
}

std::optional<FaultPlan> FaultyBackend::begin(Call call, std::optional<ObjectType> type) {
  std::function<void()> action;
  {
    const std::lock_guard lock{mutex_};
    action = std::exchange(actions_[static_cast<std::size_t>(call)], nullptr);
    if (!action && calls_until_action_ != 0 && --calls_until_action_ == 0) {
      action = std::exchange(action_, nullptr);
    }
  }
  if (action) action();
  const std::lock_guard lock{mutex_};
  ++counts_[static_cast<std::size_t>(call)];
  if (killed_) throw Killed{};
  std::optional<FaultPlan> due;
  for (Order& order : orders_) {
    const FaultPlan& plan = order.plan;
    if (plan.call && *plan.call != call) continue;
    if (plan.type && plan.type != type) continue;
    ++order.seen;
    if (order.seen >= plan.nth && order.seen - plan.nth < plan.times && !due) due = plan;
  }
  if (!due) return std::nullopt;
  switch (due->fault) {
    case Fault::fail: fail(call, due->code);
    case Fault::kill: killed_ = true; throw Killed{};
    case Fault::kill_after: killed_ = true; break;
    case Fault::lose_reply: break;
  }
  return due;
}

void FaultyBackend::end(Call call, const std::optional<FaultPlan>& plan) {
  if (!plan) return;
  if (plan->fault == Fault::kill_after) throw Killed{};
  fail(call, plan->code);
}

void FaultyBackend::read(const ObjectName& name, std::uint64_t offset, MutableBytes out) {
  const auto plan = begin(Call::read, name.type);
  ForwardingBackend::read(name, offset, out);
  end(Call::read, plan);
}

void FaultyBackend::write(const ObjectName& name, ByteView bytes) {
  const auto plan = begin(Call::write, name.type);
  ForwardingBackend::write(name, bytes);
  end(Call::write, plan);
}

void FaultyBackend::barrier() {
  const auto plan = begin(Call::barrier, std::nullopt);
  ForwardingBackend::barrier();
  end(Call::barrier, plan);
}

std::optional<ObjectInfo> FaultyBackend::stat(const ObjectName& name) {
  const auto plan = begin(Call::stat, name.type);
  auto info = ForwardingBackend::stat(name);
  end(Call::stat, plan);
  return info;
}

void FaultyBackend::list(ObjectType type, const std::function<void(const ObjectInfo&)>& each) {
  const auto plan = begin(Call::list, type);
  std::set<ObjectName> hidden;
  {
    const std::lock_guard lock{mutex_};
    hidden = hidden_;
  }
  ForwardingBackend::list(type, [&](const ObjectInfo& info) {
    if (!hidden.contains(info.name)) each(info);
  });
  end(Call::list, plan);
}

void FaultyBackend::remove(const ObjectName& name) {
  const auto plan = begin(Call::remove, name.type);
  ForwardingBackend::remove(name);
  end(Call::remove, plan);
}

std::optional<backends::CompactionAnswer> FaultyBackend::compact(
    const backends::CompactionPlan& plan) {
  const auto order = begin(Call::compact, ObjectType::pack);
  auto answer = inner().services()->compact(plan);
  end(Call::compact, order);
  return answer;
}

}  // namespace vgerfs::testing
