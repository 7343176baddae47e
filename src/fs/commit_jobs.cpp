#include "fs/commit_jobs.h"

#include <cerrno>
#include <chrono>

#include "fs/types.h"

namespace vgerfs::fs {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

bool is_running(const std::shared_future<void>& job) {
  return job.valid() && job.wait_for(std::chrono::seconds{0}) != std::future_status::ready;
}

}  // namespace

std::shared_future<void> CommitJobs::join(const std::string& source, const std::string& trigger) {
  const std::lock_guard lock{mutex_};
  Line& line = lines_[source];
  if (!is_running(line.running)) {
    if (line.next.valid()) {
      line.running = std::move(line.next);
      line.next = {};
    } else {
      line.running = std::async(std::launch::async, commit_, source, trigger);
      return line.running;
    }
  }
  // What became `running` just now may have begun before the call.
  if (!line.next.valid()) {
    line.next = std::async(std::launch::async, [this, before = line.running, source, trigger] {
      before.wait();
      commit_(source, trigger);
    });
  }
  return line.next;
}

void CommitJobs::commit(std::string_view source, std::string_view trigger,
                        const std::function<bool()>& interrupted) {
  const std::shared_future<void> job = join(std::string{source}, std::string{trigger});
  while (job.wait_for(kPoll) != std::future_status::ready) {
    if (interrupted()) throw FsError{EINTR};
  }
  job.get();
}

}  // namespace vgerfs::fs
