// The directory `.vgerfs`: what the mount is doing, and a file that commits.
//
//     status        for people        commit   `echo SOURCE >` commits it; `*` commits all sources
//     status.json   for programs
//
// A line written to `commit` is SOURCE or SOURCE TRIGGER; the trigger (control unless given) goes
// into the manifest. A commit runs when its line ends, or at close; its error is the errno of that
// call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "fs/commit_jobs.h"
#include "fs/types.h"

namespace vgerfs::fs {

struct ControlOptions {
  uid_t owner_uid = 0;
  gid_t owner_gid = 0;
  std::function<std::string()> status;
  std::function<std::string()> status_json;
  /// Source "*": all. Empty: the mount has no `commit`.
  CommitJobs::Commit commit;
  const Clock* clock = &system_clock();
};

/// Many threads may call every function at once. Failures are FsError, or what the commit throws.
class ControlFs {
 public:
  explicit ControlFs(ControlOptions options);

  NodeReply root();
  NodeReply lookup(NodeId parent, std::string_view name);
  void forget(NodeId node, std::uint64_t count) noexcept;
  Attributes get_attributes(NodeId id);
  std::string read_link(NodeId node);
  void read_directory(NodeId id, std::uint64_t cookie, bool with_attributes,
                      const DirectorySink& sink);
  Bytes get_xattr(NodeId node, std::string_view name);
  std::vector<std::string> list_xattrs(NodeId node);

  /// A handle sees one text from its first byte to its last.
  HandleId open_file(NodeId id, int flags);
  /// Without a handle (0) the bytes are those of the text last shown by get_attributes.
  std::string read(NodeId id, HandleId handle, std::uint64_t offset, std::uint64_t size);
  /// Runs the commits whose lines end; `interrupted` is polled while one runs and ends the wait
  /// with FsError{EINTR}.
  void write(NodeId id, HandleId handle, std::string_view text,
             const std::function<bool()>& interrupted);
  /// At a close: the line that did not end.
  void flush(NodeId node, HandleId handle, const std::function<bool()>& interrupted);
  void release(HandleId handle) noexcept;

 private:
  enum class Node : std::uint64_t { directory = 1, status = 2, status_json = 3, commit = 4 };
  struct Text {
    std::string text;
    Timestamp changed;
    std::int64_t made_ns = 0;
  };

  static NodeId id_of(Node node) {
    return node_in(View::control, static_cast<std::uint64_t>(node));
  }
  Node node_of(NodeId id) const;
  bool has(Node node) const { return node != Node::commit || options_.commit; }
  std::shared_ptr<const Text> text_of_node(Node node, std::chrono::milliseconds max_age);
  void commit_line(std::string_view line, const std::function<bool()>& interrupted);

  const ControlOptions options_;
  const Timestamp made_at_;
  CommitJobs jobs_;
  std::mutex mutex_;
  std::map<Node, std::shared_ptr<const Text>> texts_;  // guarded by mutex_, as all below
  std::map<HandleId, std::shared_ptr<const Text>> readers_;
  std::map<HandleId, std::string> writers_;  // the line so far
  HandleId next_handle_ = 1;
};

}  // namespace vgerfs::fs
