#include "repo/maintenance/pack_examination.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "repo/block.h"
#include "repo/limits.h"
#include "repo/maintenance/pack_stream.h"
#include "repo/maintenance/stops_work.h"
#include "repo/pack.h"

namespace vgerfs::repo {
namespace {

class Examination {
 public:
  Examination(const Keyring& keyring, PackReading& reading, const GoodBlock& good)
      : keyring_(keyring), reading_(reading), good_(good) {}

  /// Runs one step; a fault of the object goes to the result. Whether it succeeded.
  template <class Step>
  bool attempt(const std::string& context, Step step) {
    try {
      step();
      return true;
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      if (error.code() == ErrorCode::unsupported) ++unsupported_;
      if (error.code() == ErrorCode::io) reading_.store_failed = true;
      if (error.code() == ErrorCode::not_found) reading_.missing = true;
      note(context + error.what());
      return false;
    }
  }

  void note(std::string fault) {
    if (reading_.fault.empty()) reading_.fault = std::move(fault);
  }

  /// Opens a block and hashes its chunks; throws what opening throws. Which chunks are wrong;
  /// empty: none.
  std::vector<bool> wrong_chunks(ByteView sealed, const BlockEntry& block) {
    plain_.resize(plain_bytes_of(block));
    open_block(sealed, block, keyring_, plain_);
    std::vector<bool> wrong;
    std::size_t offset = 0;
    for (std::size_t i = 0; i < block.chunks.size(); ++i) {
      const ChunkEntry& chunk = block.chunks[i];
      if (!chunk_matches(keyring_, block.chunk_kind, chunk.id,
                         ByteView{plain_}.subspan(offset, chunk.plain_bytes))) {
        note(fmt::format("chunk {} has other content than its name says", chunk.id.short_hex()));
        wrong.resize(block.chunks.size());
        wrong[i] = true;
      }
      offset += chunk.plain_bytes;
    }
    if (wrong.empty() && good_) good_(block, sealed);
    return wrong;
  }

  void finish(PackStream& stream) {
    attempt({}, [&] { reading_.intact = stream.finish(); });
    reading_.read_bytes = stream.read_bytes();
    if (!reading_.intact && !reading_.missing && !reading_.store_failed) {
      // The reason for all else; what failed in it was noted before it.
      reading_.fault = reading_.fault.empty()
                           ? "its bytes are not those that its name says"
                           : "its bytes are not those that its name says: " + reading_.fault;
    }
    // A flipped bit in a block's header passes for a newer format; it does so once.
    reading_.newer = unsupported_ > (reading_.intact ? 0 : 1);
  }

 private:
  const Keyring& keyring_;
  PackReading& reading_;
  const GoodBlock& good_;
  Bytes plain_;
  std::size_t unsupported_ = 0;
};

std::string at_block(std::uint64_t offset) { return fmt::format("block at {}: ", offset); }

void mark_all_bad(const PackDescription& pack, PackReading& reading) {
  for (std::uint32_t i = 0; i < pack.blocks.size(); ++i) {
    reading.bad_blocks.push_back({i, pack.blocks[i].offset, {}});
  }
}

/// Where the blocks lie as the pack's own table says.
std::vector<std::uint32_t> read_table(backends::Backend& backend, const PackId& id,
                                      std::uint64_t pack_bytes) {
  const format::ObjectName name = format::pack_name(id);
  Bytes trailer(std::min<std::uint64_t>(kPackTrailerBytes, pack_bytes));
  backend.read(name, pack_bytes - trailer.size(), trailer);
  Bytes tail(parse_pack_trailer(trailer, pack_bytes));
  backend.read(name, pack_bytes - tail.size(), tail);
  return parse_pack_table(tail, pack_bytes);
}

/// Where they lie as their own headers say, as far as these are whole.
std::vector<std::uint32_t> follow_headers(backends::Backend& backend, const PackId& id,
                                          std::uint64_t pack_bytes) {
  std::vector<std::uint32_t> lengths;
  std::uint64_t offset = kPackHeaderBytes;
  Bytes header(kDataEnvelopeHeaderBytes);
  while (offset + header.size() <= pack_bytes && lengths.size() < kMaxPackBlocks) {
    try {
      backend.read(format::pack_name(id), offset, header);
      const std::size_t bytes = parse_envelope_header(header, EnvelopeKind::block).sealed_bytes();
      if (bytes > pack_bytes - offset) break;
      lengths.push_back(static_cast<std::uint32_t>(bytes));
      offset += bytes;
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      break;
    }
  }
  return lengths;
}

}  // namespace

PackReading examine_pack(backends::Backend& backend, const Keyring& keyring,
                         const PackDescription& entry, const EntryDigest& digest,
                         const std::stop_token& stop, const GoodBlock& good) {
  PackReading reading;
  reading.pack = entry.id;
  reading.entry = digest;
  Examination examination{keyring, reading, good};
  std::optional<PackStream> stream;
  if (!examination.attempt({}, [&] { stream.emplace(backend, entry.id, stop); })) {
    mark_all_bad(entry, reading);
    return reading;
  }
  if (stream->stored_bytes() != entry.stored_bytes) {
    examination.note(fmt::format("has {} bytes; its index record says {}", stream->stored_bytes(),
                                 entry.stored_bytes));
  }
  examination.attempt({}, [&] {
    if (parse_pack_header(stream->read(0, kPackHeaderBytes)) != entry.kind) {
      throw Error{ErrorCode::corrupt, "its kind is not what its index record says"};
    }
  });
  for (std::uint32_t i = 0; i < entry.blocks.size(); ++i) {
    const BlockEntry& block = entry.blocks[i];
    std::vector<bool> wrong;
    const bool opened = examination.attempt(at_block(block.offset), [&] {
      wrong = examination.wrong_chunks(stream->read(block.offset, block.stored_bytes), block);
    });
    if (!opened || !wrong.empty()) {
      reading.bad_blocks.push_back({i, block.offset, std::move(wrong)});
    }
  }
  examination.finish(*stream);
  return reading;
}

PackReading examine_unnamed_pack(backends::Backend& backend, const Keyring& keyring,
                                 const PackId& id, const std::stop_token& stop,
                                 PackDescription& found, const GoodBlock& good) {
  PackReading reading;
  reading.pack = id;
  found = {};
  found.id = id;
  Examination examination{keyring, reading, good};
  std::optional<PackStream> stream;
  if (!examination.attempt({}, [&] { stream.emplace(backend, id, stop); })) return reading;
  found.stored_bytes = stream->stored_bytes();
  if (found.stored_bytes > kMaxPackBytes) {
    examination.note("is larger than a pack may be");
    return reading;
  }
  std::vector<std::uint32_t> lengths;
  if (!examination.attempt({}, [&] { lengths = read_table(backend, id, found.stored_bytes); })) {
    lengths = follow_headers(backend, id, found.stored_bytes);
  }
  examination.attempt({},
                      [&] { found.kind = parse_pack_header(stream->read(0, kPackHeaderBytes)); });
  std::uint64_t offset = kPackHeaderBytes;
  for (const std::uint32_t length : lengths) {
    examination.attempt(at_block(offset), [&] {
      const ByteView sealed = stream->read(offset, length);
      BlockEntry block = read_block_directory(sealed, keyring);
      block.offset = static_cast<std::uint32_t>(offset);
      if (pack_kind_of(block.chunk_kind) != found.kind) {
        examination.note("holds a block of the other kind");
      }
      examination.wrong_chunks(sealed, block);
      found.blocks.push_back(std::move(block));
    });
    offset += length;
  }
  examination.finish(*stream);
  return reading;
}

}  // namespace vgerfs::repo
