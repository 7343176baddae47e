// Packs as writers fill them (docs/FORMAT.md section 8); how one is laid out says
// format/pack_layout.h.
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "crypto/random.h"
#include "format/pack_layout.h"
#include "repo/chunk.h"
#include "repo/index_record.h"

namespace vgerfs::repo {

using format::kMinBlockBytes;
using format::kPackHeaderBytes;
using format::kPackTrailerBytes;
using format::pack_tail_bytes;
using format::PackTable;
using format::parse_pack;
using format::parse_pack_header;
using format::parse_pack_table;
using format::parse_pack_trailer;

/// Writes the header into an empty buffer.
void begin_pack(Buffer& buffer, PackKind kind, crypto::Random& random);
/// Appends table and trailer for blocks whose lengths fill the buffer so far, names the pack by its
/// SHA-256 and describes it. Between 1 and kMaxPackBlocks blocks; spare capacity ≥ pack_tail_bytes.
PackDescription finish_pack(Buffer& buffer, PackKind kind, std::vector<BlockEntry> blocks);

}  // namespace vgerfs::repo
