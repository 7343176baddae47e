#include "repo/config.h"

#include <functional>

#include <gtest/gtest.h>

#include "format/config.pb.h"
#include "repo/keyrings.h"
#include "repo/message.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
namespace proto = format::proto;

class ConfigTest : public ::testing::Test {
 protected:
  Config config() const {
    return {.repository = keyring_->repository(),
            .root_public_key = keyring_->root_public_key(),
            .created_s = kTestTime,
            .chunker = {},
            .cipher = crypto::Cipher::chacha20poly1305};
  }

  /// The stored form of a changed message, rightly signed.
  Bytes stored_with(const std::function<void(proto::Config&)>& change, std::uint16_t version = 1,
                    std::uint16_t zero = 0) const {
    const Bytes good = encode_config(config(), keyring_->root());
    proto::Config message;
    message.ParseFromArray(good.data() + 16, static_cast<int>(good.size() - 16 - 64));
    change(message);
    const Bytes payload = encode_message(message);
    Bytes stored;
    ByteWriter writer{stored};
    writer.bytes(bytes_of("VGERCONF"));
    writer.u16(version);
    writer.u16(zero);
    writer.u32(static_cast<std::uint32_t>(payload.size()));
    writer.bytes(payload);
    Bytes to_sign;
    ByteWriter sign_writer{to_sign};
    sign_writer.bytes(bytes_of("vgerfs/1 config"));
    sign_writer.u8(0);
    sign_writer.bytes(stored);
    writer.bytes(keyring_->root().sign(to_sign));
    EXPECT_TRUE(verify_config(stored, keyring_->root_public_key()));
    return stored;
  }
  std::string_view error_with(const std::function<void(proto::Config&)>& change) const {
    return error_of([&] { parse_config(stored_with(change)); });
  }

  const std::unique_ptr<Keyring> keyring_ = full_keyring();
};

TEST_F(ConfigTest, SaysWhatWasEncoded) {
  const Bytes stored = encode_config(config(), keyring_->root());
  const Config parsed = parse_config(stored);
  EXPECT_EQ(parsed.repository, keyring_->repository());
  EXPECT_EQ(parsed.root_public_key, keyring_->root_public_key());
  EXPECT_EQ(parsed.created_s, kTestTime);
  EXPECT_EQ(parsed.chunker, ChunkerParameters{});
  EXPECT_EQ(parsed.cipher, crypto::Cipher::chacha20poly1305);
  EXPECT_EQ(parsed.supported, Supported{});
  EXPECT_TRUE(verify_config(stored, keyring_->root_public_key()));
}

TEST_F(ConfigTest, CipherMayBeLeftToTheCpu) {
  Config automatic = config();
  automatic.cipher.reset();
  EXPECT_EQ(parse_config(encode_config(automatic, keyring_->root())).cipher, std::nullopt);
}

TEST_F(ConfigTest, SignatureCoversEveryByte) {
  const Bytes good = encode_config(config(), keyring_->root());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{4};
    EXPECT_FALSE(verify_config(bad, keyring_->root_public_key())) << i;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(verify_config(ByteView{good}.first(size), keyring_->root_public_key())) << size;
  }
}

TEST_F(ConfigTest, SignatureOfAnotherRootDoesNotHold) {
  const Bytes stored = encode_config(config(), keyring_->root());
  EXPECT_FALSE(verify_config(stored, full_keyring(9)->root_public_key()));
  EXPECT_FALSE(verify_config(stored, keyring_->author().public_key()));
}

TEST_F(ConfigTest, TruncatedOrLongerIsCorrupt) {
  Bytes stored = encode_config(config(), keyring_->root());
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_EQ(error_of([&] { parse_config(ByteView{stored}.first(size)); }), "corrupt") << size;
  }
  stored.push_back(std::byte{0});
  EXPECT_EQ(error_of([&] { parse_config(stored); }), "corrupt");
  EXPECT_EQ(error_of([&] { parse_config(Bytes(100'000)); }), "corrupt");
}

TEST_F(ConfigTest, HugeLengthIsCorruptAndNotAllocated) {
  Bytes stored = encode_config(config(), keyring_->root());
  for (std::size_t i = 12; i < 16; ++i) stored[i] = std::byte{0xff};
  EXPECT_EQ(error_of([&] { parse_config(stored); }), "corrupt");
}

TEST_F(ConfigTest, NewerVersionIsUnsupported) {
  const auto nothing = [](proto::Config&) {};
  EXPECT_EQ(error_of([&] { parse_config(stored_with(nothing, 2)); }), "unsupported");
  EXPECT_EQ(error_of([&] { parse_config(stored_with(nothing, 0xffff)); }), "unsupported");
  EXPECT_EQ(error_of([&] { parse_config(stored_with(nothing, 0)); }), "corrupt");
  EXPECT_EQ(error_of([&] { parse_config(stored_with(nothing, 1, 1)); }), "corrupt");
}

TEST_F(ConfigTest, OtherMagicIsCorrupt) {
  Bytes stored = encode_config(config(), keyring_->root());
  stored[7] = std::byte{'E'};
  EXPECT_EQ(error_of([&] { parse_config(stored); }), "corrupt");
}

TEST_F(ConfigTest, ChunkSizesOutsideTheLimitsAreCorruptAndNotEncoded) {
  constexpr std::uint32_t kKiB = 1024;
  const auto error = [&](std::uint32_t min, std::uint32_t average, std::uint32_t max) {
    Config wrong = config();
    wrong.chunker = {min, average, max};
    const auto encoding = error_of([&] { encode_config(wrong, keyring_->root()); });
    const auto decoding = error_with([&](proto::Config& message) {
      message.mutable_chunker()->set_min_bytes(min);
      message.mutable_chunker()->set_average_bytes(average);
      message.mutable_chunker()->set_max_bytes(max);
    });
    return std::pair{encoding, decoding};
  };
  const std::pair<std::string_view, std::string_view> refused{"usage", "corrupt"};
  const std::pair<std::string_view, std::string_view> fine{"none", "none"};
  EXPECT_EQ(error(4 * kKiB, 16 * kKiB, 32 * kKiB), fine);
  EXPECT_EQ(error(4 * kKiB, 4096 * kKiB, 8192 * kKiB), fine);
  EXPECT_EQ(error(4 * kKiB - 1, 16 * kKiB, 32 * kKiB), refused);
  EXPECT_EQ(error(4 * kKiB, 8 * kKiB, 32 * kKiB), refused);
  EXPECT_EQ(error(16 * kKiB, 16 * kKiB, 32 * kKiB), refused);
  EXPECT_EQ(error(4 * kKiB, 16 * kKiB, 16 * kKiB), refused);
  EXPECT_EQ(error(4 * kKiB, 16 * kKiB + 1, 32 * kKiB), refused);
  EXPECT_EQ(error(4 * kKiB, 24 * kKiB, 32 * kKiB), refused);
  EXPECT_EQ(error(4 * kKiB, 4096 * kKiB, 8192 * kKiB + 1), refused);
  EXPECT_EQ(error(4 * kKiB, 8192 * kKiB, 8192 * kKiB), refused);
  EXPECT_EQ(error(0, 0, 0), refused);
}

TEST_F(ConfigTest, UnknownAlgorithmsAreUnsupported) {
  EXPECT_EQ(error_with([](proto::Config& m) { m.mutable_chunker()->set_algorithm(2); }),
            "unsupported");
  EXPECT_EQ(error_with([](proto::Config& m) { m.set_id_algorithm(2); }), "unsupported");
  EXPECT_EQ(error_with([](proto::Config& m) { m.set_cipher(3); }), "unsupported");
  EXPECT_EQ(error_with([](proto::Config& m) { m.set_key_epoch(2); }), "unsupported");
}

TEST_F(ConfigTest, IdsOfOtherLengthsAreCorrupt) {
  EXPECT_EQ(error_with([](proto::Config& m) { m.mutable_repository_id()->pop_back(); }), "corrupt");
  EXPECT_EQ(error_with([](proto::Config& m) { m.mutable_root_public_key()->push_back('x'); }),
            "corrupt");
}

TEST_F(ConfigTest, UnknownFeatureIsUnsupportedForItsKindOfWork) {
  EXPECT_EQ(error_with([](proto::Config& m) { m.mutable_features()->add_read(1); }), "unsupported");
  const Config adding =
      parse_config(stored_with([](auto& m) { m.mutable_features()->add_add(1); }));
  EXPECT_EQ(adding.supported, (Supported{.add = false, .maintain = true}));
  const Config maintaining =
      parse_config(stored_with([](auto& m) { m.mutable_features()->add_maintain(7); }));
  EXPECT_EQ(maintaining.supported, (Supported{.add = true, .maintain = false}));
}

}  // namespace
}  // namespace vgerfs::repo
