#include "crypto/public_key.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "crypto/vectors.h"

namespace vgerfs::crypto {
namespace {

Secret secret(std::string_view digits) { return Secret{ByteView{unhex(digits)}}; }

struct SignatureVector {
  std::string_view seed, public_key, message, signature;
};

// RFC 8032 section 7.1, tests 1 to 3 and "SHA(abc)".
constexpr SignatureVector kSignatures[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe246"
     "55141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb"
     "00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6594a7c15e9716ed28dc"
     "027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "bbd454d4423643ce80e2"
     "a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0303dca179c138ac17ad"
     "9bef1177331a704"},
};

TEST(SigningKey, AgreesWithRfc8032) {
  for (const SignatureVector& vector : kSignatures) {
    const SigningKey key{secret(vector.seed)};
    EXPECT_EQ(to_hex(key.public_key()), vector.public_key);
    const Bytes message = unhex(vector.message);
    const Signature signature = key.sign(message);
    EXPECT_EQ(to_hex(signature), vector.signature);
    EXPECT_TRUE(verify(key.public_key(), message, signature));
  }
}

TEST(Verify, RejectsEveryFlippedBitOfKeyMessageAndSignature) {
  const SigningKey key{secret(kSignatures[2].seed)};
  const Bytes message = unhex(kSignatures[2].message);
  const Signature signature = key.sign(message);
  for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Signature other = signature;
    other[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(verify(key.public_key(), message, other)) << "signature bit " << bit;
  }
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    Bytes other = message;
    other[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(verify(key.public_key(), other, signature)) << "message bit " << bit;
  }
  for (std::size_t bit = 0; bit < 256; ++bit) {
    PublicKey other = key.public_key();
    other[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(verify(other, message, signature)) << "key bit " << bit;
  }
  EXPECT_FALSE(verify(key.public_key(), {}, signature));
}

TEST(Verify, RejectsTheKeyThatSignsEverything) {
  // The neutral element as key with R neutral and S = 0 fits every message in implementations that
  // do not look.
  PublicKey neutral{};
  neutral[0] = std::byte{1};
  Signature signature{};
  signature[0] = std::byte{1};
  EXPECT_FALSE(verify(neutral, bytes_of("anything"), signature));
}

TEST(BoxPublicKey, AgreesWithRfc7748) {
  // Section 6.1, Bob.
  EXPECT_EQ(to_hex(box_public_key(
                secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))),
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST(BoxKeyPair, HoldsThePublicHalfOfItsSecret) {
  const BoxKeyPair pair = make_box_key_pair(system_random());
  EXPECT_EQ(pair.secret_key.size(), 32U);
  EXPECT_EQ(pair.public_key, box_public_key(pair.secret_key));
  EXPECT_NE(pair.public_key, make_box_key_pair(system_random()).public_key);
}

TEST(SealedDataKey, OpensForItsRecipientOnly) {
  const BoxKeyPair mine = make_box_key_pair(system_random());
  const BoxKeyPair other = make_box_key_pair(system_random());
  const Secret data_key{ByteView{counting(32)}};
  const SealedDataKey sealed = seal_data_key(data_key, mine.public_key);
  const auto opened = open_data_key(sealed, mine.public_key, mine.secret_key);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(equal(opened->view(), data_key.view()));
  EXPECT_FALSE(open_data_key(sealed, other.public_key, other.secret_key));
  EXPECT_FALSE(open_data_key(sealed, other.public_key, mine.secret_key));
  EXPECT_FALSE(open_data_key(sealed, mine.public_key, other.secret_key));
}

TEST(SealedDataKey, DoesNotOpenWithAFlippedByte) {
  const BoxKeyPair pair = make_box_key_pair(system_random());
  const SealedDataKey sealed = seal_data_key(Secret{ByteView{counting(32)}}, pair.public_key);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    SealedDataKey other = sealed;
    other[i] ^= std::byte{0x10};
    EXPECT_FALSE(open_data_key(other, pair.public_key, pair.secret_key)) << i;
  }
}

TEST(SealedDataKey, DiffersEachTime) {
  const BoxKeyPair pair = make_box_key_pair(system_random());
  const Secret data_key{32};
  EXPECT_NE(seal_data_key(data_key, pair.public_key), seal_data_key(data_key, pair.public_key));
}

TEST(SealedDataKey, IsNotSealedToAPointOfSmallOrder) {
  // A shared secret with such a point is known to everybody.
  EXPECT_THROW(seal_data_key(Secret{32}, PublicKey{}), Error);
}

}  // namespace
}  // namespace vgerfs::crypto
