// A file that has its bytes but not yet its name: what a write leaves behind until the barrier.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/local_directory.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "format/object_name.h"

namespace vgerfs::backends {

/// How a file is kept before its barrier.
enum class Temporary {
  nameless,  ///< O_TMPFILE: the kernel forgets it with the process
  named,     ///< ".tmp-…": for file systems without O_TMPFILE; a crash leaves it for the sweep
};

/// nameless where the process can give a nameless file its name later.
Temporary preferred_temporary();

/// One written object before its barrier. Destroying it before `publish` leaves nothing behind.
/// `open_for_reading` may be called by any thread at any time; all else by one thread at a time.
class PendingFile {
 public:
  /// Creates the file in the object's directory (which must be there) and writes `bytes`; the
  /// kernel begins at once to carry them to the disk. `directory` must outlive this. Throws Error,
  /// with code unsupported if a nameless file cannot be had.
  PendingFile(const LocalDirectory& directory, const format::ObjectName& name, ByteView bytes,
              Temporary temporary);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  const ObjectInfo& info() const noexcept { return info_; }

  /// Carries the bytes to the disk. After a failure the kernel may have dropped them and a second
  /// try could lie: the caller must drop this file, and the object must be written again.
  void make_durable();
  /// Gives up the descriptor: durable bytes under a temporary name.
  void park();
  /// Names the durable file; again is success. False if something else has this name; the file is
  /// then still pending.
  bool publish();
  bool published() const noexcept { return published_; }
  /// nullptr if it is open no longer because it has its final name now, or was lost.
  std::shared_ptr<const Fd> open_for_reading() const;

 private:
  void create_named();
  bool try_link(const std::string& to);
  bool try_rename(const std::string& from, const std::string& to);

  const LocalDirectory& directory_;
  ObjectInfo info_;
  bool durable_ = false;
  bool published_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const Fd> fd_;  // guarded by mutex_, as is the next
  std::string temporary_path_;    // relative to the root; empty while nameless
};

}  // namespace vgerfs::backends
