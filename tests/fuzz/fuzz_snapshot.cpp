// Snapshot manifests.
#include "base/sha256.h"
#include "fuzz_support.h"
#include "repo/snapshot.h"
#include "repo/tree.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  const Bytes stored = fuzz::object_of(repo::EnvelopeKind::snapshot, data, size);
  fuzz::decode([&] {
    const repo::Snapshot snapshot =
        repo::open_snapshot(SnapshotId{sha256(stored)}, stored, fuzz::keyring());
    VGERFS_CHECK(repo::is_valid_name(snapshot.host) && repo::is_valid_name(snapshot.source));
    if (snapshot.kind == repo::kTreeSnapshot)
      VGERFS_CHECK(repo::fault_of(snapshot.root, true) == nullptr);
  });
  return 0;
}
