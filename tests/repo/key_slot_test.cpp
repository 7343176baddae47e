#include "repo/key_slot.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "repo/keyrings.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;

constexpr std::size_t kHeaderBytes = 112;

Credential key_file(unsigned char fill) {
  crypto::Secret key{32};
  std::fill(key.mutable_view().begin(), key.mutable_view().end(), std::byte{fill});
  return KeyFile{std::move(key)};
}
Credential passphrase(std::string_view text) { return Passphrase{crypto::Secret{bytes_of(text)}}; }

class KeySlotTest : public ::testing::Test {
 protected:
  Bytes make(const Credential& credential, const crypto::Secret& bundle,
             crypto::Random& random) const {
    return make_slot(bundle, credential, {}, full_->envelope_keys(),
                     crypto::Cipher::chacha20poly1305, kTestTime, random);
  }
  Bytes make(const Credential& credential) const {
    FixedRandom random{3};
    return make(credential, full_->bundle(), random);
  }
  std::string_view open_error(ByteView slot, const Credential& credential = key_file(1)) const {
    return error_of([&] { open_slot(slot, credential, full_->repository()); });
  }
  static SlotId id_of(ByteView slot) { return SlotId{sha256(slot)}; }

  const std::unique_ptr<Keyring> full_ = full_keyring();
};

TEST_F(KeySlotTest, KeyFileOpensItsSlot) {
  const Bytes slot = make(key_file(1));
  const auto keyring = open_slot(slot, key_file(1), full_->repository());
  ASSERT_TRUE(keyring);
  EXPECT_TRUE(crypto::equal(keyring->bundle().view(), full_->bundle().view()));
}

TEST_F(KeySlotTest, PassphraseOpensItsSlot) {
  const Bytes slot = make(passphrase("correct horse"));
  const auto keyring = open_slot(slot, passphrase("correct horse"), full_->repository());
  ASSERT_TRUE(keyring);
  EXPECT_TRUE(crypto::equal(keyring->bundle().view(), full_->bundle().view()));
  EXPECT_FALSE(open_slot(slot, passphrase("correct horsf"), full_->repository()));
  EXPECT_FALSE(open_slot(slot, passphrase(""), full_->repository()));
}

TEST_F(KeySlotTest, OtherCredentialsDoNotOpenIt) {
  EXPECT_FALSE(open_slot(make(key_file(1)), key_file(2), full_->repository()));
  EXPECT_FALSE(open_slot(make(key_file(1)), passphrase("x"), full_->repository()));
  EXPECT_FALSE(open_slot(make(passphrase("x")), key_file(1), full_->repository()));
}

TEST_F(KeySlotTest, OfAnotherRepositoryDoesNotOpen) {
  EXPECT_FALSE(open_slot(make(key_file(1)), key_file(1), full_keyring(5)->repository()));
}

TEST_F(KeySlotTest, HoldingTheKeysOfAnotherRepositoryIsCorrupt) {
  // Sealed for this repository's id by somebody who knows the credential.
  const auto other = full_keyring(5);
  FixedRandom random{3};
  const Bytes slot = make(key_file(1), other->bundle(), random);
  EXPECT_EQ(open_error(slot), "corrupt");
}

TEST_F(KeySlotTest, TruncatedOrLongerIsCorrupt) {
  Bytes slot = make(key_file(1));
  for (std::size_t size = 0; size < slot.size(); ++size) {
    EXPECT_EQ(open_error(ByteView{slot}.first(size)), "corrupt") << size;
  }
  slot.push_back(std::byte{0});
  EXPECT_EQ(open_error(slot), "corrupt");
  slot.resize(70'000);
  EXPECT_EQ(open_error(slot), "corrupt");
}

TEST_F(KeySlotTest, WithAnyFlippedByteBeforeTheInformationDoesNotOpen) {
  const Bytes good = make(key_file(1));
  const std::size_t bundle_end = kHeaderBytes + full_->bundle().size() + 16;
  for (std::size_t i = 0; i < bundle_end; ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{1};
    std::unique_ptr<Keyring> keyring;
    const auto error =
        error_of([&] { keyring = open_slot(bad, key_file(1), full_->repository()); });
    EXPECT_FALSE(keyring) << i;
    // Salt and commitment cannot be told from another credential's slot, as the kind cannot.
    const bool may_be_anothers = i == 10 || (i >= 48 && i < kHeaderBytes);
    if (!may_be_anothers) {
      EXPECT_NE(error, "none") << i;
    }
  }
}

TEST_F(KeySlotTest, WithAnyFlippedByteIsNotDescribed) {
  const Bytes good = make(key_file(1));
  EXPECT_EQ(error_of([&] { describe_slot(id_of(good), good, *full_); }), "none");
  const std::size_t bundle_end = kHeaderBytes + full_->bundle().size() + 16;
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{1};
    EXPECT_EQ(error_of([&] { describe_slot(id_of(good), bad, *full_); }), "corrupt") << i;
    // Under its new name only what the information says is authentic, not the bundle.
    if (i >= bundle_end) {
      EXPECT_NE(error_of([&] { describe_slot(id_of(bad), bad, *full_); }), "none") << i;
    }
  }
}

TEST_F(KeySlotTest, NewerVersionAndKindAreUnsupported) {
  const Bytes good = make(key_file(1));
  Bytes bad = good;
  bad[8] = std::byte{2};
  EXPECT_EQ(open_error(bad), "unsupported");
  bad = good;
  bad[9] = std::byte{1};
  EXPECT_EQ(open_error(bad), "unsupported");
  bad = good;
  bad[10] = std::byte{4};
  EXPECT_EQ(open_error(bad), "unsupported");
  bad[10] = std::byte{0};
  EXPECT_EQ(open_error(bad), "corrupt");
  bad[10] = std::byte{3};
  EXPECT_FALSE(open_slot(bad, key_file(1), full_->repository())) << "age slots are skipped";
  bad = good;
  bad[8] = std::byte{0};
  EXPECT_EQ(open_error(bad), "corrupt");
  bad = good;
  bad[11] = std::byte{1};
  EXPECT_EQ(open_error(bad), "corrupt") << "cipher";
  bad = good;
  bad[28] = std::byte{1};
  EXPECT_EQ(open_error(bad), "corrupt") << "zero";
}

TEST_F(KeySlotTest, CostOutsideTheLimitsIsRefusedBeforeItIsPaid) {
  const Bytes good = make(passphrase("x"));
  const auto with = [&](std::uint32_t memory_kib, std::uint32_t passes) {
    Bytes bad = good;
    for (unsigned i = 0; i < 4; ++i) {
      bad[12 + i] = static_cast<std::byte>(memory_kib >> (8 * i));
      bad[16 + i] = static_cast<std::byte>(passes >> (8 * i));
    }
    return open_error(bad, passphrase("x"));
  };
  EXPECT_EQ(with(64 * 1024, 3), "none");
  EXPECT_EQ(with(64 * 1024 - 1, 3), "corrupt");
  EXPECT_EQ(with(1024 * 1024 + 1, 3), "corrupt");
  EXPECT_EQ(with(0xffffffff, 3), "corrupt");
  EXPECT_EQ(with(64 * 1024, 2), "corrupt");
  EXPECT_EQ(with(64 * 1024, 21), "corrupt");
  EXPECT_EQ(with(64 * 1024, 0xffffffff), "corrupt");
  EXPECT_EQ(with(0, 0), "corrupt");
}

TEST_F(KeySlotTest, KeyFileSlotWithPassphraseParametersIsCorrupt) {
  const Bytes good = make(key_file(1));
  for (const std::size_t at : {12U, 16U, 32U, 47U}) {
    Bytes bad = good;
    bad[at] = std::byte{1};
    EXPECT_EQ(open_error(bad), "corrupt") << at;
  }
}

TEST_F(KeySlotTest, IsNotMadeForWhatReadersRefuse) {
  FixedRandom random{3};
  const auto error = [&](const Credential& credential, crypto::PasswordCost cost) {
    return error_of([&] {
      make_slot(full_->bundle(), credential, cost, full_->envelope_keys(),
                crypto::Cipher::aes256gcm, kTestTime, random);
    });
  };
  EXPECT_EQ(error(passphrase(""), {}), "usage");
  EXPECT_EQ(error(passphrase("x"), {.memory_kib = 1024, .passes = 3}), "usage");
  EXPECT_EQ(error(passphrase("x"), {.memory_kib = 64 * 1024, .passes = 2}), "usage");
  EXPECT_EQ(error(passphrase("x"), {.memory_kib = 2 * 1024 * 1024, .passes = 3}), "usage");
}

TEST_F(KeySlotTest, IsDescribedToEveryKeyOfTheRepository) {
  const auto ingest = ingest_keyring(*full_, "alpha");
  FixedRandom random{3};
  const Bytes slot = make(key_file(1), ingest->bundle(), random);
  for (const Keyring* reader : {full_.get(), ingest.get()}) {
    const SlotDescription description = describe_slot(id_of(slot), slot, *reader);
    EXPECT_EQ(description.id, id_of(slot));
    EXPECT_EQ(description.kind, SlotKind::key_file);
    EXPECT_EQ(description.certificate.role, Role::ingest);
    EXPECT_EQ(description.certificate.hosts, std::vector<std::string>{"alpha"});
    EXPECT_EQ(description.certificate.author, ingest->author().public_key());
    EXPECT_EQ(description.created_s, kTestTime);
  }
  EXPECT_EQ(error_of([&] { describe_slot(id_of(slot), slot, *full_keyring(5)); }), "corrupt");
  const Bytes with_passphrase = make(passphrase("x"));
  EXPECT_EQ(describe_slot(id_of(with_passphrase), with_passphrase, *full_).cost.memory_kib,
            64U * 1024);
}

TEST_F(KeySlotTest, InformationOfAnotherSlotIsCorrupt) {
  // A store could put a slot together from the bundle of one and the information of another, so
  // that the user removes the wrong one.
  FixedRandom random{3};
  const Bytes mine = make(key_file(1), full_->bundle(), random);
  const Bytes other = make(key_file(2), full_->bundle(), random);
  ASSERT_EQ(mine.size(), other.size());
  const auto bundle_end = static_cast<std::ptrdiff_t>(kHeaderBytes + full_->bundle().size() + 16);
  Bytes mixed = mine;
  std::copy(other.begin() + bundle_end, other.end(), mixed.begin() + bundle_end);
  EXPECT_EQ(error_of([&] { describe_slot(id_of(mixed), mixed, *full_); }), "corrupt");
}

TEST_F(KeySlotTest, EqualRandomnessNeverMeetsAnotherBundleUnderOneKey) {
  FixedRandom random = FixedRandom::constant(std::byte{0x42});
  const Bytes first = make(key_file(1), full_->bundle(), random);
  const Bytes second = make(key_file(1), ingest_keyring(*full_)->bundle(), random);
  const auto salt = [](const Bytes& slot) { return to_hex(ByteView{slot}.subspan(48, 32)); };
  EXPECT_NE(salt(first), salt(second));
  EXPECT_EQ(salt(first), salt(make(key_file(1), full_->bundle(), random)));
}

TEST(KeyFileText, ComesBack) {
  const KeyFile key = std::get<KeyFile>(key_file(0xa5));
  const std::string text = format_key_file(key.key);
  EXPECT_EQ(text,
            "vgerfs-key-1:a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\n");
  EXPECT_TRUE(crypto::equal(parse_key_file(text).key.view(), key.key.view()));
  EXPECT_TRUE(
      crypto::equal(parse_key_file(text.substr(0, text.size() - 1)).key.view(), key.key.view()));
  EXPECT_TRUE(crypto::equal(parse_key_file(text + "\r\n").key.view(), key.key.view()));
}

TEST(KeyFileText, OtherTextIsAUsageError) {
  const std::string good = format_key_file(std::get<KeyFile>(key_file(0xa5)).key);
  for (const std::string& bad :
       {std::string{}, std::string{"\n"}, good.substr(1), good.substr(0, good.size() - 2),
        "x" + good, good.substr(0, good.size() - 1) + "00",
        std::string{"vgerfs-key-2"} + good.substr(12), good + good}) {
    EXPECT_EQ(error_of([&] { parse_key_file(bad); }), "usage") << bad;
  }
}

}  // namespace
}  // namespace vgerfs::repo
