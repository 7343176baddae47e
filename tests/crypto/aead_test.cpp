#include "crypto/aead.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "crypto/random.h"
#include "crypto/vectors.h"

namespace vgerfs::crypto {
namespace {

struct AeadVector {
  Cipher cipher;
  std::string_view key, nonce, associated, plain, sealed, tag;
};

constexpr AeadVector kVectors[] = {
    // McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13, 14
    // and 16.
    {Cipher::aes256gcm, "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {Cipher::aes256gcm, "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {Cipher::aes256gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b16aedf5aa0de657b"
     "a637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5f61e6393ba7a0ab"
     "cc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    // RFC 8439 section 2.8.2.
    {Cipher::chacha20poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492"
     "0636f756c64206f66666"
     "57220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e2077"
     "6f756c642062652069"
     "742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da927"
     "28b1a71de0a9e060b290"
     "5d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a"
     "9de576d26586cec64b"
     "6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

TEST(Aead, AgreesWithPublishedVectors) {
  for (const AeadVector& vector : kVectors) {
    const Bytes key = unhex(vector.key);
    const auto nonce = unhex_array<12>(vector.nonce);
    const Bytes associated = unhex(vector.associated);
    const Bytes plain = unhex(vector.plain);
    Bytes sealed(plain.size());
    const AeadTag tag = aead_seal(vector.cipher, key, nonce, associated, {}, plain, sealed);
    EXPECT_EQ(to_hex(sealed), vector.sealed);
    EXPECT_EQ(to_hex(tag), vector.tag);
    Bytes opened(plain.size());
    EXPECT_TRUE(aead_open(vector.cipher, key, nonce, associated, {}, sealed, tag, opened));
    EXPECT_EQ(opened, plain);
  }
}

class AeadOf : public testing::TestWithParam<Cipher> {
 protected:
  const Cipher cipher_ = GetParam();
  const Bytes key_ = counting(32);
  const AeadNonce nonce_ = unhex_array<12>("000102030405060708090a0b");
  const Bytes associated_ = counting(37, 0x30);
  const Bytes plain_ = counting(200);
  Bytes sealed_ = Bytes(200);
  const AeadTag tag_ = aead_seal(cipher_, key_, nonce_, associated_, {}, plain_, sealed_);

  /// False, and the output wiped.
  void expect_refused(ByteView key, const AeadNonce& nonce, ByteView associated, ByteView sealed,
                      const AeadTag& tag, const std::string& what) {
    Bytes opened(sealed.size(), std::byte{0x55});
    EXPECT_FALSE(aead_open(cipher_, key, nonce, associated, {}, sealed, tag, opened)) << what;
    EXPECT_EQ(opened, Bytes(sealed.size())) << what;
  }
};

TEST_P(AeadOf, WorksInPlace) {
  Bytes bytes = plain_;
  EXPECT_EQ(aead_seal(cipher_, key_, nonce_, associated_, {}, bytes, bytes), tag_);
  EXPECT_EQ(bytes, sealed_);
  EXPECT_TRUE(aead_open(cipher_, key_, nonce_, associated_, {}, bytes, tag_, bytes));
  EXPECT_EQ(bytes, plain_);
}

TEST_P(AeadOf, AssociatedDataMayComeInTwoParts) {
  const ByteView associated{associated_};
  for (std::size_t i = 0; i <= associated.size(); ++i) {
    Bytes sealed(plain_.size());
    EXPECT_EQ(aead_seal(cipher_, key_, nonce_, associated.first(i), associated.subspan(i), plain_,
                        sealed),
              tag_);
    EXPECT_EQ(sealed, sealed_);
  }
}

TEST_P(AeadOf, SealsNothingAndMuch) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 4096U, 1U << 20, (1U << 20) + 7}) {
    Bytes plain(size);
    system_random().fill(plain);
    Bytes bytes = plain;
    const AeadTag tag = aead_seal(cipher_, key_, nonce_, {}, {}, bytes, bytes);
    EXPECT_TRUE(aead_open(cipher_, key_, nonce_, {}, {}, bytes, tag, bytes));
    EXPECT_EQ(bytes, plain);
  }
}

TEST_P(AeadOf, RefusesEveryFlippedByte) {
  const auto flipped = [](auto bytes, std::size_t at) {
    bytes[at] ^= std::byte{0x80};
    return bytes;
  };
  for (std::size_t i = 0; i < tag_.size(); ++i) {
    expect_refused(key_, nonce_, associated_, sealed_, flipped(tag_, i),
                   "tag byte " + std::to_string(i));
  }
  for (std::size_t i = 0; i < associated_.size(); ++i) {
    expect_refused(key_, nonce_, flipped(associated_, i), sealed_, tag_,
                   "associated byte " + std::to_string(i));
  }
  for (std::size_t i = 0; i < sealed_.size(); ++i) {
    expect_refused(key_, nonce_, associated_, flipped(sealed_, i), tag_,
                   "byte " + std::to_string(i));
  }
  for (std::size_t i = 0; i < key_.size(); ++i) {
    expect_refused(flipped(key_, i), nonce_, associated_, sealed_, tag_,
                   "key byte " + std::to_string(i));
  }
  for (std::size_t i = 0; i < nonce_.size(); ++i) {
    expect_refused(key_, flipped(nonce_, i), associated_, sealed_, tag_,
                   "nonce byte " + std::to_string(i));
  }
}

TEST_P(AeadOf, RefusesOtherLengths) {
  const ByteView associated{associated_};
  const ByteView sealed{sealed_};
  expect_refused(key_, nonce_, associated.first(36), sealed_, tag_, "shorter associated data");
  expect_refused(key_, nonce_, {}, sealed_, tag_, "no associated data");
  expect_refused(key_, nonce_, associated_, sealed.first(199), tag_, "shorter");
  expect_refused(key_, nonce_, associated_, {}, tag_, "empty");
}

TEST_P(AeadOf, AFailureLeavesTheNextOneAlone) {
  expect_refused(key_, nonce_, {}, sealed_, tag_, "no associated data");
  Bytes opened(plain_.size());
  EXPECT_TRUE(aead_open(cipher_, key_, nonce_, associated_, {}, sealed_, tag_, opened));
  EXPECT_EQ(opened, plain_);
}

TEST_P(AeadOf, WorksFromManyThreads) {
  std::vector<int> wrong(8);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([this, &count] {
        Bytes bytes(plain_.size());
        for (int i = 0; i < 300; ++i) {
          count += static_cast<int>(
              aead_seal(cipher_, key_, nonce_, associated_, {}, plain_, bytes) != tag_);
          count += static_cast<int>(
              !aead_open(cipher_, key_, nonce_, associated_, {}, bytes, tag_, bytes));
        }
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(8));
}

INSTANTIATE_TEST_SUITE_P(Ciphers, AeadOf,
                         testing::Values(Cipher::aes256gcm, Cipher::chacha20poly1305),
                         [](const auto& parameter) {
                           return parameter.param == Cipher::aes256gcm ? "Aes256Gcm"
                                                                       : "ChaCha20Poly1305";
                         });

TEST(Aead, CiphersDoNotOpenEachOther) {
  const Bytes key = counting(32);
  Bytes bytes = counting(64);
  const AeadTag tag = aead_seal(Cipher::aes256gcm, key, {}, {}, {}, bytes, bytes);
  EXPECT_FALSE(aead_open(Cipher::chacha20poly1305, key, {}, {}, {}, bytes, tag, bytes));
}

TEST(FastestCipher, IsAlwaysTheSame) { EXPECT_EQ(fastest_cipher(), fastest_cipher()); }

}  // namespace
}  // namespace vgerfs::crypto
