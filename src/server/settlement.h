// What a crash has left between the directory and the database is brought together again, without a
// walk: every step that touches both leaves a file in uploads/ or trash/ until it is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/commit_queue.h"
#include "server/data_directory.h"

namespace vgerfs::server {

struct SettlementResult {
  std::size_t discarded = 0;  ///< partial uploads
  std::size_t added = 0;      ///< objects that had no row yet
  std::size_t removed = 0;    ///< removals and restorations that were not recorded yet
};

/// All of it; for the start, before any request.
SettlementResult settle_all(const DataDirectory& directory, Change& change, std::int64_t now);

/// One file of uploads/ whose upload is over.
void settle_upload(const DataDirectory& directory, Change& change, const std::string& file,
                   std::int64_t now, SettlementResult& result);

}  // namespace vgerfs::server
