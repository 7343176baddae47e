// A source's journal: an append-only file of sealed records, grouped into transactions, from which
// the next mount resumes an interrupted session. What the records say is their writer's business
// (fs/ingest_image.h).
//
//     0           8        10      16                 32
//     +-----------+--------+-------+------------------+
//     | "VGERJRNL"| ver u16| *     | file id (16)     |   header; *: cipher (u8) and five zero
//     bytes
//     +-----------+--------+-------+------------------+
//     | record 0 | record 1 | …                        |   each begins at a multiple of 8
//     +-----------------------------------------------+
//
//     0        4            8             16          48          64
//     +--------+------------+-------------+-----------+-----------+--------------------+-----+
//     | "VGjr" | length u32 | sequence u64| salt (32) | tag (16)  | ciphertext (length)| pad |
//     record
//     +--------+------------+-------------+-----------+-----------+--------------------+-----+
//
// Plaintext: flags (u8; 1: last record of its transaction, 2: first) ‖ payload. AEAD key: HKDF of
// the local key `journal` with the salt; info "vgerfs/1 journal" ‖ 0x00 ‖ repository id ‖ file id;
// nonce zero; associated data: bytes [0, 16) of the record. The salt is an HMAC of random bytes,
// sequence and plaintext: a journal that was copied back and continued, or a random source that
// repeats itself, never seals other content under one key.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ids.h"
#include "crypto/aead.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace vgerfs::repo {

inline constexpr std::size_t kMaxJournalPayloadBytes = std::size_t{32} << 20;

/// What a journal needs to be opened. Views: all must outlive the journal.
struct JournalKeys {
  const crypto::Secret& local_key;  // Keyring::local_key("journal")
  const RepositoryId& repository;
  crypto::Random& random;
};

/// Seals and opens the records of one file.
class JournalSealer {
 public:
  JournalSealer(const JournalKeys& keys, crypto::Cipher cipher,
                const std::array<std::byte, 16>& file_id);
  /// The record with padding.
  Bytes seal(std::uint64_t sequence, std::uint8_t flags, ByteView payload) const;
  struct Opened {
    std::uint8_t flags = 0;
    Bytes payload;
  };
  /// nullopt: not a record of this file, or damaged.
  std::optional<Opened> open(ByteView header, ByteView sealed) const;

 private:
  crypto::TransientKey record_key(ByteView salt) const;

  crypto::Secret local_key_;
  RepositoryId repository_;
  crypto::Random& random_;
  crypto::Cipher cipher_;
  std::array<std::byte, 16> file_id_;
};

/// Appends. One thread at a time.
class Journal {
 public:
  /// A new, empty file in place of what is at `path`, from the first `commit` on: until then the
  /// old one stays.
  static std::unique_ptr<Journal> create(const std::string& path, const JournalKeys& keys);

  /// Reads the whole transactions of the journal at `path`, in order, record by record, and returns
  /// it ready to be continued. Null if there is none. An unfinished last transaction, as a crash
  /// leaves it, is dropped; throws corrupt for any other damage, unsupported.
  static std::unique_ptr<Journal> open(const std::string& path, const JournalKeys& keys,
                                       const std::function<void(ByteView payload)>& apply);
  ~Journal();

  /// Adds a record to the present transaction.
  void add(ByteView payload);
  /// Ends the transaction; durable when it returns. On failure of `add` or `commit` the caller must
  /// `rollback`.
  void commit();
  void rollback();

  std::uint64_t bytes() const noexcept { return offset_; }
  /// Deletes the file at `path`, durably.
  static void remove(const std::string& path);
  static bool exists(const std::string& path);

 private:
  Journal(std::string path, Fd file, JournalSealer sealer);
  void write(std::uint8_t flags, ByteView payload);

  std::string path_;
  Fd file_;
  JournalSealer sealer_;
  std::uint64_t offset_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t committed_offset_ = 0;
  std::uint64_t committed_sequence_ = 0;
  bool unnamed_ = false;  // lies at path + ".new" until its first commit
};

}  // namespace vgerfs::repo
