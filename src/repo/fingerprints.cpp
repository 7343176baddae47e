#include "repo/fingerprints.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <span>
#include <type_traits>

#include "base/fd.h"
#include "base/log.h"
#include "base/sha256.h"

namespace vgerfs::repo {
namespace {

constexpr std::string_view kMagic = "VGERFPRT";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigestOffset = 56;
constexpr std::size_t kHeaderBytes = kDigestOffset + 32;

// Rows are used where they lie in the file.
static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(Fingerprint) == 16 && std::is_trivially_copyable_v<Fingerprint>);
static_assert(kHeaderBytes % alignof(Fingerprint) == 0);

Sha256Digest digest_of(ByteView head, ByteView rows) {
  Sha256 hash;
  hash.update(head);
  hash.update(rows);
  return hash.finish();
}

/// A whole file, read-only. Files are replaced, never cut, so that what is mapped stays.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(const std::string& path) {
    const Fd fd = open_file(path, O_RDONLY);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw system_error(errno, path);
    if (!S_ISREG(status.st_mode) || status.st_size == 0) return;
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) throw system_error(errno, "mapping " + path);
    bytes_ = {static_cast<const std::byte*>(memory), size};
  }
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    // munmap takes what mmap gave.
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  ByteView bytes() const noexcept { return bytes_; }

 private:
  ByteView bytes_;
};

// The rows of a file; throws corrupt. None if it is of another snapshot.
std::span<const Fingerprint> read_rows(ByteView file, const SnapshotId& snapshot) {
  ByteReader reader{file, "a file of fingerprints"};
  if (text_of(reader.bytes(kMagic.size())) != kMagic || reader.u32() != kVersion ||
      reader.u32() != 0) {
    throw Error{ErrorCode::corrupt, "no file of fingerprints"};
  }
  const auto id = SnapshotId{reader.array<SnapshotId::kSize>()};
  const std::uint64_t count = reader.u64();
  const auto digest = reader.array<32>();
  if (reader.left() % sizeof(Fingerprint) != 0 || reader.left() / sizeof(Fingerprint) != count ||
      digest != digest_of(file.first(kDigestOffset), reader.rest())) {
    throw Error{ErrorCode::corrupt, "the fingerprints do not match their digest"};
  }
  if (id != snapshot) return {};
  return {reinterpret_cast<const Fingerprint*>(reader.rest().data()),
          static_cast<std::size_t>(count)};
}

class MappedFingerprints final : public FileFingerprints {
 public:
  MappedFingerprints() = default;
  MappedFingerprints(Mapping mapping, std::span<const Fingerprint> rows)
      : mapping_(std::move(mapping)), rows_(rows) {}

  bool matches(std::uint64_t path_hash, std::uint64_t stat_hash) const override {
    const Fingerprint wanted{path_hash, stat_hash};
    const auto window = window_of(wanted);
    return std::binary_search(window.begin(), window.end(), wanted);
  }

  std::uint64_t size() const override { return rows_.size(); }

 private:
  // Hashes are spread evenly: a row lies near its share of the range, so that a look-up in a large
  // file touches few pages. Everything if it cannot be in the window.
  std::span<const Fingerprint> window_of(const Fingerprint& wanted) const {
    if (rows_.size() < 1024) return rows_;
    const auto count = static_cast<double>(rows_.size());
    const double guess = static_cast<double>(wanted.path_hash) * 0x1p-64 * count;
    const double reach = 4 * std::sqrt(count);
    const auto first = static_cast<std::size_t>(std::clamp(guess - reach, 0.0, count - 1));
    const auto last = static_cast<std::size_t>(std::clamp(guess + reach, 0.0, count - 1));
    if (rows_[first] > wanted || rows_[last] < wanted) return rows_;
    return rows_.subspan(first, last - first + 1);
  }

  Mapping mapping_;
  std::span<const Fingerprint> rows_;  // in mapping_
};

}  // namespace

std::unique_ptr<FileFingerprints> FileFingerprints::open(const std::string& path,
                                                         const SnapshotId& snapshot) {
  try {
    Mapping mapping{path};
    const auto rows = read_rows(mapping.bytes(), snapshot);
    return std::make_unique<MappedFingerprints>(std::move(mapping), rows);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) {
      log::warning("every file is read again: {}: {}", path, error.message());
    }
    return std::make_unique<MappedFingerprints>();
  }
}

void FingerprintWriter::write(const std::string& path, const SnapshotId& snapshot) {
  std::sort(rows_.begin(), rows_.end());
  Bytes head;
  ByteWriter writer{head};
  writer.bytes(bytes_of(kMagic));
  writer.u32(kVersion);
  writer.u32(0);
  writer.bytes(snapshot.view());
  writer.u64(rows_.size());
  const ByteView rows = std::as_bytes(std::span{rows_});
  writer.bytes(digest_of(head, rows));
  replace_file(path, {head, rows}, 0600);
}

}  // namespace vgerfs::repo
