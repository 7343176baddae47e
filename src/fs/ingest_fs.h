// The write-only view: `ingest/` with this host's sources. An existing source shows the metadata of
// its last snapshot; a byte can be read only if this daemon received it in the running, uncommitted
// session. See docs/ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "fs/types.h"
#include "repo/repository.h"

namespace vgerfs::fs {

struct IngestOptions {
  std::string host;
  std::uint64_t spool_bytes = std::uint64_t{4} << 30;  // spool-size=
  std::int64_t autocommit_s = 300;  // idleness before a commit by itself; 0: never
  std::int64_t checkpoint_interval_s = 180;
  int compression_level = 1;
  uid_t owner_uid = 0;  // of ingest/ and of a new source's directory: the mounting user
  gid_t owner_gid = 0;
  bool privileged = true;  // mounted by root: chown and mknod as the caller asks
};

/// Which attributes a setattr changes.
struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<Timestamp> atime;
  std::optional<Timestamp> mtime;
  bool atime_now = false;
  bool mtime_now = false;
};

enum class RenameMode { replace, no_replace, exchange };
enum class PreallocateMode { allocate, keep_size, punch_hole, zero_range };

struct CommitReport {
  bool changed = false;  // false: nothing new, `snapshot` is the last one
  std::string snapshot;  // hex id
  std::string time_name;
};

struct SourceStatus {
  std::string source;
  bool dirty = false;
  std::uint64_t files_changed = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_stored = 0;
  std::uint64_t spool_bytes = 0;
  std::string last_error;  // of the last commit that failed
};

/// Many threads may call every function at once. Failures are FsError (an errno for the caller) or
/// Error (mapped by the binding); a failed store shows at write, flush, fsync and commit.
class IngestFs {
 public:
  static std::unique_ptr<IngestFs> open(repo::Repository& repository, IngestOptions options);
  virtual ~IngestFs() = default;

  /// The node of `ingest/` itself.
  virtual NodeReply root() = 0;

  virtual NodeReply lookup(NodeId parent, std::string_view name) = 0;
  virtual void forget(NodeId node, std::uint64_t count) noexcept = 0;
  virtual Attributes get_attributes(NodeId node) = 0;
  virtual Attributes set_attributes(NodeId node, std::optional<HandleId> handle,
                                    const AttributeChange& change, const Caller& caller) = 0;
  virtual std::string read_link(NodeId node) = 0;

  virtual NodeReply make_directory(NodeId parent, std::string_view name, mode_t mode,
                                   const Caller& caller) = 0;
  virtual NodeReply make_node(NodeId parent, std::string_view name, mode_t mode,
                              std::uint32_t major, std::uint32_t minor, const Caller& caller) = 0;
  virtual NodeReply make_symlink(NodeId parent, std::string_view name, std::string_view target,
                                 const Caller& caller) = 0;
  virtual NodeReply make_link(NodeId node, NodeId new_parent, std::string_view new_name) = 0;
  virtual void remove_file(NodeId parent, std::string_view name) = 0;
  virtual void remove_directory(NodeId parent, std::string_view name) = 0;
  virtual void rename(NodeId parent, std::string_view name, NodeId new_parent,
                      std::string_view new_name, RenameMode mode) = 0;

  struct Opened {
    HandleId handle = 0;
    bool no_flush = false;  // O_RDONLY: the kernel need not send FLUSH
  };
  struct Created {
    NodeReply node;
    Opened opened;
  };
  /// `flags` as open(2), O_TRUNC included (which strips set-id bits of a caller who is not root:
  /// hence `caller`).
  virtual Opened open_file(NodeId node, int flags, const Caller& caller) = 0;
  virtual Created create(NodeId parent, std::string_view name, mode_t mode, int flags,
                         const Caller& caller) = 0;
  /// Bytes up to the first one that may not be read; EACCES if that is the first. `out` is filled
  /// from the front; the count is returned.
  virtual std::size_t read(NodeId node, HandleId handle, std::uint64_t offset,
                           MutableBytes out) = 0;
  virtual void write(NodeId node, HandleId handle, std::uint64_t offset, ByteView bytes,
                     const Caller& caller) = 0;
  virtual void preallocate(NodeId node, HandleId handle, PreallocateMode mode, std::uint64_t offset,
                           std::uint64_t length, const Caller& caller) = 0;
  /// SEEK_DATA / SEEK_HOLE.
  virtual std::uint64_t seek(NodeId node, HandleId handle, std::uint64_t offset, bool data) = 0;
  /// A close(2): reports a sticky write error; never seals.
  virtual void flush(NodeId node, HandleId handle) = 0;
  virtual void release(NodeId node, HandleId handle) noexcept = 0;
  /// Makes this file durable in the session (spool sealed, journal fsynced).
  virtual void sync_file(NodeId node, HandleId handle) = 0;
  /// fsync of a directory: of a source's own directory it commits, elsewhere it makes that part
  /// durable in the session. `interrupted` is polled; when true the call returns FsError{EINTR} at
  /// once while the commit goes on; a second call joins it.
  virtual void sync_directory(NodeId node, const std::function<bool()>& interrupted) = 0;

  virtual HandleId open_directory(NodeId node) = 0;
  /// "." and ".." come first (with `node` 0: the kernel takes no look-up reference for them). 0
  /// begins anew.
  virtual void read_directory(NodeId node, HandleId handle, std::uint64_t cookie,
                              bool with_attributes, const DirectorySink& sink) = 0;
  virtual void release_directory(NodeId node, HandleId handle) noexcept = 0;

  /// ERANGE handling is the binding's: values are returned whole. ENODATA if absent.
  virtual Bytes get_xattr(NodeId node, std::string_view name) = 0;
  virtual std::vector<std::string> list_xattrs(NodeId node) = 0;
  virtual void set_xattr(NodeId node, std::string_view name, ByteView value, bool create_only,
                         bool replace_only, const Caller& caller) = 0;
  virtual void remove_xattr(NodeId node, std::string_view name, const Caller& caller) = 0;

  /// Commits one source (as fsync of its directory does); waits up to 2 s for handles written since
  /// their last FLUSH, then EBUSY. Throws not_found for an unknown source. `trigger` goes into the
  /// manifest.
  virtual CommitReport commit(std::string_view source, std::string_view trigger) = 0;
  /// Commits all dirty sources; throws the first failure after trying all.
  virtual void commit_all(std::string_view trigger) = 0;
  virtual std::vector<SourceStatus> status() = 0;
  /// Idleness: called every few seconds by the daemon; commits what is due, takes checkpoints.
  virtual void tick() = 0;
  /// The daemon ends without commit: makes sessions durable for the next mount's resume.
  virtual void suspend() noexcept = 0;
  /// What to tell the kernel when a node changed behind its back (after a commit or resume).
  virtual void set_invalidate(
      std::function<void(NodeId parent, std::string_view name)> invalidate) = 0;
  /// Called from within a request when it changed attributes that the kernel does not expect (a
  /// write took set-id bits away). Must not wait for a request.
  virtual void set_invalidate_attributes(std::function<void(NodeId node)> invalidate) = 0;
};

}  // namespace vgerfs::fs
