#include "repo/index_filter.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kPageBytes = 4096;  // unit of writing, and the header's size
constexpr std::size_t kBlockBytes = 64;   // one cache line
constexpr std::uint64_t kBlocksPerPage = kPageBytes / kBlockBytes;
constexpr std::uint64_t kBitsPerBlock = kBlockBytes * 8;
constexpr std::uint64_t kBitsPerKey = 12;  // about 1 % false alarms with 7 probes in one block
constexpr unsigned kProbes = 7;            // of 9 bits each: 63 of a 64-bit hash
constexpr std::uint64_t kSmallestRoom = 64 * 1024;  // keys
constexpr std::size_t kFilterHeaderBytes = 72;
constexpr std::string_view kFilterMagic = "VGERFLT1";

std::uint64_t block_of(std::uint64_t key, std::uint64_t blocks) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(key) * blocks) >> 64);
}

// The probes have to be independent of block_of, which uses the key's high bits: the finaliser of
// SplitMix64 mixes it.
std::uint64_t probes_of(std::uint64_t key) noexcept {
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9U;
  key = (key ^ (key >> 27)) * 0x94d049bb133111ebU;
  return key ^ (key >> 31);
}

struct Bit {
  std::size_t byte;
  std::byte mask;
};
Bit bit_of(std::uint64_t probes, unsigned probe) noexcept {
  const auto bit = static_cast<unsigned>((probes >> (9 * probe)) & 511U);
  return {bit / 8, static_cast<std::byte>(1U << (bit % 8))};
}

using BootId = std::array<std::byte, 16>;

// While the machine runs, the page cache keeps what was written, also by a program that was killed.
// Zero where the kernel does not say.
BootId read_boot_id() {
  BootId id{};
  try {
    const auto digest = sha256(read_whole_file("/proc/sys/kernel/random/boot_id", 256));
    std::copy_n(digest.begin(), id.size(), id.begin());
  } catch (const Error& error) {
    log::debug("no boot id: {}", error.message());
  }
  return id;
}

const BootId& boot_id() {
  static const BootId id = read_boot_id();
  return id;
}

void sync_data(int fd, const std::string& path) {
  if (::fdatasync(fd) != 0) throw system_error(errno, "syncing " + path);
}

std::uint64_t data_offset(std::uint64_t block) noexcept { return kPageBytes + block * kBlockBytes; }

}  // namespace

struct IndexFilter::Header {
  bool dirty = false;
  Generation generation{};
  BootId boot{};
  std::uint64_t blocks = 0;
  std::uint64_t keys = 0;
};

IndexFilter::IndexFilter(Fd fd, std::string path, const Generation& generation,
                         std::uint64_t blocks)
    : fd_(std::move(fd)), path_(std::move(path)), generation_(generation), blocks_(blocks) {}

IndexFilter::Header IndexFilter::read_header() const {
  std::array<std::byte, kFilterHeaderBytes> raw;
  const bool whole = read_at(fd_.get(), raw, 0, path_) == raw.size();
  const auto digest = sha256(ByteView{raw}.first(kFilterHeaderBytes - 8));
  ByteReader reader{raw, path_};
  Header header;
  const bool is_filter = text_of(reader.bytes(kFilterMagic.size())) == kFilterMagic;
  header.dirty = reader.u32() != 0;
  reader.u32();
  header.generation = reader.array<16>();
  header.boot = reader.array<16>();
  header.blocks = reader.u64();
  header.keys = reader.u64();
  if (!whole || !is_filter || reader.u64() != ByteReader{digest, path_}.u64()) {
    throw Error{ErrorCode::io, path_ + " is damaged"};
  }
  return header;
}

void IndexFilter::write_header(const Header& header) {
  Bytes raw;
  ByteWriter writer{raw};
  writer.bytes(bytes_of(kFilterMagic));
  writer.u32(header.dirty ? 1 : 0);
  writer.u32(0);
  writer.bytes(header.generation);
  writer.bytes(header.boot);
  writer.u64(header.blocks);
  writer.u64(header.keys);
  writer.bytes(ByteView{sha256(raw)}.first(8));
  write_all_at(fd_.get(), raw, 0, path_);
}

std::shared_ptr<IndexFilter> IndexFilter::open(const std::string& path,
                                               const Generation& generation, std::uint64_t keys) {
  try {
    Fd fd = open_file(path, O_RDWR);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw system_error(errno, path);
    std::shared_ptr<IndexFilter> filter{new IndexFilter{std::move(fd), path, generation, 0}};
    const Header header = filter->read_header();
    const bool survived = !header.dirty || (header.boot == boot_id() && header.boot != BootId{});
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (header.generation != generation || header.keys < keys || !survived || header.blocks == 0 ||
        size < data_offset(0) || (size - data_offset(0)) / kBlockBytes != header.blocks) {
      return nullptr;
    }
    filter->blocks_ = header.blocks;
    return filter;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found)
      log::warning("the index filter is made anew ({})", error.message());
    return nullptr;
  }
}

std::shared_ptr<IndexFilter> IndexFilter::make(const std::string& path,
                                               const Generation& generation,
                                               std::uint64_t expected_keys,
                                               const std::function<void(IndexFilter&)>& fill) {
  const std::string temporary = path + ".new";
  const std::uint64_t room = std::max(2 * expected_keys, kSmallestRoom);
  const std::uint64_t pages = (room * kBitsPerKey + kPageBytes * 8 - 1) / (kPageBytes * 8);
  const std::uint64_t blocks = pages * kBlocksPerPage;
  std::shared_ptr<IndexFilter> filter{new IndexFilter{
      open_file(temporary, O_RDWR | O_CREAT | O_TRUNC, 0600), temporary, generation, blocks}};
  // A full disk shows here, not in the middle of an update.
  const int failed =
      ::posix_fallocate(filter->fd_.get(), 0, static_cast<off_t>(data_offset(blocks)));
  if (failed != 0) throw system_error(failed, "making room for " + temporary);
  filter->write_header(
      {.dirty = true, .generation = generation, .boot = boot_id(), .blocks = blocks});
  fill(*filter);
  Header header = filter->read_header();
  // Equal chunks in one block are one key, but several entries for the database that counts them.
  header.keys = std::max(header.keys, expected_keys);
  sync_data(filter->fd_.get(), temporary);
  header.dirty = false;
  filter->write_header(header);
  sync_data(filter->fd_.get(), temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    throw system_error(errno, "renaming to " + path);
  filter->path_ = path;
  filter->wrote_ = false;
  return filter;
}

bool IndexFilter::may_contain(std::uint64_t key) const noexcept {
  std::array<std::byte, kBlockBytes> block;
  const auto offset = static_cast<off_t>(data_offset(block_of(key, blocks_)));
  if (::pread(fd_.get(), block.data(), block.size(), offset) != static_cast<ssize_t>(block.size()))
    return true;
  const std::uint64_t probes = probes_of(key);
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const Bit bit = bit_of(probes, probe);
    if ((block[bit.byte] & bit.mask) == std::byte{0}) return false;
  }
  return true;
}

void IndexFilter::add(std::vector<std::uint64_t> keys) {
  if (keys.empty()) return;
  Header header = read_header();
  if (!header.dirty) {
    // On disk before any bit and any row that a power cut might keep without it.
    header.dirty = true;
    header.boot = boot_id();
    write_header(header);
    sync_data(fd_.get(), path_);
  }
  wrote_ = true;
  std::sort(keys.begin(), keys.end());  // the order of block_of: each page is written once
  std::array<std::byte, kPageBytes> page;
  for (auto at = keys.begin(); at != keys.end();) {
    const std::uint64_t number = block_of(*at, blocks_) / kBlocksPerPage;
    const std::uint64_t offset = data_offset(number * kBlocksPerPage);
    if (read_at(fd_.get(), page, offset, path_) != page.size()) {
      throw Error{ErrorCode::io, path_ + " is too short"};
    }
    for (; at != keys.end() && block_of(*at, blocks_) / kBlocksPerPage == number; ++at) {
      const std::uint64_t probes = probes_of(*at);
      const std::size_t base = block_of(*at, blocks_) % kBlocksPerPage * kBlockBytes;
      for (unsigned probe = 0; probe < kProbes; ++probe) {
        const Bit bit = bit_of(probes, probe);
        page[base + bit.byte] |= bit.mask;
      }
    }
    write_all_at(fd_.get(), page, offset, path_);
  }
  header.keys += keys.size();
  write_header(header);
}

bool IndexFilter::has_room(std::uint64_t more) const {
  return read_header().keys + more <= blocks_ * kBitsPerBlock / kBitsPerKey;
}

bool IndexFilter::is_current() const noexcept {
  struct stat status {};
  return ::fstat(fd_.get(), &status) == 0 && status.st_nlink > 0;
}

void IndexFilter::close_clean() {
  if (!wrote_) return;
  sync_data(fd_.get(), path_);
  Header header = read_header();
  header.dirty = false;
  write_header(header);
  sync_data(fd_.get(), path_);
  wrote_ = false;
}

}  // namespace vgerfs::repo
