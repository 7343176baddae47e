#include "repo/simulator.h"

#include <thread>
#include <utility>

namespace vgerfs::testing {

namespace {

constexpr std::int64_t kHour_s = 3600;

}  // namespace

void Scheduler::run(const std::vector<std::function<void(std::size_t client)>>& clients) {
  clients_.assign(clients.size(), {});
  std::vector<std::jthread> threads;
  for (std::size_t client = 0; client < clients.size(); ++client) {
    threads.emplace_back([this, client, &work = clients[client]] {
      {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return turn_ == client; });
      }
      work(client);
      const std::lock_guard lock{mutex_};
      clients_[client].done = true;
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
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].done) continue;
    if (clients_[i].wakes_s <= clock_.now().s) awake.push_back(i);
    if (!next || clients_[i].wakes_s < clients_[*next].wakes_s) next = i;
  }
  if (!awake.empty()) {
    turn_ = awake[below(awake.size())];
  } else if (next) {
    clock_.advance(std::chrono::seconds{clients_[*next].wakes_s - clock_.now().s});
    turn_ = next;
  }
  changed_.notify_all();
}

void Scheduler::step(std::size_t client) {
  std::int64_t pause_s = 0;
  if (below(40) == 0) {
    const std::int64_t longest_s[] = {20 * 60, 2 * kHour_s, 30 * kHour_s, 80 * kHour_s};
    pause_s = 1 + static_cast<std::int64_t>(
                      below(static_cast<std::uint64_t>(longest_s[below(std::size(longest_s))])));
  }
  clock_.advance(std::chrono::seconds{below(10)});
  sleep(client, pause_s);
}

void Scheduler::sleep(std::size_t client, std::int64_t seconds) {
  std::unique_lock lock{mutex_};
  clients_[client].wakes_s = clock_.now().s + seconds;
  hand_over();
  changed_.wait(lock, [&] { return turn_ == client; });
}

void SimulatedBackend::step() {
  if (!active_) return;
  scheduler_.step(client_);
  if (strays_.empty() || scheduler_.below(20) != 0) return;
  auto& stray = strays_[scheduler_.below(strays_.size())];
  memory_.store()->put(
      stray.first, {std::make_shared<const Bytes>(stray.second), memory_.store()->clock()->now()});
  std::swap(stray, strays_.back());
  strays_.pop_back();
}

void SimulatedBackend::read(const format::ObjectName& name, std::uint64_t offset,
                            MutableBytes out) {
  const std::lock_guard lock{mutex_};
  step();
  ForwardingBackend::read(name, offset, out);
}

void SimulatedBackend::write(const format::ObjectName& name, ByteView bytes) {
  const std::lock_guard lock{mutex_};
  step();
  ForwardingBackend::write(name, bytes);
  if (active_ && scheduler_.below(20) == 0) {
    strays_.emplace_back(name, Bytes{bytes.begin(), bytes.end()});
  }
}

void SimulatedBackend::barrier() {
  const std::lock_guard lock{mutex_};
  step();
  ForwardingBackend::barrier();
}

std::optional<backends::ObjectInfo> SimulatedBackend::stat(const format::ObjectName& name) {
  const std::lock_guard lock{mutex_};
  step();
  return ForwardingBackend::stat(name);
}

void SimulatedBackend::list(format::ObjectType type,
                            const std::function<void(const backends::ObjectInfo&)>& each) {
  std::vector<backends::ObjectInfo> listed;
  {
    const std::lock_guard lock{mutex_};
    step();
    ForwardingBackend::list(type,
                            [&](const backends::ObjectInfo& info) { listed.push_back(info); });
  }
  // What is listed is as of one moment; `each` may call the store.
  for (const backends::ObjectInfo& info : listed) each(info);
}

void SimulatedBackend::remove(const format::ObjectName& name) {
  const std::lock_guard lock{mutex_};
  step();
  ForwardingBackend::remove(name);
}

}  // namespace vgerfs::testing
