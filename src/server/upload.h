// One object on its way in: a file in uploads/ that is hashed as it is written. Until the database
// has its row, the file stays there as a second name of the object, so that a crash in between is
// settled at the next start (server/settlement.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "server/data_directory.h"
#include "server/space_ledger.h"

namespace vgerfs::server {

/// One thread at a time. Destroyed before it was kept, it leaves nothing behind.
class Upload {
 public:
  /// `directory` must outlive this.
  Upload(const DataDirectory& directory, ParkedName name, Reservation reservation);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  /// Appends; reserves more space where the reservation does not reach. Throws no_space, io.
  void write(ByteView bytes);
  /// After the last byte, before finish(): the object is named by its hash. For what the server
  /// itself has made; until then its name is whatever it was begun with.
  void name_by_content();
  /// Ends the file: makes its bytes durable and returns their SHA-256.
  Sha256Digest finish();

  const ParkedName& name() const noexcept { return name_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// When its last byte was written; after finish().
  std::int64_t stored_at_ns() const noexcept { return stored_at_ns_; }
  Reservation& reservation() noexcept { return reservation_; }

  /// Gives the file its name as an object, in the open directory. False if the name is taken.
  bool link_to(int directory, const std::string& file) const;
  /// Leaves the file in uploads/: an object has its bytes, and no row yet.
  void keep() noexcept { kept_ = true; }
  /// Takes the file out of uploads/.
  void discard() noexcept;

 private:
  const DataDirectory& directory_;
  ParkedName name_;
  std::string file_;
  Reservation reservation_;
  Fd fd_;
  Sha256 hash_;
  std::optional<Sha256Digest> digest_;  // once the object is named by it
  std::uint64_t bytes_ = 0;
  std::int64_t stored_at_ns_ = 0;
  std::uint64_t written_behind_ = 0;
  bool kept_ = false;
};

}  // namespace vgerfs::server
