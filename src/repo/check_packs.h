// Reads packs whole: names, tables, blocks, chunks. The part of a check that costs time.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

/// What reading one pack showed.
struct PackReading {
  PackId pack;
  std::uint64_t read_bytes = 0;
  std::string failure;  // empty: all is well
  std::vector<std::pair<PackId, ChunkId>>
      bad_chunks;  // chunks of it that are not what they must be
};

/// Reads every pack of the index with several threads; `each` is called by one thread at a time, in
/// no order. Throws unavailable, interrupted.
void read_all_packs(Repository& repository, unsigned threads, const std::stop_token& stop,
                    const std::function<void(const PackReading&)>& each);

}  // namespace vgerfs::repo
