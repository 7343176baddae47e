#include "crypto/mac.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "crypto/random.h"
#include "crypto/vectors.h"

namespace vgerfs::crypto {
namespace {

struct HmacVector {
  Bytes key;
  Bytes message;
  std::string_view mac;
};

Bytes text(std::string_view characters) {
  const ByteView view = bytes_of(characters);
  return {view.begin(), view.end()};
}
Bytes repeated(std::size_t count, unsigned byte) {
  return Bytes(count, static_cast<std::byte>(byte));
}

// RFC 4231 section 4, without the truncated case 5; at the end the empty key and message.
std::vector<HmacVector> hmac_vectors() {
  return {
      {repeated(20, 0x0b), text("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {text("Jefe"), text("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeated(20, 0xaa), repeated(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting(25, 1), repeated(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeated(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeated(131, 0xaa),
       text("This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be "
            "hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
      {{}, {}, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
  };
}

TEST(HmacSha256, AgreesWithRfc4231) {
  for (const HmacVector& vector : hmac_vectors()) {
    EXPECT_EQ(to_hex(hmac_sha256(vector.key, vector.message)), vector.mac);
    EXPECT_EQ(to_hex(HmacKey{vector.key}(vector.message)), vector.mac);
  }
}

TEST(HmacKey, GivesTheSameForAnySplitOfTheMessage) {
  const HmacKey key{counting(32)};
  const Bytes message = counting(100);
  const Mac whole = key(message);
  for (std::size_t i = 0; i <= 100; i += 10) {
    const ByteView view{message};
    EXPECT_EQ(key(view.first(i), view.subspan(i)), whole);
    EXPECT_EQ(key({}, view.first(i), {}, view.subspan(i)), whole);
    EXPECT_EQ(key(view.first(i / 2), view.subspan(i / 2, i - i / 2), view.subspan(i)), whole);
  }
}

TEST(HmacKey, KeysUsedInTurnDoNotMix) {
  const auto vectors = hmac_vectors();
  std::vector<HmacKey> keys;
  for (const HmacVector& vector : vectors) keys.emplace_back(vector.key);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(to_hex(keys[i](vectors[i].message)), vectors[i].mac);
      EXPECT_EQ(to_hex(keys[i](vectors[i].message)), vectors[i].mac)
          << "again, with the schedule kept";
      EXPECT_EQ(to_hex(hmac_sha256(vectors[0].key, vectors[0].message)), vectors[0].mac);
    }
  }
}

TEST(HmacKey, AKeyAtTheSameAddressIsNotTakenForTheLastOne) {
  for (const HmacVector& vector : hmac_vectors()) {
    const HmacKey key{vector.key};  // every round in the same place
    EXPECT_EQ(to_hex(key(vector.message)), vector.mac);
  }
}

TEST(HmacKey, SurvivesAMove) {
  HmacKey first{text("Jefe")};
  HmacKey second{std::move(first)};
  const Bytes message = text("what do ya want for nothing?");
  EXPECT_EQ(to_hex(second(message)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  second = HmacKey{repeated(20, 0x0b)};
  EXPECT_EQ(to_hex(second(text("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

TEST(HmacKey, WorksFromManyThreads) {
  const HmacKey a{counting(32)};
  const HmacKey b{counting(32, 1)};
  const Bytes message = counting(200);
  const Mac mac_a = a(message);
  const Mac mac_b = b(message);
  std::vector<int> wrong(8);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&, &count = count] {
        for (int i = 0; i < 500; ++i)
          count += static_cast<int>(a(message) != mac_a) + static_cast<int>(b(message) != mac_b);
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(8));
}

/// HKDF by OpenSSL, 64 bytes.
Bytes openssl_hkdf(ByteView input_key, ByteView salt, ByteView info) {
  EVP_KDF* const kdf = ::EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* const context = ::EVP_KDF_CTX_new(kdf);
  ::EVP_KDF_free(kdf);
  char digest[] = "SHA256";
  Bytes key_copy{input_key.begin(), input_key.end()};
  Bytes salt_copy{salt.begin(), salt.end()};
  Bytes info_copy{info.begin(), info.end()};
  const OSSL_PARAM parameters[] = {
      ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key_copy.data(), key_copy.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy.data(), salt_copy.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_copy.data(), info_copy.size()),
      ::OSSL_PARAM_construct_end()};
  Bytes out(64);
  EXPECT_EQ(::EVP_KDF_derive(context, uchars(MutableBytes{out}), out.size(), parameters), 1);
  ::EVP_KDF_CTX_free(context);
  return out;
}

TEST(HkdfPair, AgreesWithRfc5869) {
  // Test case 2, the first 64 of its 82 bytes.
  const HkdfPair pair = hkdf_pair(counting(80), counting(80, 0x60), counting(80, 0xb0));
  EXPECT_EQ(to_hex(pair.first.view()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
  EXPECT_EQ(to_hex(pair.second),
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71");
}

TEST(HkdfPair, AgreesWithOpenSsl) {
  for (const std::size_t key_bytes : {1U, 32U, 64U, 200U}) {
    for (const std::size_t info_bytes : {1U, 42U, 100U}) {
      Bytes key(key_bytes);
      system_random().fill(key);
      const auto salt = random_array<32>(system_random());
      Bytes info(info_bytes);
      system_random().fill(info);
      const HkdfPair pair = hkdf_pair(key, salt, info);
      EXPECT_EQ(to_hex(pair.first.view()) + to_hex(pair.second),
                to_hex(openssl_hkdf(key, salt, info)));
    }
  }
}

TEST(Siphash, AgreesWithItsReference) {
  // vectors_sip64 of the reference implementation: key and message count up from 0.
  const Bytes key = counting(16);
  EXPECT_EQ(siphash(key, {}), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(key, counting(1)), 0x74f839c593dc67fdU);
  EXPECT_EQ(siphash(key, counting(7)), 0xab0200f58b01d137U);
  EXPECT_EQ(siphash(key, counting(8)), 0x93f5f5799a932462U);
  EXPECT_EQ(siphash(key, counting(15)), 0xa129ca6149be45e5U);
  EXPECT_EQ(siphash(key, counting(63)), 0x958a324ceb064572U);
}

}  // namespace
}  // namespace vgerfs::crypto
