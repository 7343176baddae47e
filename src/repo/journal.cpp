#include "repo/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/mac.h"

namespace vgerfs::repo {
namespace {

constexpr std::string_view kFileMagic = "VGERJRNL";
constexpr std::string_view kRecordMagic = "VGjr";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kFileHeaderBytes = 32;
constexpr std::size_t kRecordHeaderBytes = 64;
constexpr std::size_t kAlignment = 8;
constexpr std::uint8_t kLastOfTransaction = 1;
constexpr std::uint8_t kFirstOfTransaction = 2;
constexpr std::size_t kWindowBytes = 64 * 1024;  // of a search through the file; whole sectors

constexpr std::uint64_t aligned(std::uint64_t bytes) noexcept {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::uint64_t size_of(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "reading " + path);
  return static_cast<std::uint64_t>(status.st_size);
}

void sync_file(int fd, const std::string& path) {
  if (::fdatasync(fd) != 0) throw system_error(errno, "syncing " + path);
}

std::string parent_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

Error damaged(const std::string& path, std::uint64_t offset) {
  return Error{ErrorCode::corrupt,
               fmt::format("the journal {} is damaged at byte {}", path, offset),
               "it holds an uncommitted session: move it away to give that session up, then send "
               "the files again"};
}

/// Reads the records of one file front to back.
class RecordReader {
 public:
  RecordReader(int fd, const std::string& path, const JournalSealer& sealer)
      : fd_(fd), path_(path), sealer_(sealer), size_(size_of(fd, path)) {}

  std::uint64_t offset() const noexcept { return offset_; }
  std::uint64_t sequence() const noexcept { return sequence_; }

  /// nullopt at the end, or where the bytes are not a record; then `at_end` tells.
  std::optional<JournalSealer::Opened> next() {
    auto record = read_at_offset(offset_, sequence_);
    if (!record) return std::nullopt;
    offset_ += aligned(kRecordHeaderBytes + 1 + record->payload.size());
    ++sequence_;
    return record;
  }

  /// Whether what is left is only a transaction that was never finished: it ends before it should,
  /// or blocks of it were never written. They reach the disk in any order, so genuine records of
  /// that transaction may lie behind a gap; one of a later transaction says that this one was
  /// whole.
  bool rest_is_unfinished() const {
    if (offset_ >= size_) return true;
    const auto [first, later] = records_behind();
    if (first) return !later && has_gap(*first);
    return ends_early() || has_gap(size_);
  }

 private:
  std::optional<JournalSealer::Opened> read_at_offset(std::uint64_t at,
                                                      std::optional<std::uint64_t> sequence) const {
    std::array<std::byte, kRecordHeaderBytes> header{};
    if (at + header.size() > size_ || vgerfs::read_at(fd_, header, at, path_) != header.size())
      return std::nullopt;
    ByteReader reader{header, path_};
    if (text_of(reader.bytes(4)) != kRecordMagic) return std::nullopt;
    const std::uint32_t length = reader.u32();
    if (sequence && reader.u64() != *sequence) return std::nullopt;
    if (length < 1 || length > kMaxJournalPayloadBytes + 1 || length > size_ - at - header.size())
      return std::nullopt;
    // The padding belongs to the record: a writer that was cut short there did not finish it.
    if (aligned(header.size() + std::uint64_t{length}) > size_ - at) return std::nullopt;
    Bytes sealed(length);
    if (vgerfs::read_at(fd_, sealed, at + header.size(), path_) != sealed.size())
      return std::nullopt;
    return sealer_.open(header, sealed);
  }

  /// The record at `offset_` says that it is longer than the file.
  bool ends_early() const {
    std::array<std::byte, kRecordHeaderBytes> header{};
    const std::uint64_t left = size_ - offset_;
    const std::size_t got = vgerfs::read_at(
        fd_, MutableBytes{header}.first(std::min<std::uint64_t>(left, header.size())), offset_,
        path_);
    const std::uint32_t length = ByteReader{ByteView{header}.subspan(4), path_}.u32();
    return got < header.size() || aligned(kRecordHeaderBytes + std::uint64_t{length}) > left;
  }

  struct Behind {
    std::optional<std::uint64_t> first;  // offset of the first genuine record
    bool later = false;                  // there is one of a later transaction
  };
  Behind records_behind() const {
    Behind behind;
    Bytes window;
    std::uint64_t begin = 0;  // of the window
    for (std::uint64_t at = offset_ + kAlignment; at + kRecordHeaderBytes <= size_;) {
      if (at < begin || at + kRecordMagic.size() > begin + window.size()) {
        window.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, size_ - at)));
        begin = at;
        vgerfs::read_at(fd_, window, begin, path_);
      }
      const ByteView here = ByteView{window}.subspan(static_cast<std::size_t>(at - begin));
      const auto record = text_of(here.first(kRecordMagic.size())) == kRecordMagic
                              ? read_at_offset(at, std::nullopt)
                              : std::nullopt;
      if (!record) {
        at += kAlignment;
        continue;
      }
      if (!behind.first) behind.first = at;
      behind.later = (record->flags & kFirstOfTransaction) != 0;
      if (behind.later) break;
      at += aligned(kRecordHeaderBytes + 1 + record->payload.size());
    }
    return behind;
  }

  /// Whether a sector in [offset_, end) was never written: a file system that extends a file before
  /// it has written its data leaves whole ones of zeros, as no ciphertext has them.
  bool has_gap(std::uint64_t end) const {
    constexpr std::uint64_t kSectorBytes = 512;
    Bytes window(kWindowBytes);
    for (std::uint64_t at = offset_ / kSectorBytes * kSectorBytes; at < end; at += window.size()) {
      const std::size_t got = vgerfs::read_at(fd_, window, at, path_);
      for (std::uint64_t sector = 0; sector < got; sector += kSectorBytes) {
        // What is before belongs to a transaction that is whole; the file's last sector may be
        // short.
        const std::uint64_t from = std::max(at + sector, offset_);
        const std::uint64_t to = std::min(at + sector + kSectorBytes, size_);
        if (to > end || from >= to) continue;
        const ByteView part = ByteView{window}.subspan(static_cast<std::size_t>(from - at),
                                                       static_cast<std::size_t>(to - from));
        if (std::all_of(part.begin(), part.end(),
                        [](std::byte byte) { return byte == std::byte{}; }))
          return true;
      }
    }
    return false;
  }

  const int fd_;
  const std::string& path_;
  const JournalSealer& sealer_;
  const std::uint64_t size_;
  std::uint64_t offset_ = kFileHeaderBytes;
  std::uint64_t sequence_ = 0;
};

}  // namespace

JournalSealer::JournalSealer(const JournalKeys& keys, crypto::Cipher cipher,
                             const std::array<std::byte, 16>& file_id)
    : local_key_(keys.local_key.clone()),
      repository_(keys.repository),
      random_(keys.random),
      cipher_(cipher),
      file_id_(file_id) {}

crypto::TransientKey JournalSealer::record_key(ByteView salt) const {
  Bytes info;
  append(info, bytes_of("vgerfs/1 journal"));
  info.push_back(std::byte{});
  append(info, repository_.view());
  append(info, file_id_);
  return crypto::hkdf_pair(local_key_.view(), salt, info).first;
}

Bytes JournalSealer::seal(std::uint64_t sequence, std::uint8_t flags, ByteView payload) const {
  VGERFS_CHECK(payload.size() <= kMaxJournalPayloadBytes);
  Bytes plain;
  plain.reserve(payload.size() + 1);
  plain.push_back(static_cast<std::byte>(flags));
  append(plain, payload);
  Bytes record;
  record.reserve(aligned(kRecordHeaderBytes + plain.size()));
  ByteWriter writer{record};
  writer.bytes(bytes_of(kRecordMagic));
  writer.u32(static_cast<std::uint32_t>(plain.size()));
  writer.u64(sequence);
  const auto drawn = crypto::random_array<32>(random_);
  const crypto::Mac salt = crypto::HmacKey{local_key_.view()}(drawn, ByteView{record}, plain);
  const crypto::AeadTag tag = crypto::aead_seal(cipher_, record_key(salt).view(), {},
                                                ByteView{record}.first(16), {}, plain, plain);
  writer.bytes(salt);
  writer.bytes(tag);
  writer.bytes(plain);
  writer.zeros(aligned(record.size()) - record.size());
  return record;
}

std::optional<JournalSealer::Opened> JournalSealer::open(ByteView header, ByteView sealed) const {
  const ByteView salt = header.subspan(16, 32);
  crypto::AeadTag tag;
  std::copy_n(header.begin() + 48, tag.size(), tag.begin());
  Bytes plain(sealed.size());
  if (!crypto::aead_open(cipher_, record_key(salt).view(), {}, header.first(16), {}, sealed, tag,
                         plain)) {
    return std::nullopt;
  }
  Opened out{.flags = std::to_integer<std::uint8_t>(plain.front()), .payload = {}};
  plain.erase(plain.begin());
  out.payload = std::move(plain);
  return out;
}

Journal::Journal(std::string path, Fd file, JournalSealer sealer)
    : path_(std::move(path)), file_(std::move(file)), sealer_(std::move(sealer)) {}

Journal::~Journal() {
  if (unnamed_) ::unlink((path_ + ".new").c_str());
}

std::unique_ptr<Journal> Journal::create(const std::string& path, const JournalKeys& keys) {
  const auto file_id = crypto::random_array<16>(keys.random);
  Fd file = open_file(path + ".new", O_RDWR | O_CREAT | O_TRUNC, 0600);
  const crypto::Cipher cipher = crypto::fastest_cipher();
  std::unique_ptr<Journal> journal{new Journal{path, std::move(file), {keys, cipher, file_id}}};
  journal->unnamed_ = true;
  Bytes header;
  ByteWriter writer{header};
  writer.bytes(bytes_of(kFileMagic));
  writer.u16(kVersion);
  writer.u8(static_cast<std::uint8_t>(cipher));
  writer.zeros(5);
  writer.bytes(file_id);
  write_all_at(journal->file_.get(), header, 0, path);
  journal->offset_ = journal->committed_offset_ = header.size();
  return journal;
}

std::unique_ptr<Journal> Journal::open(const std::string& path, const JournalKeys& keys,
                                       const std::function<void(ByteView)>& apply) {
  Fd file{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  if (!file) {
    if (errno == ENOENT) return nullptr;
    throw system_error(errno, "opening " + path);
  }
  std::array<std::byte, kFileHeaderBytes> header{};
  // The file got its name after its first transaction was durable: it is never shorter than this.
  if (read_at(file.get(), header, 0, path) != header.size()) throw damaged(path, 0);
  ByteReader reader{header, path};
  if (text_of(reader.bytes(8)) != kFileMagic) throw damaged(path, 0);
  if (reader.u16() != kVersion)
    throw Error{ErrorCode::unsupported, path + " was written by a newer version"};
  const auto cipher = static_cast<crypto::Cipher>(reader.u8());
  if (cipher != crypto::Cipher::aes256gcm && cipher != crypto::Cipher::chacha20poly1305)
    throw damaged(path, 10);
  if (reader.u8() != 0 || reader.u32() != 0) throw damaged(path, 11);
  const auto file_id = reader.array<16>();
  std::unique_ptr<Journal> journal{new Journal{path, std::move(file), {keys, cipher, file_id}}};

  // Twice: whether a transaction is whole shows only at its end.
  RecordReader scan{journal->file_.get(), journal->path_, journal->sealer_};
  journal->committed_offset_ = scan.offset();
  while (const auto record = scan.next()) {
    if ((record->flags & kLastOfTransaction) == 0) continue;
    journal->committed_offset_ = scan.offset();
    journal->committed_sequence_ = scan.sequence();
  }
  if (!scan.rest_is_unfinished()) throw damaged(path, scan.offset());
  // The first transaction was durable before the file got its name.
  if (journal->committed_sequence_ == 0) throw damaged(path, kFileHeaderBytes);
  RecordReader replay{journal->file_.get(), journal->path_, journal->sealer_};
  while (replay.offset() < journal->committed_offset_) {
    const auto record = replay.next();
    if (!record) throw damaged(path, replay.offset());
    apply(record->payload);
  }
  if (size_of(journal->file_.get(), path) > journal->committed_offset_) {
    log::warning("{}: dropping a transaction that was not finished", path);
  }
  journal->rollback();
  return journal;
}

void Journal::write(std::uint8_t flags, ByteView payload) {
  if (sequence_ == committed_sequence_) flags |= kFirstOfTransaction;
  const Bytes record = sealer_.seal(sequence_, flags, payload);
  write_all_at(file_.get(), record, offset_, path_);
  offset_ += record.size();
  ++sequence_;
}

void Journal::add(ByteView payload) { write(0, payload); }

void Journal::commit() {
  write(kLastOfTransaction, {});
  sync_file(file_.get(), path_);
  if (unnamed_) {
    if (::fsync(file_.get()) != 0) throw system_error(errno, "syncing " + path_);
    if (::rename((path_ + ".new").c_str(), path_.c_str()) != 0)
      throw system_error(errno, "renaming to " + path_);
    unnamed_ = false;
    sync_directory(parent_of(path_));
  }
  committed_offset_ = offset_;
  committed_sequence_ = sequence_;
}

void Journal::rollback() {
  if (::ftruncate(file_.get(), static_cast<off_t>(committed_offset_)) != 0) {
    throw system_error(errno, "truncating " + path_);
  }
  offset_ = committed_offset_;
  sequence_ = committed_sequence_;
}

void Journal::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw system_error(errno, "removing " + path);
  sync_directory(parent_of(path));
}

bool Journal::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace vgerfs::repo
