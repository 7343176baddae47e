// Limits of format version 1 (docs/FORMAT.md section 14): checked before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/pack_layout.h"

namespace vgerfs::repo {

inline constexpr std::size_t kMaxConfigBytes = 64 * 1024;
inline constexpr std::size_t kMaxSlotBytes = 64 * 1024;
inline constexpr std::size_t kMaxLeaseBytes = 64 * 1024;
inline constexpr std::size_t kMaxSnapshotBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;
using format::kMaxPackBlocks;
using format::kMaxPackBytes;
inline constexpr std::size_t kMaxBlockPlainBytes = std::size_t{16} << 20;
inline constexpr std::uint32_t kMaxBlockChunks = 65536;
// Sealed data of a block: the payload and its padding.
inline constexpr std::size_t kMaxBlockDataBytes = std::size_t{32} << 20;
inline constexpr std::size_t kMaxChunkBytes = std::size_t{8} << 20;
inline constexpr std::size_t kMaxNodeBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxNodeEntries = 65536;
inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr std::size_t kMaxSymlinkBytes = 4095;
inline constexpr std::size_t kMaxXattrValueBytes = 64 * 1024;
inline constexpr std::size_t kMaxInlineXattrBytes = 1024;
inline constexpr std::size_t kMaxInlineExtents = 16;
inline constexpr std::uint64_t kMaxFileBytes = (std::uint64_t{1} << 63) - 1;
inline constexpr std::uint32_t kMaxTreeLevel = 16;
inline constexpr std::uint32_t kMaxExtentLevel = 8;
inline constexpr std::uint32_t kMaxDirectoryDepth = 4096;

}  // namespace vgerfs::repo
