// How much each snapshot alone keeps in the repository.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

struct ChunkUsage {
  std::uint64_t chunks = 0;
  std::uint64_t plain_bytes = 0;
  std::uint64_t stored_bytes = 0;  // their share of the blocks that they lie in
};

struct RepositoryUsage {
  std::vector<ChunkUsage> exclusive;  // by the list's snapshots: what no other one needs
  ChunkUsage shared;                  // what several need
  ChunkUsage unused;                  // what none needs, and second copies
};

/// Each tree node is read at most twice, however many snapshots share it. 12 to 24 bytes of memory
/// per chunk, told by the first 8 bytes of its id: as a figure that may be wrong, for somebody who
/// made two ids agree. `progress`: how many snapshots were walked. Throws what reading throws, with
/// the snapshot; interrupted.
RepositoryUsage measure_usage(Repository& repository, const SnapshotList& list,
                              const std::stop_token& stop,
                              const std::function<void(std::uint64_t)>& progress);

}  // namespace vgerfs::repo
