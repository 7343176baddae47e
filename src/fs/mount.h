// A mounted repository: composes the views, the FUSE session and the clockwork of the ingest view.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "fs/browse_fs.h"
#include "fs/control_fs.h"
#include "fs/fuse/session.h"
#include "fs/ingest_fs.h"
#include "fs/mount_root.h"
#include "fs/mount_status.h"
#include "fs/mount_switches.h"
#include "repo/repository.h"

namespace vgerfs::fs {

struct MountOptions : MountSwitches {
  std::string mount_point;
  bool ingest_only = false;
  std::string local_directory;  // of the store, for df(1); empty: unknown
  std::function<std::string(const MountStatus&)> status_json;
  RefreshTiming refresh;
};

/// Made, started and finished by one thread.
class Mount {
 public:
  /// `ingest` is null in a read-only mount. The repository must outlive it.
  Mount(repo::Repository& repository, std::unique_ptr<IngestFs> ingest, MountOptions options);
  /// finish()
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  /// The file system works when it returns. `ended` is called once, on another thread, when
  /// somebody has unmounted it.
  void start(std::function<void()> ended);

  /// Orderly end without a commit: waiting requests get EINTR, sessions are made durable for the
  /// next mount, the mount point is detached.
  void finish();

 private:
  MountStatus status() const;
  FsStatistics statistics() const;
  void commit(const std::string& source, const std::string& trigger);
  void run_clockwork(const std::stop_token& stop);

  repo::Repository& repository_;
  const MountOptions options_;
  const Timestamp mounted_at_;
  std::unique_ptr<BrowseFs> browse_;
  std::unique_ptr<IngestFs> ingest_;
  std::unique_ptr<ControlFs> control_;
  std::unique_ptr<MountRoot> root_;
  std::unique_ptr<Session> session_;
  std::jthread clockwork_;
};

}  // namespace vgerfs::fs
