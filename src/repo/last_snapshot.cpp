#include "repo/last_snapshot.h"

#include "base/fd.h"
#include "repo/limits.h"
#include "repo/local_seal.h"

namespace vgerfs::repo {
namespace {

// Sealed: snapshot id (32) ‖ seconds (u64, two's complement) ‖ nanoseconds (u32) ‖ root Entry.
constexpr std::size_t kMaxSealedBytes = kMaxSnapshotBytes + 1024;
constexpr std::string_view kContext = "last snapshot";

}  // namespace

std::optional<LastSnapshot> read_last_snapshot(const std::string& path,
                                               const crypto::Secret& local_key,
                                               const RepositoryId& repository) {
  Bytes sealed;
  try {
    sealed = read_whole_file(path, kMaxSealedBytes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::not_found) return std::nullopt;
    throw;
  }
  try {
    const Bytes plain = open_local({repository, local_key.view()}, bytes_of(kContext), sealed);
    ByteReader reader{plain, "the last snapshot"};
    LastSnapshot snapshot;
    snapshot.id = SnapshotId{reader.array<SnapshotId::kSize>()};
    snapshot.time.s = static_cast<std::int64_t>(reader.u64());
    snapshot.time.ns = reader.u32();
    const ByteView root = reader.rest();
    if (!snapshot.root.ParseFromArray(root.data(), static_cast<int>(root.size()))) {
      throw Error{ErrorCode::corrupt, "the root entry does not parse"};
    }
    return snapshot;
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
}

void write_last_snapshot(const std::string& path, const LastSnapshot& snapshot,
                         const crypto::Secret& local_key, const RepositoryId& repository,
                         crypto::Random& random) {
  Bytes plain;
  ByteWriter writer{plain};
  writer.bytes(snapshot.id.view());
  writer.u64(static_cast<std::uint64_t>(snapshot.time.s));
  writer.u32(snapshot.time.ns);
  writer.bytes(bytes_of(snapshot.root.SerializeAsString()));
  if (plain.size() > kMaxSnapshotBytes) {
    throw Error{ErrorCode::usage, "the snapshot's root entry is too large to be kept"};
  }
  replace_file(path, seal_local({repository, local_key.view()}, bytes_of(kContext), plain, random),
               0600);
}

}  // namespace vgerfs::repo
