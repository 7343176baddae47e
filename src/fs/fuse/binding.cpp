#include "fs/fuse/binding.h"

namespace vgerfs::fs {
namespace {

/// For what only changes by requests through this kernel, or never: ten days.
constexpr double kLong = 864'000;
/// For what others may change. Never zero: each stat would then be a request.
constexpr double kShort = 1;

}  // namespace

void Binding::set_ready() noexcept { ready_.release(); }

bool Binding::wait_until_ready(std::chrono::milliseconds max_wait) {
  return ready_.try_acquire_for(max_wait);
}

double Binding::entry_lifetime(NodeId parent) const noexcept {
  if (parent == kRootNode) return kLong;
  switch (view_of(parent)) {
    case View::browse: return BrowseFs::changes(parent) ? kShort : kLong;
    case View::control: return kLong;
    // Sources come with other processes' snapshots; what is in them comes through us.
    case View::ingest: return parent == root_.ingest_root() ? kShort : kLong;
  }
  return kShort;
}

double Binding::attribute_lifetime(NodeId node) const noexcept {
  if (node == kRootNode) return kLong;
  switch (view_of(node)) {
    case View::browse: return BrowseFs::changes(node) ? kShort : kLong;
    case View::control: return kShort;
    case View::ingest: return node == root_.ingest_root() ? kShort : kLong;
  }
  return kShort;
}

Lifetime Binding::lifetime(NodeId parent, NodeId node) const noexcept {
  return {entry_lifetime(parent), attribute_lifetime(node)};
}

void Binding::forget(NodeId node, std::uint64_t count) const noexcept {
  if (node == kRootNode) return;
  switch (view_of(node)) {
    case View::browse:
      if (views_.browse != nullptr) views_.browse->forget(node, count);
      return;
    case View::control: return;
    case View::ingest:
      if (views_.ingest != nullptr) views_.ingest->forget(node, count);
      return;
  }
}

}  // namespace vgerfs::fs
