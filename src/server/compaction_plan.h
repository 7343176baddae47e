// What a client asks the server to compact: which blocks of which packs make up which new packs
// (docs/PROTOCOL.md). The client knows what is needed; the server has the bytes, and no key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "format/pack_layout.h"

namespace vgerfs::server {

/// A plan's text; what its new packs take; what its sources have, each counted as often as it is
/// read. So a request is answered within the time that clients and proxies wait.
inline constexpr std::size_t kMaxPlanTextBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kMaxPlanTakenBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMaxPlanSourceBytes = std::uint64_t{4} << 30;

/// Whole blocks that lie beside each other in a pack.
struct BlockRun {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct PlannedSource {
  PackId pack;
  std::vector<BlockRun> runs;  ///< ascending, none empty
};

struct PlannedPack {
  Bytes header;  ///< as the new pack has it: the random part of it is the client's
  format::PackKind kind{};
  std::vector<PlannedSource> sources;  ///< in the order of the new pack's blocks
};

struct CompactionPlan {
  std::string operation;  ///< 32 hex digits
  std::vector<PlannedPack> packs;
};

/// Strict. Throws HttpError: 400 for what is no plan, 413 for one that is too large, 422 for one
/// that takes a block twice or makes a pack that is too large.
CompactionPlan parse_compaction_plan(std::string_view text);

}  // namespace vgerfs::server
