#include "repo/simulator.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace vgerfs::testing {

namespace {

/// What a keeper's thread is to the scheduler.
struct Keeper {
  std::size_t participant = 0;
  std::stop_token stop;
};
thread_local std::optional<Keeper> keeper;
thread_local bool keeper_thread = false;  // also when it goes on in its client's turn

}  // namespace

void Scheduler::run(const std::vector<std::function<void(std::size_t client)>>& clients) {
  participants_.clear();
  for (std::size_t client = 0; client < clients.size(); ++client) {
    participants_.push_back({.client = client});
  }
  std::vector<std::jthread> threads;
  for (std::size_t client = 0; client < clients.size(); ++client) {
    threads.emplace_back([this, client, &work = clients[client]] {
      {
        std::unique_lock lock{mutex_};
        participants_[client].turned->wait(lock, [&] { return turn_ == client; });
      }
      work(client);
      const std::lock_guard lock{mutex_};
      participants_[client].done = true;
      hand_over();
    });
  }
  const std::lock_guard lock{mutex_};
  hand_over();
}

void Scheduler::hand_over() {
  turn_.reset();
  std::vector<std::size_t> awake;
  std::optional<std::size_t> next;
  for (std::size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[i].done) continue;
    if (participants_[i].wakes_s <= clock_.now().s) awake.push_back(i);
    if (!next || participants_[i].wakes_s < participants_[*next].wakes_s) next = i;
  }
  if (!awake.empty()) {
    turn_ = awake[below(awake.size())];
  } else if (next) {
    clock_.advance(std::chrono::seconds{participants_[*next].wakes_s - clock_.now().s});
    turn_ = next;
  }
  if (turn_) participants_[*turn_].turned->notify_all();
}

void Scheduler::expect_keeper(std::size_t client) {
  const std::lock_guard lock{mutex_};
  participants_[client].keeper_expected = true;
}

void Scheduler::await_keeper(std::unique_lock<std::mutex>& lock, std::size_t client) {
  if (keeper_thread) return;
  participants_[client].turned->wait(lock, [&] { return !participants_[client].keeper_expected; });
}

void Scheduler::step(std::size_t client, std::uint64_t calls_awake) {
  {
    std::unique_lock lock{mutex_};
    await_keeper(lock, client);
  }
  std::int64_t pause_s = 0;
  bool everybody = false;
  if (below(calls_awake) == 0) {
    constexpr std::int64_t longest_s[] = {20 * 60, 2 * kHour_s, 30 * kHour_s, 80 * kHour_s};
    pause_s = 1 + static_cast<std::int64_t>(
                      below(static_cast<std::uint64_t>(longest_s[below(long_pauses_)])));
    everybody = below(2) == 0 || calls_awake < 40;
  }
  clock_.advance(std::chrono::seconds{below(10)});
  sleep_for(client, pause_s, everybody);
}

void Scheduler::sleep(std::size_t client, std::int64_t seconds) {
  {
    std::unique_lock lock{mutex_};
    await_keeper(lock, client);
  }
  sleep_for(client, seconds, false);
}

void Scheduler::sleep_for(std::size_t client, std::int64_t seconds, bool everybody) {
  std::unique_lock lock{mutex_};
  ++calls_;
  const std::size_t self = keeper ? keeper->participant : client;
  const std::int64_t wakes_s = clock_.now().s + seconds;
  for (std::size_t i = 0; i < participants_.size(); ++i) {
    Participant& other = participants_[i];
    if (i == self || (everybody && other.client == client)) {
      other.wakes_s = std::max(other.wakes_s, wakes_s);
    }
  }
  hand_over();
  std::condition_variable_any& turned = *participants_[self].turned;
  if (!keeper) {
    turned.wait(lock, [&] { return turn_ == self; });
    return;
  }
  if (turned.wait(lock, keeper->stop, [&] { return turn_ == self; })) return;
  // Its client waits for its end, and has the turn: the thread goes on in it.
  participants_[self].done = true;
  keeper.reset();
}

bool Scheduler::wait(std::size_t client, std::int64_t seconds, const std::stop_token& stop) {
  keeper_thread = true;
  std::unique_lock lock{mutex_};
  if (std::exchange(participants_[client].keeper_expected, false)) {
    participants_[client].turned->notify_all();
  }
  if (stop.stop_requested()) {
    if (keeper) participants_[keeper->participant].done = true;
    keeper.reset();
    return false;
  }
  const std::int64_t wakes_s = clock_.now().s + seconds;
  if (keeper) {
    end_refresh(participants_[client]);
    participants_[keeper->participant].wakes_s = wakes_s;
    hand_over();
  } else {
    keeper = Keeper{add_keeper(client, wakes_s), stop};
  }
  const std::size_t self = keeper->participant;
  if (participants_[self].turned->wait(lock, stop, [&] { return turn_ == self; })) {
    ++keeper_turns_;
    participants_[client].refreshing_s = clock_.now().s;
    return true;
  }
  participants_[self].done = true;
  keeper.reset();
  return false;
}

std::size_t Scheduler::add_keeper(std::size_t client, std::int64_t wakes_s) {
  participants_.push_back({.client = client, .wakes_s = wakes_s});
  return participants_.size() - 1;
}

void Scheduler::end_refresh(Participant& client) const {
  client.longest_gap_s = std::max(client.longest_gap_s, clock_.now().s - client.refreshed_s);
  client.refreshed_s = client.refreshing_s;
}

void Scheduler::begin_lease(std::size_t client) {
  const std::lock_guard lock{mutex_};
  participants_[client].refreshed_s = clock_.now().s;
  participants_[client].longest_gap_s = 0;
}

std::int64_t Scheduler::lease_gap_s(std::size_t client) {
  const std::lock_guard lock{mutex_};
  const Participant& asked = participants_[client];
  return std::max(asked.longest_gap_s, clock_.now().s - asked.refreshed_s);
}

bool Scheduler::is_keeper() { return keeper.has_value(); }
bool Scheduler::is_keeper_thread() { return keeper_thread; }

std::unique_lock<std::mutex> SimulatedBackend::step(std::uint64_t calls_awake) {
  std::unique_lock lock{mutex_, std::defer_lock};
  if (!Scheduler::is_keeper()) lock.lock();
  if (!active_) return lock;
  scheduler_.step(client_, calls_awake);
  if (strays_.empty() || scheduler_.below(20) != 0) return lock;
  auto& stray = strays_[scheduler_.below(strays_.size())];
  MemoryStore& store = *memory_.store();
  if (stray.written) {
    store.put(stray.name, {stray.written, store.clock()->now()});
  } else {
    store.erase(stray.name);
  }
  std::swap(stray, strays_.back());
  strays_.pop_back();
  return lock;
}

void SimulatedBackend::read(const format::ObjectName& name, std::uint64_t offset,
                            MutableBytes out) {
  const auto lock = step();
  ForwardingBackend::read(name, offset, out);
}

void SimulatedBackend::write(const format::ObjectName& name, ByteView bytes) {
  if (active_ && name.type == format::ObjectType::pack) {
    const std::lock_guard lock{packs_mutex_};
    packs_.emplace(name, Bytes{bytes.begin(), bytes.end()});
    return;
  }
  write_now(name, bytes);
}

void SimulatedBackend::write_now(const format::ObjectName& name, ByteView bytes) {
  // The worst moment to sleep: what was looked at before is published afterwards.
  const auto lock = step(name.type == format::ObjectType::snapshot ? 6 : 40);
  ForwardingBackend::write(name, bytes);
  if (active_ && name.type == format::ObjectType::lock && !Scheduler::is_keeper_thread()) {
    lease_written_ = true;
  }
  if (active_ && scheduler_.below(20) == 0) {
    strays_.push_back({name, std::make_shared<const Bytes>(bytes.begin(), bytes.end())});
  }
}

void SimulatedBackend::barrier() {
  if (!Scheduler::is_keeper_thread()) {
    std::unique_lock lock{packs_mutex_};
    const auto packs = std::exchange(packs_, {});
    lock.unlock();
    for (const auto& [name, bytes] : packs) write_now(name, bytes);
  }
  const auto lock = step();
  ForwardingBackend::barrier();
  if (std::exchange(lease_written_, false)) scheduler_.expect_keeper(client_);
}

std::optional<backends::ObjectInfo> SimulatedBackend::stat(const format::ObjectName& name) {
  const auto lock = step();
  return ForwardingBackend::stat(name);
}

void SimulatedBackend::list(format::ObjectType type,
                            const std::function<void(const backends::ObjectInfo&)>& each) {
  std::vector<backends::ObjectInfo> listed;
  {
    const auto lock = step();
    ForwardingBackend::list(type,
                            [&](const backends::ObjectInfo& info) { listed.push_back(info); });
  }
  // What is listed is as of one moment; `each` may call the store.
  for (const backends::ObjectInfo& info : listed) each(info);
}

void SimulatedBackend::remove(const format::ObjectName& name) {
  const auto lock = step();
  ForwardingBackend::remove(name);
  // Names of snapshots return (undelete), and are removed after the grace time only, when nothing
  // is promised any more.
  if (active_ && name.type != format::ObjectType::snapshot && scheduler_.below(20) == 0) {
    strays_.push_back({name, nullptr});
  }
}

std::optional<backends::CompactionAnswer> SimulatedBackend::compact(
    const backends::CompactionPlan& plan) {
  const auto lock = step();
  return inner().services()->compact(plan);
}

}  // namespace vgerfs::testing
