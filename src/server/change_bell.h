// Rings when objects of a repository were added or removed, for requests that wait for that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace vgerfs::server {

/// Thread-safe; a leaf. Must outlive its listeners.
class ChangeBell {
 public:
  /// Stops listening when destroyed; `wake` does not run any more then.
  class Listener {
   public:
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    friend class ChangeBell;
    Listener(ChangeBell& bell, std::int64_t repository, std::uint64_t number)
        : bell_(bell), repository_(repository), number_(number) {}

    ChangeBell& bell_;
    const std::int64_t repository_;
    const std::uint64_t number_;
  };

  /// `wake` runs on the ringer's thread, under the bell's mutex: it must not wait, throw, or touch
  /// the bell.
  std::unique_ptr<Listener> listen(std::int64_t repository, std::function<void()> wake);
  void ring(const std::set<std::int64_t>& repositories);
  void ring_all();

 private:
  std::mutex mutex_;
  std::uint64_t last_number_ = 0;  // guarded by mutex_, as is the next
  std::map<std::int64_t, std::map<std::uint64_t, std::function<void()>>> listeners_;
};

}  // namespace vgerfs::server
