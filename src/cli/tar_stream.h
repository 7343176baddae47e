// A directory of a snapshot as a tar archive, in the pax format of POSIX: times to the nanosecond,
// extended attributes and ACLs as GNU tar and star know them, holes, names of any length.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "repo/chunk_reader.h"
#include "repo/tree.h"

namespace vgerfs::cli {

/// Paths and the links' targets are relative to where the archive is unpacked. One thread.
///
///     TarStream tar{reader, write};
///     tar.add("./", root);
///     … tar.add("d/file", entry) …
///     tar.finish();
class TarStream {
 public:
  /// `write` is given the archive in pieces; what it throws comes out of the calls below. Both must
  /// outlive it.
  TarStream(repo::ChunkReader& reader, std::function<void(ByteView)> write);
  /// Without `finish` the archive has no end, so that whoever unpacks it notices.
  ~TarStream();
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;

  /// Header and content. The second name of an inode and those after it are links to the first.
  /// False for a socket: tar has none. Throws what reading throws.
  bool add(const std::string& path, const repo::Entry& entry);
  void finish();
  /// Of files, holes among them.
  std::uint64_t content_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::cli
