// A filter in front of the index cache: answers most look-ups of chunks that nobody has stored yet
// without SQLite. A blocked Bloom filter (Putze, Sanders, Singler 2007) in a file beside the
// database, shared by all processes.
//
//     0          8       12      16               32            48        56        64
//    +----------+-------+-------+----------------+-------------+---------+---------+
//    |"VGERFLT1"| dirty | zero  | generation (16)| boot id (16)| blocks  | keys    |  page 0, 4096
//    bytes:
//    +----------+-------+-------+----------------+-------------+---------+---------+  a check
//    follows, 8 bytes | blocks of 64 bytes |
//    +-----------------------------------------------------------------------------+
//
// It is read with pread: 64 bytes cost little against hashing a chunk, and a failing disk is an
// error instead of a SIGBUS.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"

namespace vgerfs::repo {

/// Set of 64-bit keys that are uniformly distributed (prefixes of chunk ids). Never says no for a
/// key that was added and whose database transaction was committed, as long as `open` accepts the
/// file. All threads may ask; whoever adds holds the database's write lock. Throws Error with the
/// codes of system calls; io when the file is damaged, never corrupt.
class IndexFilter {
 public:
  using Generation = std::array<std::byte, 16>;

  /// Null if the file is absent, damaged, of another database (`generation`), behind it (fewer than
  /// `keys`), or was not closed before the machine went down.
  static std::shared_ptr<IndexFilter> open(const std::string& path, const Generation& generation,
                                           std::uint64_t keys);
  /// Replaces the file by an empty filter with room for twice `expected_keys`, then has `fill` add
  /// keys, before others see it.
  static std::shared_ptr<IndexFilter> make(const std::string& path, const Generation& generation,
                                           std::uint64_t expected_keys,
                                           const std::function<void(IndexFilter&)>& fill);

  /// False: certainly not added. An unreadable file says true.
  bool may_contain(std::uint64_t key) const noexcept;
  /// Adds keys. Call before the transaction that they belong to is committed.
  void add(std::vector<std::uint64_t> keys);
  /// Whether more keys fit before answers get worse.
  bool has_room(std::uint64_t more) const;
  /// False once another process has replaced the file.
  bool is_current() const noexcept;
  /// Makes the file survive a power cut. Only with the database's write lock.
  void close_clean();

 private:
  struct Header;
  IndexFilter(Fd fd, std::string path, const Generation& generation, std::uint64_t blocks);
  Header read_header() const;
  void write_header(const Header& header);

  Fd fd_;
  std::string path_;
  Generation generation_;
  std::uint64_t blocks_;
  bool wrote_ = false;  // guarded by the database's write lock
};

}  // namespace vgerfs::repo
