// What every slot needs: the views behind the numbers, and how long the kernel may remember.
#pragma once

#include <fuse_lowlevel.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <utility>

#include "fs/fuse/error_number.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/slow_lane.h"
#include "fs/mount_root.h"

namespace vgerfs::fs {

/// Shared by all slots; libfuse hands it to them as userdata. Thread-safe.
class Binding {
 public:
  struct Options {
    /// Nothing can be written: the kernel may leave out OPEN, OPENDIR and FLUSH. (ENOSYS to one of
    /// them holds for the whole connection, and on a writable mount it would lose O_TRUNC.)
    bool read_only = false;
    std::function<FsStatistics()> statistics;
    /// Called when a commit may have been made, before its caller hears of it.
    std::function<void()> committed;
  };

  Binding(Views views, MountRoot& root, Options options)
      : views_(views), root_(root), options_(std::move(options)) {}

  bool read_only() const noexcept { return options_.read_only; }
  FsStatistics statistics() const { return options_.statistics(); }
  SlowLane& slow_lane() noexcept { return slow_lane_; }

  /// The kernel and we have agreed on the protocol.
  void set_ready() noexcept;
  bool wait_until_ready(std::chrono::milliseconds max_wait);

  /// fsync of a directory; a new snapshot is visible when it returns.
  void sync_directory(NodeId node, const std::function<bool()>& interrupted) const {
    ingest().sync_directory(node, interrupted);
    options_.committed();
  }

  /// Once true, waiting requests are answered with EINTR.
  bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }
  void stop() noexcept { stopping_.store(true, std::memory_order_relaxed); }

  /// A view, or ENOENT: this mount does not have it.
  BrowseFs& browse() const { return present(views_.browse); }
  ControlFs& control() const { return present(views_.control); }
  IngestFs& ingest() const { return present(views_.ingest); }
  /// For what only the ingest view can do: EROFS elsewhere.
  IngestFs& writable(NodeId node) const {
    if (!is_ingest(node)) throw FsError{EROFS};
    return ingest();
  }

  static bool is_ingest(NodeId node) noexcept { return view_of(node) == View::ingest; }
  static bool is_control(NodeId node) noexcept { return view_of(node) == View::control; }

  /// Calls `work` with the view that a node belongs to. The views have functions of the same names.
  template <class Work>
  auto on_view(NodeId node, Work work) const {
    if (node == kRootNode) return work(root_);
    switch (view_of(node)) {
      case View::browse: return work(browse());
      case View::control: return work(control());
      case View::ingest: return work(ingest());
    }
    throw FsError{ESTALE};
  }
  void forget(NodeId node, std::uint64_t count) const noexcept;

  /// For a name in a directory and for the node that it names.
  Lifetime lifetime(NodeId parent, NodeId node) const noexcept;
  double entry_lifetime(NodeId parent) const noexcept;
  double attribute_lifetime(NodeId node) const noexcept;

 private:
  template <class View>
  static View& present(View* view) {
    if (view == nullptr) throw FsError{ENOENT};
    return *view;
  }

  const Views views_;
  MountRoot& root_;
  const Options options_;
  std::atomic<bool> stopping_ = false;
  std::binary_semaphore ready_{0};
  SlowLane slow_lane_;
};

inline Binding& binding_of(fuse_req_t request) {
  return *static_cast<Binding*>(::fuse_req_userdata(request));
}

inline Caller caller_of(fuse_req_t request) {
  const fuse_ctx& context = *::fuse_req_ctx(request);
  return {.uid = context.uid, .gid = context.gid, .pid = context.pid, .umask = context.umask};
}

/// The body of a slot: `work(binding, reply)` answers; what it throws becomes the answer.
template <class Work>
void answer(fuse_req_t request, Work work) noexcept {
  Reply reply{request};
  try {
    work(binding_of(request), reply);
  } catch (...) {
    reply.error(current_error_number());
  }
}

/// The same on a thread of the slow lane, for what waits for the store: other requests go on
/// meanwhile. `work(binding, reply, interrupted)` holds copies; `interrupted()` is true once the
/// caller got a signal or the mount ends.
template <class Work>
void answer_slowly(fuse_req_t request, Work work) noexcept {
  std::shared_ptr<Reply> reply;
  try {
    reply = std::make_shared<Reply>(request);
    Binding& binding = binding_of(request);
    binding.slow_lane().run([&binding, reply, request, work]() mutable noexcept {
      try {
        const auto interrupted = [&binding, request] {
          return binding.stopping() || ::fuse_req_interrupted(request) != 0;
        };
        work(binding, *reply, interrupted);
      } catch (...) {
        reply->error(current_error_number());
      }
    });
  } catch (...) {
    if (reply) {
      reply->error(current_error_number());
    } else {
      ::fuse_reply_err(request, ENOMEM);
    }
  }
}

}  // namespace vgerfs::fs
