#include "fs/mount.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "base/thread.h"
#include "fs/browse_source.h"

namespace vgerfs::fs {
namespace {

constexpr std::chrono::seconds kTick{2};

}  // namespace

Mount::Mount(repo::Repository& repository, std::unique_ptr<IngestFs> ingest, MountOptions options)
    : repository_(repository),
      options_(std::move(options)),
      mounted_at_(repository.options().clock->now()),
      ingest_(std::move(ingest)) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (!options_.ingest_only) {
    browse_ = std::make_unique<BrowseFs>(browse_repository(repository_),
                                         BrowseOptions{.owner_uid = uid,
                                                       .owner_gid = gid,
                                                       .timing = options_.refresh,
                                                       .clock = repository.options().clock});
  }
  ControlOptions control{.owner_uid = uid,
                         .owner_gid = gid,
                         .status = [this] { return format_status(status()); },
                         .status_json = [this] { return options_.status_json(status()); },
                         .clock = repository.options().clock};
  if (ingest_) {
    control.commit = [this](const std::string& source, const std::string& trigger) {
      commit(source, trigger);
    };
  }
  control_ = std::make_unique<ControlFs>(std::move(control));
  const Views views{browse_.get(), ingest_.get(), control_.get()};
  root_ = std::make_unique<MountRoot>(views, uid, gid, mounted_at_);
  session_ = std::make_unique<Session>(
      views, *root_,
      SessionOptions{options_, repository_.backend().location(), [this] { return statistics(); }});
}

Mount::~Mount() { finish(); }

void Mount::start(std::function<void()> ended) {
  session_->mount(options_.mount_point, std::move(ended));
  if (ingest_) {
    clockwork_ =
        start_thread("vgerfs-tick", [this](const std::stop_token& stop) { run_clockwork(stop); });
  }
}

void Mount::finish() {
  if (!session_) return;
  session_->stop();
  clockwork_ = {};
  control_.reset();  // waits for the commits that run
  if (ingest_) ingest_->suspend();
  session_.reset();
}

void Mount::run_clockwork(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  while (!wake.wait_for(lock, stop, kTick, [] { return false; }) && !stop.stop_requested()) {
    try {
      ingest_->tick();
      if (browse_) browse_->adopt();
    } catch (const Error& error) {
      log::warning("{}", error.what());
    } catch (const std::exception& error) {
      log::error("unexpected: {}", error.what());
    }
  }
}

void Mount::commit(const std::string& source, const std::string& trigger) {
  if (source == "*") {
    ingest_->commit_all(trigger);
  } else {
    ingest_->commit(source, trigger);
  }
  session_->show_commits();
}

FsStatistics Mount::statistics() const {
  FsStatistics statistics;
  struct statvfs disk {};
  if (!options_.local_directory.empty() &&
      ::statvfs(options_.local_directory.c_str(), &disk) == 0) {
    statistics.block_bytes = disk.f_frsize;
    statistics.blocks = disk.f_blocks;
    statistics.free_blocks = disk.f_bavail;
  }
  return statistics;
}

MountStatus Mount::status() const {
  MountStatus status;
  status.repository = repository_.backend().location();
  status.repository_id = repository_.config().repository.hex();
  status.mount_point = options_.mount_point;
  status.host = repository_.options().host;
  status.pid = ::getpid();
  status.mounted_at = mounted_at_;
  status.can_read = repository_.can_read();
  status.read_only = options_.read_only;
  const auto list = repository_.snapshots();
  status.snapshots = list->snapshots.size();
  status.unreadable_snapshots = list->unreadable.size();
  if (ingest_) status.sources = ingest_->status();
  status.warnings = repository_.warnings();
  if (browse_) status.damage = browse_->damage();
  return status;
}

}  // namespace vgerfs::fs
