#include "server/pack_file.h"

#include <utility>

#include "base/error.h"

namespace vgerfs::server {

PackFile::PackFile(OpenObject object) : object_(std::move(object)) {
  const std::uint64_t size = object_.bytes;
  const auto part = [&](std::uint64_t offset, std::size_t bytes) {
    Bytes out(bytes);
    if (offset > size || read(offset, out) != bytes) {
      throw Error{ErrorCode::corrupt, "a pack ends too early"};
    }
    return out;
  };
  table_.kind = format::parse_pack_header(part(0, format::kPackHeaderBytes));
  const std::size_t tail = format::parse_pack_trailer(
      part(size - format::kPackTrailerBytes, format::kPackTrailerBytes), size);
  table_.block_bytes = format::parse_pack_table(part(size - tail, tail), size);
}

std::optional<std::vector<std::uint32_t>> PackFile::block_bytes(
    const std::vector<BlockRun>& runs) const {
  std::vector<std::uint32_t> found;
  std::size_t block = 0;
  std::uint64_t offset = format::kPackHeaderBytes;
  const std::vector<std::uint32_t>& all = table_.block_bytes;
  for (const BlockRun& run : runs) {
    while (block < all.size() && offset < run.offset) offset += all[block++];
    if (offset != run.offset) return std::nullopt;
    while (block < all.size() && offset < run.offset + run.bytes) {
      found.push_back(all[block]);
      offset += all[block++];
    }
    if (offset != run.offset + run.bytes) return std::nullopt;
  }
  return found;
}

std::size_t PackFile::read(std::uint64_t offset, MutableBytes out) const {
  return read_at(object_.fd->get(), out, offset, "a pack");
}

}  // namespace vgerfs::server
