#include "repo/envelope.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "repo/keyrings.h"
#include "repo/limits.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;

constexpr EnvelopeKind kKinds[] = {EnvelopeKind::block, EnvelopeKind::index_record,
                                   EnvelopeKind::snapshot, EnvelopeKind::lease,
                                   EnvelopeKind::slot_info};

/// Everything that decides what an envelope holds.
struct Content {
  EnvelopeKind kind{};
  crypto::Cipher cipher = crypto::Cipher::aes256gcm;
  Codec codec = Codec::raw;
  Bytes directory;  // blocks
  Bytes data;
};

class EnvelopeTest : public ::testing::Test {
 protected:
  static Content content_of(EnvelopeKind kind) {
    Content content{.kind = kind};
    if (kind == EnvelopeKind::block) content.directory = testing::random_bytes(1, 4 + 2 * 36);
    content.data = testing::random_bytes(2, 300);
    return content;
  }

  Bytes seal(const Content& content, crypto::Random& random, const DataKey& data_key,
             const EnvelopeKeys& keys) const {
    Bytes out(sealed_size(content.kind, content.directory.size(), content.data.size()));
    std::copy(content.data.begin(), content.data.end(),
              out.begin() +
                  static_cast<std::ptrdiff_t>(data_offset(content.kind, content.directory.size())));
    const bool is_block = content.kind == EnvelopeKind::block;
    const crypto::AeadTag tag =
        seal_in_place({.kind = content.kind,
                       .cipher = content.cipher,
                       .codec = content.codec,
                       .chunk_kind = is_block ? std::optional{ChunkKind::data} : std::nullopt,
                       .data_key = has_data_key(content.kind) ? &data_key : nullptr},
                      keys, random, content.directory, out);
    EXPECT_TRUE(std::equal(tag.begin(), tag.end(), out.end() - 16));
    return out;
  }
  Bytes seal(const Content& content) const {
    FixedRandom random{5};
    return seal(content, random, *data_key_, keyring_->envelope_keys());
  }

  /// What a reader gets that expects this kind; throws what it throws.
  Content open(EnvelopeKind kind, ByteView envelope, const EnvelopeKeys& keys,
               const crypto::Secret& data_key, const crypto::AeadTag* pinned = nullptr) const {
    const EnvelopeHeader header = parse_envelope_header(envelope, kind);
    const EnvelopeOpener opener{header, envelope, keys, has_data_key(kind) ? &data_key : nullptr};
    Content content{.kind = kind, .cipher = header.cipher, .codec = header.codec};
    if (kind == EnvelopeKind::block) content.directory = opener.directory();
    content.data.resize(header.data_bytes);
    opener.data(content.data, pinned);
    return content;
  }
  Content open(EnvelopeKind kind, ByteView envelope) const {
    return open(kind, envelope, keyring_->envelope_keys(), data_key_->key);
  }
  std::string_view open_error(EnvelopeKind kind, ByteView envelope) const {
    return error_of([&] { open(kind, envelope); });
  }
  static Bytes salt_of(const Bytes& envelope) {
    return {envelope.begin() + 24, envelope.begin() + 56};
  }

  const std::unique_ptr<Keyring> keyring_ = full_keyring();
  FixedRandom key_random_{9};
  const std::shared_ptr<const DataKey> data_key_ = keyring_->make_data_key(key_random_);
};

TEST_F(EnvelopeTest, OpensToWhatWasSealed) {
  for (const EnvelopeKind kind : kKinds) {
    for (const auto cipher : {crypto::Cipher::aes256gcm, crypto::Cipher::chacha20poly1305}) {
      Content content = content_of(kind);
      content.cipher = cipher;
      content.codec = kind == EnvelopeKind::block ? Codec::zstd : Codec::raw;
      const Content opened = open(kind, seal(content));
      EXPECT_EQ(opened.cipher, cipher);
      EXPECT_EQ(opened.codec, content.codec);
      EXPECT_EQ(opened.directory, content.directory);
      EXPECT_EQ(opened.data, content.data);
    }
  }
}

TEST_F(EnvelopeTest, HoldsAnEmptyPayloadButNoEmptyBlock) {
  Content content{.kind = EnvelopeKind::slot_info};
  EXPECT_TRUE(open(content.kind, seal(content)).data.empty());
}

TEST_F(EnvelopeTest, DoesNotShowItsContent) {
  for (const EnvelopeKind kind : kKinds) {
    const Content content = content_of(kind);
    const Bytes envelope = seal(content);
    const auto shows = [&](const Bytes& part) {
      return part.size() >= 8 && std::search(envelope.begin(), envelope.end(), part.begin(),
                                             part.begin() + 8) != envelope.end();
    };
    EXPECT_FALSE(shows(content.directory));
    EXPECT_FALSE(shows(content.data));
  }
}

TEST_F(EnvelopeTest, HeaderIsParsedAsWritten) {
  Content content = content_of(EnvelopeKind::block);
  content.codec = Codec::zstd;
  const Bytes envelope = seal(content);
  const EnvelopeHeader header = parse_envelope_header(envelope, EnvelopeKind::block);
  EXPECT_EQ(header.kind, EnvelopeKind::block);
  EXPECT_EQ(header.codec, Codec::zstd);
  EXPECT_EQ(header.chunk_kind, ChunkKind::data);
  EXPECT_EQ(header.directory_bytes, 76U);
  EXPECT_EQ(header.data_bytes, 300U);
  EXPECT_EQ(header.data_key, data_key_->sealed);
  EXPECT_EQ(header.sealed_bytes(), envelope.size());
  EXPECT_EQ(envelope.size(), 168U + 76 + 16 + 300 + 16);
  EXPECT_EQ(seal(content_of(EnvelopeKind::index_record)).size(), 88U + 300 + 16);
}

TEST_F(EnvelopeTest, TruncatedAtAnyByteIsCorrupt) {
  for (const EnvelopeKind kind : kKinds) {
    const Bytes envelope = seal(content_of(kind));
    for (std::size_t size = 0; size < envelope.size(); ++size) {
      EXPECT_EQ(open_error(kind, ByteView{envelope}.first(size)), "corrupt")
          << to_string(kind) << " of " << size << " bytes";
    }
  }
}

TEST_F(EnvelopeTest, TrailingByteIsCorrupt) {
  for (const EnvelopeKind kind : kKinds) {
    Bytes envelope = seal(content_of(kind));
    envelope.push_back(std::byte{0});
    EXPECT_EQ(open_error(kind, envelope), "corrupt");
  }
}

TEST_F(EnvelopeTest, AnyFlippedBitIsNoticed) {
  for (const EnvelopeKind kind : kKinds) {
    const Bytes good = seal(content_of(kind));
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      Bytes bad = good;
      bad[bit / 8] ^= std::byte{1} << (bit % 8);
      const std::size_t at = bit / 8;
      // Version, cipher, codec and epoch may have other values in a newer format.
      const bool may_be_newer = at == 4 || at == 6 || at == 7 || (at >= 8 && at < 12);
      const auto error = open_error(kind, bad);
      EXPECT_TRUE(error == "corrupt" || (may_be_newer && error == "unsupported"))
          << to_string(kind) << " bit " << bit << ": " << error;
    }
  }
}

TEST_F(EnvelopeTest, OfAnotherKindIsCorrupt) {
  for (const EnvelopeKind sealed : kKinds) {
    const Bytes envelope = seal(content_of(sealed));
    for (const EnvelopeKind expected : kKinds) {
      if (expected == sealed) continue;
      EXPECT_EQ(open_error(expected, envelope), "corrupt");
      // Also when it claims to be what is expected: the keys are made for one kind.
      Bytes claiming = envelope;
      claiming[5] = static_cast<std::byte>(expected);
      EXPECT_EQ(open_error(expected, claiming), "corrupt");
    }
  }
}

TEST_F(EnvelopeTest, OfAnotherRepositoryOrKeyIsCorrupt) {
  const auto other = full_keyring(6);
  for (const EnvelopeKind kind : kKinds) {
    const Bytes envelope = seal(content_of(kind));
    const EnvelopeKeys own = keyring_->envelope_keys();
    const EnvelopeKeys foreign = other->envelope_keys();
    EXPECT_EQ(error_of([&] {
                open(kind, envelope, {foreign.repository, own.meta_key}, data_key_->key);
              }),
              "corrupt");
    EXPECT_EQ(error_of([&] {
                open(kind, envelope, {own.repository, foreign.meta_key}, data_key_->key);
              }),
              "corrupt");
    if (has_data_key(kind)) {
      EXPECT_EQ(error_of([&] { open(kind, envelope, own, crypto::Secret{32}); }), "corrupt");
    }
  }
}

/// Errors of headers with one field changed; these are refused before any key is derived.
class EnvelopeHeaderTest : public EnvelopeTest {
 protected:
  std::string_view with(EnvelopeKind kind, std::size_t at, std::uint64_t value,
                        unsigned width = 1) const {
    Bytes envelope = seal(content_of(kind));
    for (unsigned i = 0; i < width; ++i)
      envelope[at + i] = static_cast<std::byte>(value >> (8 * i));
    return error_of([&] { parse_envelope_header(envelope, kind); });
  }
};

TEST_F(EnvelopeHeaderTest, MagicAndVersionAreChecked) {
  for (const EnvelopeKind kind : kKinds) {
    EXPECT_EQ(with(kind, 0, 'v'), "corrupt");
    EXPECT_EQ(with(kind, 4, 0), "corrupt");
    EXPECT_EQ(with(kind, 4, 2), "unsupported");
    EXPECT_EQ(with(kind, 4, 255), "unsupported");
  }
}

TEST_F(EnvelopeHeaderTest, UnknownCipherCodecAndEpochAreUnsupported) {
  for (const EnvelopeKind kind : kKinds) {
    EXPECT_EQ(with(kind, 6, 0), "unsupported");
    EXPECT_EQ(with(kind, 6, 3), "unsupported");
    EXPECT_EQ(with(kind, 8, 0, 4), "unsupported");
    EXPECT_EQ(with(kind, 8, 2, 4), "unsupported");
    EXPECT_EQ(with(kind, 8, 0x01000001, 4), "unsupported");
  }
  EXPECT_EQ(with(EnvelopeKind::block, 7, 1), "none");
  EXPECT_EQ(with(EnvelopeKind::block, 7, 2), "unsupported");
  EXPECT_EQ(with(EnvelopeKind::snapshot, 7, 1), "corrupt") << "only blocks are compressed";
}

TEST_F(EnvelopeHeaderTest, ChunkKindBelongsToBlocks) {
  EXPECT_EQ(with(EnvelopeKind::block, 12, 0), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::block, 12, 4), "none");
  EXPECT_EQ(with(EnvelopeKind::block, 12, 5), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::lease, 12, 1), "corrupt");
}

TEST_F(EnvelopeHeaderTest, ZeroBytesMustBeZero) {
  for (const EnvelopeKind kind : kKinds) {
    for (const std::size_t at : {13U, 14U, 15U}) EXPECT_EQ(with(kind, at, 1), "corrupt");
  }
}

TEST_F(EnvelopeHeaderTest, DirectoryLengthIsThatOfWholeEntries) {
  EXPECT_EQ(with(EnvelopeKind::block, 16, 0, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::block, 16, 4, 4), "corrupt") << "no chunk";
  EXPECT_EQ(with(EnvelopeKind::block, 16, 40, 4), "none");
  EXPECT_EQ(with(EnvelopeKind::block, 16, 41, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::block, 16, 4 + 36 * 65536, 4), "none");
  EXPECT_EQ(with(EnvelopeKind::block, 16, 4 + 36 * 65537, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::snapshot, 16, 40, 4), "corrupt") << "only blocks have one";
}

TEST_F(EnvelopeHeaderTest, LengthsBeyondTheKindsLimitAreCorrupt) {
  EXPECT_EQ(with(EnvelopeKind::block, 20, 0, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::block, 20, kMaxBlockDataBytes, 4), "none");
  EXPECT_EQ(with(EnvelopeKind::block, 20, kMaxBlockDataBytes + 1, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::index_record, 20, kMaxRecordBytes + 1, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::snapshot, 20, kMaxSnapshotBytes + 1, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::lease, 20, kMaxLeaseBytes + 1, 4), "corrupt");
  EXPECT_EQ(with(EnvelopeKind::slot_info, 20, kMaxSlotBytes + 1, 4), "corrupt");
  for (const EnvelopeKind kind : kKinds) EXPECT_EQ(with(kind, 20, 0xffffffff, 4), "corrupt");
}

TEST_F(EnvelopeTest, DataMustHaveThePinnedTag) {
  const Bytes envelope = seal(content_of(EnvelopeKind::block));
  crypto::AeadTag tag;
  std::copy(envelope.end() - 16, envelope.end(), tag.begin());
  const auto open_with = [&](const crypto::AeadTag& pinned) {
    return error_of([&] {
      open(EnvelopeKind::block, envelope, keyring_->envelope_keys(), data_key_->key, &pinned);
    });
  };
  EXPECT_EQ(open_with(tag), "none");
  for (std::size_t i = 0; i < tag.size(); ++i) {
    crypto::AeadTag other = tag;
    other[i] ^= std::byte{0x40};
    EXPECT_EQ(open_with(other), "corrupt") << i;
  }
}

TEST_F(EnvelopeTest, CommitmentIsComparedBeforeAnythingIsDecrypted) {
  for (const EnvelopeKind kind : kKinds) {
    const Bytes good = seal(content_of(kind));
    for (std::size_t at = 24; at < 88; ++at) {  // salt and commitment
      Bytes bad = good;
      bad[at] ^= std::byte{1};
      const EnvelopeHeader header = parse_envelope_header(bad, kind);
      EXPECT_EQ(error_of([&] {
                  return EnvelopeOpener{header, bad, keyring_->envelope_keys(),
                                        has_data_key(kind) ? &data_key_->key : nullptr};
                }),
                "corrupt")
          << to_string(kind) << " byte " << at;
    }
  }
}

TEST_F(EnvelopeTest, NothingOfDamagedDataComesOut) {
  Bytes envelope = seal(content_of(EnvelopeKind::snapshot));
  envelope.back() ^= std::byte{1};
  const EnvelopeHeader header = parse_envelope_header(envelope, EnvelopeKind::snapshot);
  const EnvelopeOpener opener{header, envelope, keyring_->envelope_keys(), &data_key_->key};
  Bytes out(header.data_bytes, std::byte{0x77});
  EXPECT_EQ(error_of([&] { opener.data(out); }), "corrupt");
  EXPECT_EQ(out, Bytes(header.data_bytes));
}

/// With a generator that always gives the same, and one data key.
class BrokenRandomTest : public EnvelopeTest {
 protected:
  Bytes salt_with(const Content& content) {
    return salt_of(seal(content, constant_, *data_key_, keyring_->envelope_keys()));
  }
  FixedRandom constant_ = FixedRandom::constant(std::byte{0});
};

TEST_F(BrokenRandomTest, SamePartsGiveTheSameSalt) {
  // Otherwise the tests below would show nothing.
  for (const EnvelopeKind kind : kKinds) {
    EXPECT_EQ(salt_with(content_of(kind)), salt_with(content_of(kind)));
  }
}

TEST_F(BrokenRandomTest, NoKeySealsTwoPayloads) {
  for (const EnvelopeKind kind : kKinds) {
    Content content = content_of(kind);
    if (kind == EnvelopeKind::block) content.codec = Codec::zstd;
    const Bytes salt = salt_with(content);
    for (std::size_t i = 0; i < content.data.size(); i += 7) {
      Content other = content;
      other.data[i] ^= std::byte{1};
      EXPECT_NE(salt_with(other), salt) << to_string(kind) << " byte " << i;
    }
    Content shorter = content;
    shorter.data.pop_back();
    EXPECT_NE(salt_with(shorter), salt) << to_string(kind);
  }
}

TEST_F(BrokenRandomTest, NoKeySealsTwoDirectories) {
  // A raw block's data is fixed by the ids in its directory.
  for (const Codec codec : {Codec::raw, Codec::zstd}) {
    Content content = content_of(EnvelopeKind::block);
    content.codec = codec;
    const Bytes salt = salt_with(content);
    for (std::size_t i = 0; i < content.directory.size(); ++i) {
      Content other = content;
      other.directory[i] ^= std::byte{1};
      EXPECT_NE(salt_with(other), salt) << i;
    }
    Content padded = content;
    padded.data.push_back(std::byte{0});
    EXPECT_NE(salt_with(padded), salt) << "padding";
  }
}

TEST_F(BrokenRandomTest, NoKeyIsSharedByTwoHeaders) {
  Content content = content_of(EnvelopeKind::block);
  const Bytes salt = salt_with(content);
  Content other = content;
  other.codec = Codec::zstd;
  EXPECT_NE(salt_with(other), salt);
  other = content;
  other.cipher = crypto::Cipher::chacha20poly1305;
  EXPECT_NE(salt_with(other), salt);
  // Bytes that move from the directory to the data are other content, too.
  other = content;
  other.codec = Codec::zstd;
  Content moved = other;
  moved.data.insert(moved.data.begin(), moved.directory.end() - 36, moved.directory.end());
  moved.directory.resize(moved.directory.size() - 36);
  EXPECT_NE(salt_with(moved), salt_with(other));
}

TEST_F(BrokenRandomTest, EachSessionAndRepositoryHasItsOwnSalts) {
  FixedRandom other_random{10};
  const auto other_key = keyring_->make_data_key(other_random);
  const auto other_keyring = full_keyring(6);
  for (const EnvelopeKind kind : kKinds) {
    const Bytes salt = salt_with(content_of(kind));
    const Bytes other =
        has_data_key(kind)
            ? seal(content_of(kind), constant_, *other_key, keyring_->envelope_keys())
            : seal(content_of(kind), constant_, *data_key_, other_keyring->envelope_keys());
    EXPECT_NE(salt_of(other), salt) << to_string(kind);
  }
}

TEST_F(EnvelopeTest, FreshRandomnessGivesAnotherSaltForTheSameContent) {
  FixedRandom random{5};
  const Content content = content_of(EnvelopeKind::lease);
  EXPECT_NE(salt_of(seal(content, random, *data_key_, keyring_->envelope_keys())),
            salt_of(seal(content, random, *data_key_, keyring_->envelope_keys())));
}

}  // namespace
}  // namespace vgerfs::repo
