// Leases: what opens can be written again and says the same.
#include "fuzz_support.h"
#include "repo/lease.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  fuzz::decode([&] {
    const auto& keyring = fuzz::keyring();
    const repo::Lease lease =
        repo::open_lease(fuzz::object_of(repo::EnvelopeKind::lease, data, size), keyring);
    testing::FixedRandom random{4};
    const repo::Lease again = repo::open_lease(
        repo::seal_lease(lease, keyring, crypto::Cipher::aes256gcm, random), keyring);
    VGERFS_CHECK(again.session == lease.session && again.ttl_s == lease.ttl_s);
    VGERFS_CHECK(again.condemnations == lease.condemnations);
  });
  return 0;
}
