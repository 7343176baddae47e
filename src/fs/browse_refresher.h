// Keeps the catalog of snapshots fresh while somebody looks: no timer runs on an idle mount, and a
// store that hangs delays a look by a bounded time only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "fs/browse_catalog.h"
#include "fs/browse_source.h"

namespace vgerfs::fs {

struct RefreshTiming {
  std::chrono::milliseconds max_age{3000};   // an older list is refreshed before it is shown
  std::chrono::milliseconds max_wait{2000};  // then the old one is shown, and the refresh goes on
};

/// Thread-safe. One thread of its own asks the store.
class BrowseRefresher {
 public:
  /// `changed` is told what is no longer so, on the refresher's thread, before anybody sees a
  /// refresh as done; it must not wait for anything.
  using Changed = std::function<void(const Catalog::Changes&)>;

  BrowseRefresher(BrowseSource& source, const Clock& clock, RefreshTiming timing, Changed changed);
  ~BrowseRefresher();

  /// The catalog for a look at the upper levels.
  std::shared_ptr<const Catalog> look();
  /// The catalog as it is.
  std::shared_ptr<const Catalog> current() const;
  /// Takes over what this process has learnt by itself, as by a commit. Does not ask the store.
  void adopt();
  /// Returns after a refresh that began after the call. Throws its error.
  void refresh_now();

 private:
  void run(const std::stop_token& stop);
  std::optional<Error> refresh_once();

  BrowseSource& source_;
  const Clock& clock_;
  const RefreshTiming timing_;
  const Changed changed_;

  std::mutex adopt_mutex_;  // one adoption at a time; taken before mutex_
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable_any done_;
  std::shared_ptr<const Catalog> catalog_;  // guarded by mutex_, as all below
  std::shared_ptr<const repo::SnapshotList> list_;
  std::uint64_t asked_ = 0;  // the number of the last refresh that is wanted
  std::uint64_t begun_ = 0;  // of the one that runs or ran last
  std::uint64_t finished_ = 0;
  std::int64_t begun_ns_ = 0;
  std::optional<Error> error_;  // of the last one
  std::jthread thread_;
};

}  // namespace vgerfs::fs
