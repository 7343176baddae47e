#include "repo/keyring.h"

#include <functional>

#include <gtest/gtest.h>

#include "crypto/mac.h"
#include "repo/keyrings.h"
#include "repo/message.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;
namespace proto = format::proto;

proto::KeyBundle message_of(const Keyring& keyring) {
  const crypto::Secret encoded = keyring.bundle();
  proto::KeyBundle message;
  message.ParseFromArray(encoded.view().data(), static_cast<int>(encoded.size()));
  return message;
}

std::string_view error_with(const Keyring& keyring,
                            const std::function<void(proto::KeyBundle&)>& change) {
  proto::KeyBundle message = message_of(keyring);
  change(message);
  return error_of([&] { Keyring::from_bundle(encode_message(message)); });
}

TEST(Keyring, GeneratesAFullOne) {
  const auto keyring = full_keyring();
  EXPECT_EQ(keyring->role(), Role::full);
  EXPECT_EQ(keyring->certificate().label, "full");
  EXPECT_EQ(keyring->certificate().created_s, kTestTime);
  EXPECT_TRUE(keyring->certificate().hosts.empty());
  EXPECT_EQ(keyring->certificate().author, keyring->author().public_key());
  EXPECT_EQ(keyring->root().public_key(), keyring->root_public_key());
  EXPECT_NE(keyring->repository(), full_keyring(5)->repository());
}

TEST(Keyring, ComesBackFromItsBundle) {
  const auto keyring = full_keyring();
  const auto again = Keyring::from_bundle(keyring->bundle().view());
  EXPECT_EQ(again->repository(), keyring->repository());
  EXPECT_EQ(again->author().public_key(), keyring->author().public_key());
  EXPECT_EQ(again->chunk_id(ChunkKind::data, bytes_of("x")),
            keyring->chunk_id(ChunkKind::data, bytes_of("x")));
  EXPECT_EQ(again->gear_table(), keyring->gear_table());
  EXPECT_EQ(again->split_key(), keyring->split_key());
  EXPECT_TRUE(crypto::equal(again->bundle().view(), keyring->bundle().view()));

  const auto ingest = ingest_keyring(*keyring);
  EXPECT_TRUE(crypto::equal(Keyring::from_bundle(ingest->bundle().view())->bundle().view(),
                            ingest->bundle().view()));
}

TEST(Keyring, MakesABundleForAnotherAuthorOfTheSameRepository) {
  const auto full = full_keyring();
  const auto ingest = ingest_keyring(*full, "alpha");
  EXPECT_EQ(ingest->role(), Role::ingest);
  EXPECT_EQ(ingest->certificate().hosts, std::vector<std::string>{"alpha"});
  EXPECT_EQ(ingest->repository(), full->repository());
  EXPECT_NE(ingest->author().public_key(), full->author().public_key());
  EXPECT_EQ(ingest->chunk_id(ChunkKind::tree, bytes_of("x")),
            full->chunk_id(ChunkKind::tree, bytes_of("x")));

  const auto second = other_keyring(*full, Role::full, {}, 3);
  EXPECT_EQ(second->role(), Role::full);
  EXPECT_EQ(second->root().public_key(), full->root().public_key());
}

TEST(Keyring, OfRoleIngestHoldsNeitherDataNorRootSecret) {
  const auto full = full_keyring();
  const auto ingest = ingest_keyring(*full);
  const std::string bundle = raw_string(ingest->bundle().view());
  const proto::KeyBundle secrets = message_of(*full);
  EXPECT_EQ(bundle.find(secrets.data_secret_key()), std::string::npos);
  EXPECT_EQ(bundle.find(secrets.root_seed()), std::string::npos);
  EXPECT_EQ(bundle.find(secrets.author_seed()), std::string::npos);
  EXPECT_NE(bundle.find(secrets.meta_key()), std::string::npos) << "the search itself works";
}

TEST(Keyring, OfRoleIngestMakesNoBundlesAndNoCertificates) {
  const auto ingest = ingest_keyring(*full_keyring());
  FixedRandom random{4};
  EXPECT_EQ(error_of([&] { ingest->root(); }), "denied");
  EXPECT_EQ(error_of([&] { ingest->make_bundle(ingest->certificate(), random); }), "denied");
}

TEST(Keyring, RejectsABundleThatBreaksTheFormat) {
  const auto full = full_keyring();
  const auto other = full_keyring(7);
  const auto ingest = ingest_keyring(*full);
  const proto::KeyBundle foreign = message_of(*other);
  EXPECT_EQ(error_with(*full, [](auto&) {}), "none");

  using Change = std::function<void(proto::KeyBundle&)>;
  const std::pair<const char*, Change> changes[] = {
      {"repository id too short", [](auto& m) { m.mutable_repository_id()->pop_back(); }},
      {"root public key too short", [](auto& m) { m.mutable_root_public_key()->pop_back(); }},
      {"id key too short", [](auto& m) { m.mutable_id_key()->pop_back(); }},
      {"id key missing", [](auto& m) { m.clear_id_key(); }},
      {"meta key too long", [](auto& m) { m.mutable_meta_key()->push_back('x'); }},
      {"data public key too short", [](auto& m) { m.mutable_data_public_key()->pop_back(); }},
      {"data secret key too long", [](auto& m) { m.mutable_data_secret_key()->push_back('x'); }},
      {"author seed too short", [](auto& m) { m.mutable_author_seed()->pop_back(); }},
      {"root seed too short", [](auto& m) { m.mutable_root_seed()->pop_back(); }},
      {"full without sk", [](auto& m) { m.clear_data_secret_key(); }},
      {"full without root", [](auto& m) { m.clear_root_seed(); }},
      {"no certificate", [](auto& m) { m.clear_certificate(); }},
      {"other repository id", [&](auto& m) { m.set_repository_id(foreign.repository_id()); }},
      {"other root public key", [&](auto& m) { m.set_root_public_key(foreign.root_public_key()); }},
      {"other sk", [&](auto& m) { m.set_data_secret_key(foreign.data_secret_key()); }},
      {"other pk", [&](auto& m) { m.set_data_public_key(foreign.data_public_key()); }},
      {"other author seed", [&](auto& m) { m.set_author_seed(foreign.author_seed()); }},
      {"other root seed", [&](auto& m) { m.set_root_seed(foreign.root_seed()); }},
      {"other certificate", [&](auto& m) { *m.mutable_certificate() = foreign.certificate(); }},
  };
  for (const auto& [what, change] : changes)
    EXPECT_EQ(error_with(*full, change), "corrupt") << what;

  EXPECT_EQ(error_with(*ingest, [](auto&) {}), "none");
  const proto::KeyBundle own = message_of(*full);
  EXPECT_EQ(error_with(*ingest, [&](auto& m) { m.set_data_secret_key(own.data_secret_key()); }),
            "corrupt");
  EXPECT_EQ(error_with(*ingest, [&](auto& m) { m.set_root_seed(own.root_seed()); }), "corrupt");
}

TEST(Keyring, OfAnotherKeyEpochIsUnsupported) {
  const auto full = full_keyring();
  EXPECT_EQ(error_with(*full, [](auto& m) { m.set_key_epoch(2); }), "unsupported");
  EXPECT_EQ(error_with(*full, [](auto& m) { m.set_key_epoch(0); }), "unsupported");
}

TEST(Keyring, TruncatedBundleIsCorruptAtEveryLength) {
  const crypto::Secret bundle = full_keyring()->bundle();
  for (std::size_t size = 0; size + 2 < bundle.size(); ++size) {
    // Without its last field (key_epoch, 2 bytes) it is another epoch's.
    EXPECT_NE(error_of([&] { Keyring::from_bundle(bundle.view().first(size)); }), "none") << size;
  }
}

TEST(ChunkIds, AreKeyedAndDependOnTheKind) {
  const auto keyring = full_keyring();
  const proto::KeyBundle message = message_of(*keyring);
  const crypto::Mac subkey =
      crypto::hmac_sha256(bytes_of(message.id_key()), bytes_of("vgerfs/1 chunk id"));
  EXPECT_EQ(keyring->chunk_id(ChunkKind::extents, bytes_of("content")).bytes(),
            crypto::hmac_sha256(subkey, bytes_of("\x03"
                                                 "content")));
  EXPECT_NE(keyring->chunk_id(ChunkKind::data, bytes_of("x")),
            keyring->chunk_id(ChunkKind::tree, bytes_of("x")));
  EXPECT_NE(keyring->chunk_id(ChunkKind::data, bytes_of("x")),
            full_keyring(5)->chunk_id(ChunkKind::data, bytes_of("x")));
}

TEST(LocalKey, DependsOnItsPurposeOnlyAndIsTheSameForEachRole) {
  const auto full = full_keyring();
  const auto ingest = ingest_keyring(*full);
  EXPECT_TRUE(crypto::equal(full->local_key("a").view(), ingest->local_key("a").view()));
  EXPECT_FALSE(crypto::equal(full->local_key("a").view(), full->local_key("b").view()));
  EXPECT_EQ(full->local_key("a").size(), 32U);
}

TEST(DataKeys, OpenWithTheFullKeyOnly) {
  const auto full = full_keyring();
  const auto ingest = ingest_keyring(*full);
  FixedRandom random{11};
  const auto key = ingest->make_data_key(random);
  EXPECT_TRUE(crypto::equal(full->open_data_key(key->sealed)->key.view(), key->key.view()));
  EXPECT_EQ(error_of([&] { ingest->open_data_key(key->sealed); }), "denied");
}

TEST(DataKeys, AreReadableWithoutSecretKeyWhileRemembered) {
  const auto ingest = ingest_keyring(*full_keyring());
  FixedRandom random{11};
  const auto key = ingest->make_data_key(random);
  ingest->remember(key);
  EXPECT_EQ(ingest->open_data_key(key->sealed), key);
  ingest->forget(key->sealed);
  EXPECT_EQ(error_of([&] { ingest->open_data_key(key->sealed); }), "denied");
}

TEST(DataKeys, OfAnotherRepositoryAreCorrupt) {
  const auto full = full_keyring();
  FixedRandom random{11};
  const auto key = full_keyring(5)->make_data_key(random);
  EXPECT_EQ(error_of([&] { full->open_data_key(key->sealed); }), "corrupt");
}

TEST(DataKeys, AreOpenedOnceAndDroppedWhenThereAreMany) {
  const auto full = full_keyring();
  FixedRandom random{11};
  const auto first = full->make_data_key(random);
  const auto opened = full->open_data_key(first->sealed);
  EXPECT_EQ(full->open_data_key(first->sealed), opened) << "cached";
  for (int i = 0; i < 1024; ++i) full->open_data_key(full->make_data_key(random)->sealed);
  const auto again = full->open_data_key(first->sealed);
  EXPECT_NE(again, opened) << "the cache is bounded";
  EXPECT_TRUE(crypto::equal(again->key.view(), first->key.view()));
}

}  // namespace
}  // namespace vgerfs::repo
