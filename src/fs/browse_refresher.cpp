#include "fs/browse_refresher.h"

#include <utility>

#include "base/log.h"
#include "base/thread.h"

namespace vgerfs::fs {

BrowseRefresher::BrowseRefresher(BrowseSource& source, const Clock& clock, RefreshTiming timing,
                                 Changed changed)
    : source_(source),
      clock_(clock),
      timing_(timing),
      changed_(std::move(changed)),
      list_(source.list()) {
  catalog_ = std::make_shared<Catalog>(Catalog{clock.now()}, *list_, clock.now());
  begun_ns_ = clock.boot_ns();
  thread_ = start_thread("vgerfs-refresh", [this](const std::stop_token& stop) { run(stop); });
}

BrowseRefresher::~BrowseRefresher() = default;

std::shared_ptr<const Catalog> BrowseRefresher::current() const {
  const std::lock_guard lock{mutex_};
  return catalog_;
}

std::shared_ptr<const Catalog> BrowseRefresher::look() {
  adopt();
  std::unique_lock lock{mutex_};
  const auto age = std::chrono::nanoseconds{clock_.boot_ns() - begun_ns_};
  const bool running = begun_ != finished_;
  if (age < timing_.max_age && !running) return catalog_;
  if (!running && asked_ == begun_) {
    ++asked_;
    wake_.notify_one();
  }
  // One that hangs has been waited for already.
  if (!running || age < timing_.max_wait) {
    const std::uint64_t wanted = asked_;
    done_.wait_for(lock, timing_.max_wait, [&] { return finished_ >= wanted; });
  }
  return catalog_;
}

void BrowseRefresher::refresh_now() {
  std::unique_lock lock{mutex_};
  const std::uint64_t wanted = begun_ + 1;
  asked_ = std::max(asked_, wanted);
  wake_.notify_one();
  done_.wait(lock, [&] { return finished_ >= wanted; });
  if (error_) throw Error{*error_};
}

void BrowseRefresher::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (wake_.wait(lock, stop, [&] { return asked_ > begun_; })) {
    ++begun_;
    begun_ns_ = clock_.boot_ns();
    lock.unlock();
    std::optional<Error> error = refresh_once();
    lock.lock();
    if (error && (!error_ || error_->message() != error->message())) {
      log::warning("looking for new snapshots: {}", error->what());
    }
    error_ = std::move(error);
    finished_ = begun_;
    done_.notify_all();
  }
  // Whoever waits for one that will not come.
  error_ = Error{ErrorCode::interrupted, "the mount ends"};
  finished_ = asked_ + 1;
  done_.notify_all();
}

std::optional<Error> BrowseRefresher::refresh_once() {
  try {
    source_.refresh();
    adopt();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return Error{ErrorCode::io, error.what()};
  }
}

void BrowseRefresher::adopt() {
  const std::lock_guard adopt_lock{adopt_mutex_};
  auto list = source_.list();
  std::shared_ptr<const Catalog> previous;
  {
    const std::lock_guard lock{mutex_};
    if (list == list_) return;
    previous = catalog_;
  }
  auto catalog = std::make_shared<const Catalog>(*previous, *list, clock_.now());
  {
    const std::lock_guard lock{mutex_};
    list_ = std::move(list);
    catalog_ = catalog;
  }
  const Catalog::Changes changes = catalog->changes_since(*previous);
  if (!changes.empty()) changed_(changes);
}

}  // namespace vgerfs::fs
