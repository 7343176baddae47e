// Index records: what opens can be written again and says the same.
#include "fuzz_support.h"
#include "repo/index_record.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  fuzz::decode([&] {
    const auto& keyring = fuzz::keyring();
    const repo::IndexRecord record =
        repo::open_record(fuzz::object_of(repo::EnvelopeKind::index_record, data, size), keyring);
    testing::FixedRandom random{4};
    const repo::IndexRecord again = repo::open_record(
        repo::seal_record(record, keyring, crypto::Cipher::aes256gcm, random), keyring);
    VGERFS_CHECK(again.packs.size() == record.packs.size());
    VGERFS_CHECK(again.carried.size() == record.carried.size());
    VGERFS_CHECK(again.after_records == record.after_records);
    VGERFS_CHECK(again.facts.removals.size() == record.facts.removals.size());
    VGERFS_CHECK(!again.ignored_claims);
  });
  return 0;
}
