#include "repo/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "crypto/mac.h"

namespace vgerfs::repo {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

constexpr std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

/// A file without a name; where the file system has none of these, one whose name is gone at once.
Fd open_unnamed(const std::string& directory) {
  const Fd parent = open_file(directory, O_RDONLY | O_DIRECTORY);
  Fd file{::openat(parent.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  if (file) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR)
    throw system_error(errno, "creating the spool in " + directory);
  std::string path = directory + "/spool-XXXXXX";
  file = Fd{::mkostemp(path.data(), O_CLOEXEC)};
  if (!file) throw system_error(errno, "creating the spool in " + directory);
  if (::unlink(path.c_str()) != 0) throw system_error(errno, "unlinking " + path);
  return file;
}

/// Differs between two spools even if the random source repeats itself, so that no nonce meets a
/// key twice.
crypto::Secret make_key(crypto::Random& random) {
  struct {
    std::int64_t boot_ns;
    std::int64_t pid;
    std::uint64_t serial;
  } where{};
  static std::atomic<std::uint64_t> serial{0};
  where.boot_ns = system_clock().boot_ns();
  where.pid = ::getpid();
  where.serial = ++serial;
  std::byte place[sizeof where];
  std::memcpy(place, &where, sizeof where);
  crypto::Secret drawn{32};
  random.fill(drawn.mutable_view());
  crypto::Mac key = crypto::hmac_sha256(drawn.view(), place);
  crypto::Secret secret{ByteView{key}};
  crypto::wipe(key);
  return secret;
}

crypto::AeadNonce nonce_of(std::uint64_t number) {
  crypto::AeadNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::byte>(number >> (8 * i));
  return nonce;
}

}  // namespace

SpoolRecord::~SpoolRecord() { spool_.free(offset_, bytes_); }

Bytes SpoolRecord::read() const {
  Bytes out(bytes_);
  if (read_at(spool_.file_.get(), out, offset_, "the spool") != out.size() ||
      !crypto::aead_open(spool_.cipher_, spool_.key_.view(), nonce_of(number_), {}, {}, out, tag_,
                         out)) {
    throw Error{ErrorCode::corrupt, "the spool does not give back what was written to it",
                "the disk of the state directory may be failing"};
  }
  return out;
}

Spool::Spool(const std::string& directory, std::uint64_t limit_bytes, crypto::Random& random)
    : limit_bytes_(limit_bytes),
      cipher_(crypto::fastest_cipher()),
      key_(make_key(random)),
      file_(open_unnamed(directory)) {}

std::shared_ptr<const SpoolRecord> Spool::append(ByteView bytes) {
  VGERFS_CHECK(!bytes.empty() && bytes.size() <= kMaxRecordBytes);
  const std::uint64_t room = whole_pages(bytes.size());
  if (used_bytes_.fetch_add(room) + room > limit_bytes_) {
    used_bytes_ -= room;
    report_full("spool-size is reached");
    return nullptr;
  }
  std::uint64_t offset = 0;
  {
    const std::lock_guard lock{mutex_};
    offset = next_offset_;
    next_offset_ += room;
  }
  Bytes sealed(bytes.size());
  const std::uint64_t number = next_number_++;
  const crypto::AeadTag tag =
      crypto::aead_seal(cipher_, key_.view(), nonce_of(number), {}, {}, bytes, sealed);
  try {
    write_all_at(file_.get(), sealed, offset, "the spool");
  } catch (const Error& error) {
    free(offset, static_cast<std::uint32_t>(bytes.size()));
    if (error.code() != ErrorCode::no_space) throw;
    report_full(error.what());
    return nullptr;
  }
  return std::make_shared<SpoolRecord>(*this, number, offset,
                                       static_cast<std::uint32_t>(bytes.size()), tag);
}

void Spool::free(std::uint64_t offset, std::uint32_t bytes) noexcept {
  const std::uint64_t room = whole_pages(bytes);
  // Where holes cannot be punched the disk space comes back when the daemon ends: the limit then
  // counts too little, and a full disk is met like a full spool.
  ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
              static_cast<off_t>(room));
  // Half empty again: the next shortage is news.
  if ((used_bytes_ -= room) < limit_bytes_ / 2) full_ = false;
}

void Spool::report_full(std::string_view reason) {
  if (full_.exchange(true)) return;
  log::warning("the spool is full ({} MiB used): {}; random writes are stored at once instead",
               used_bytes_ >> 20U, reason);
}

}  // namespace vgerfs::repo
