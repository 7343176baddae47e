// Thousands of damaged and forged inputs for every decoder of the sealed objects. A decoder may
// refuse with an Error of a fitting code, or give a value; under the sanitizers nothing else may
// happen.

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "repo/config.h"
#include "repo/forge.h"
#include "repo/index_record.h"
#include "repo/key_slot.h"
#include "repo/keyrings.h"
#include "repo/lease.h"
#include "repo/snapshot.h"
#include "repo/worked_example.h"
#include "support/error_of.h"
#include "support/mutation.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;
using testing::Mutator;

constexpr std::uint64_t kSeed = 20'240'607;

class SealedMutationTest : public ::testing::Test {
 protected:
  /// What a decoder ended with over all mutations of `good`, and how often it was a value.
  struct Outcome {
    std::set<std::string_view> errors;
    int values = 0;
  };
  static Outcome run(ByteView good, const std::function<void(const Bytes&)>& decode) {
    Mutator mutator{kSeed};
    Outcome outcome;
    const int rounds = testing::test_size(4000, 500);
    for (int i = 0; i < rounds; ++i) {
      const Bytes bytes = mutator.mutate(good);
      if (std::equal(bytes.begin(), bytes.end(), good.begin(), good.end())) continue;
      const std::string_view error = error_of([&] {
        decode(bytes);
        return 0;
      });
      if (error == "none") {
        ++outcome.values;
      } else {
        outcome.errors.insert(error);
      }
    }
    return outcome;
  }
  static void expect_only(const Outcome& outcome, const std::set<std::string_view>& allowed) {
    for (const std::string_view error : outcome.errors)
      EXPECT_TRUE(allowed.contains(error)) << error;
    EXPECT_TRUE(outcome.errors.contains("corrupt"));
  }
  /// Damage to sealed bytes is always noticed.
  static void expect_never_a_value(const Outcome& outcome) {
    expect_only(outcome, {"corrupt", "unsupported"});
    EXPECT_EQ(outcome.values, 0);
  }

  ByteView object(const std::string& directory) const {
    return example_.objects().lower_bound(directory)->second;
  }
  Bytes payload(EnvelopeKind kind, ByteView stored, const DataKey* data_key = nullptr) const {
    return open_signed(kind, stored, keyring_.envelope_keys(),
                       data_key != nullptr ? &data_key->key : nullptr)
        .payload;
  }
  /// Rightly sealed and signed, whatever the payload.
  Bytes sealed(EnvelopeKind kind, ByteView bytes, const DataKey* data_key = nullptr) const {
    FixedRandom random{3};
    return seal_signed({.kind = kind, .cipher = crypto::Cipher::aes256gcm, .data_key = data_key},
                       keyring_.envelope_keys(), keyring_.author(), random, bytes);
  }

  const WorkedExample example_;
  const Keyring& keyring_ = example_.keyring();
};

TEST_F(SealedMutationTest, EnvelopeHeader) {
  for (const auto kind :
       {EnvelopeKind::block, EnvelopeKind::index_record, EnvelopeKind::slot_info}) {
    Bytes header(header_bytes(kind));
    const std::string_view begin{"VGfs\x01\x00\x01\x00\x01\x00\x00\x00", 12};
    std::copy(begin.begin(), begin.end(), reinterpret_cast<char*>(header.data()));
    header[5] = static_cast<std::byte>(kind);
    if (kind == EnvelopeKind::block) {
      header[12] = std::byte{1};
      header[16] = std::byte{40};
    }
    header[20] = std::byte{9};
    ASSERT_NO_THROW(parse_envelope_header(header, kind));
    expect_only(run(header, [&](const Bytes& bytes) { parse_envelope_header(bytes, kind); }),
                {"corrupt", "unsupported"});
  }
}

TEST_F(SealedMutationTest, BlockEnvelope) {
  const auto steps = example_.steps();
  const auto block = std::find_if(steps.begin(), steps.end(),
                                  [](const auto& step) { return step.name == "data block"; });
  ASSERT_NE(block, steps.end());
  const auto data_key = keyring_.open_data_key(
      parse_envelope_header(block->bytes, EnvelopeKind::block).data_key.value());
  expect_never_a_value(run(block->bytes, [&](const Bytes& bytes) {
    const EnvelopeHeader header = parse_envelope_header(bytes, EnvelopeKind::block);
    const EnvelopeOpener opener{header, bytes, keyring_.envelope_keys(), &data_key->key};
    opener.directory();
    Bytes data(header.data_bytes);
    opener.data(data);
  }));
}

TEST_F(SealedMutationTest, Config) {
  expect_only(run(object("config"), [&](const Bytes& bytes) { parse_config(bytes); }),
              {"corrupt", "unsupported"});
  EXPECT_EQ(run(object("config"),
                [&](const Bytes& bytes) {
                  if (!verify_config(bytes, keyring_.root_public_key()))
                    throw Error{ErrorCode::corrupt, ""};
                })
                .values,
            0);
}

TEST_F(SealedMutationTest, KeySlot) {
  const auto open = [&](const Bytes& bytes) {
    const Credential credential = parse_key_file(example_.key_file());
    if (!open_slot(bytes, credential, keyring_.repository())) throw Error{ErrorCode::wrong_key, ""};
  };
  // The slot information is not looked at here: damage to it alone leaves the slot open.
  expect_only(run(object("keys/"), open), {"corrupt", "unsupported", "wrong_key"});
  expect_only(
      run(object("keys/"),
          [&](const Bytes& bytes) { describe_slot(SlotId{sha256(bytes)}, bytes, keyring_); }),
      {"corrupt", "unsupported"});
}

TEST_F(SealedMutationTest, KeyBundle) {
  const crypto::Secret bundle = keyring_.bundle();
  expect_only(run(bundle.view(), [](const Bytes& bytes) { Keyring::from_bundle(bytes); }),
              {"corrupt", "unsupported"});
}

TEST_F(SealedMutationTest, KeyFile) {
  const auto outcome = run(bytes_of(example_.key_file()),
                           [](const Bytes& bytes) { parse_key_file(text_of(bytes)); });
  EXPECT_EQ(outcome.errors, std::set<std::string_view>{"usage"});
}

TEST_F(SealedMutationTest, Certificate) {
  const auto& good = keyring_.signed_certificate();
  const auto verify_signed = [&](const Bytes& bytes) {
    verify_certificate(forge_certificate(bytes, keyring_.repository(), keyring_.root()),
                       keyring_.repository(), keyring_.root_public_key());
  };
  expect_only(run(bytes_of(good.certificate()), verify_signed), {"corrupt"});
}

TEST_F(SealedMutationTest, IndexRecord) {
  const ByteView stored = object("index/");
  expect_never_a_value(run(stored, [&](const Bytes& bytes) { open_record(bytes, keyring_); }));

  const Bytes good = payload(EnvelopeKind::index_record, stored);
  const auto forged = run(good, [&](const Bytes& bytes) {
    const IndexRecord record = open_record(sealed(EnvelopeKind::index_record, bytes), keyring_);
    // What opens can be written again and says the same.
    FixedRandom random{3};
    const IndexRecord again =
        open_record(seal_record(record, keyring_, crypto::Cipher::aes256gcm, random), keyring_);
    EXPECT_EQ(again.packs.size(), record.packs.size());
    EXPECT_EQ(again.after_records, record.after_records);
    EXPECT_EQ(again.facts.removals.size(), record.facts.removals.size());
  });
  expect_only(forged, {"corrupt", "unsupported"});
  EXPECT_GT(forged.values, 0) << "no mutation got as far as it should";
}

TEST_F(SealedMutationTest, Snapshot) {
  const ByteView stored = object("snapshots/");
  const auto open = [&](const Bytes& bytes) {
    open_snapshot(SnapshotId{sha256(bytes)}, bytes, keyring_);
  };
  expect_never_a_value(run(stored, open));

  const auto data_key = keyring_.open_data_key(
      parse_envelope_header(stored, EnvelopeKind::snapshot).data_key.value());
  const Bytes good = payload(EnvelopeKind::snapshot, stored, data_key.get());
  const auto forged = run(good, [&](const Bytes& bytes) {
    open(sealed(EnvelopeKind::snapshot, bytes, data_key.get()));
  });
  expect_only(forged, {"corrupt", "unsupported"});
  EXPECT_GT(forged.values, 0);
}

TEST_F(SealedMutationTest, Lease) {
  Lease lease;
  lease.host = "example";
  lease.program = "vgerfs";
  lease.ttl_s = 900;
  lease.condemnations.resize(2);
  FixedRandom random{3};
  const Bytes stored = seal_lease(lease, keyring_, crypto::Cipher::chacha20poly1305, random);
  expect_never_a_value(run(stored, [&](const Bytes& bytes) { open_lease(bytes, keyring_); }));

  const auto forged = run(payload(EnvelopeKind::lease, stored), [&](const Bytes& bytes) {
    open_lease(sealed(EnvelopeKind::lease, bytes), keyring_);
  });
  expect_only(forged, {"corrupt", "unsupported"});
  EXPECT_GT(forged.values, 0);
}

}  // namespace
}  // namespace vgerfs::repo
