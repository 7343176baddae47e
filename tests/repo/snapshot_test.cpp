#include "repo/snapshot.h"

#include <functional>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "repo/forge.h"
#include "repo/keyrings.h"
#include "repo/limits.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;
namespace proto = format::proto;

SnapshotId id_of(ByteView stored) { return SnapshotId{sha256(stored)}; }

class SnapshotTest : public ::testing::Test {
 protected:
  static Snapshot some_snapshot() {
    Snapshot snapshot;
    snapshot.host = "alpha";
    snapshot.source = "home";
    snapshot.time = {-1, 5};
    snapshot.paths = {"/home/\xff"};
    snapshot.root.set_type(proto::ENTRY_DIRECTORY);
    snapshot.root.set_mode(0755);
    snapshot.root.set_subtree(std::string(32, 's'));
    snapshot.parent = SnapshotId{crypto::PublicKey{std::byte{2}}};
    snapshot.tags = {"weekly", "\xc3\xa4"};
    snapshot.statistics.set_files(12);
    snapshot.program = "vgerfs 0.1";
    snapshot.trigger = "backup";
    snapshot.session[0] = std::byte{9};
    snapshot.after_records = {RecordId{crypto::PublicKey{std::byte{3}}}};
    return snapshot;
  }
  Bytes seal(const Snapshot& snapshot, const Keyring& keyring) const {
    FixedRandom random{4};
    return seal_snapshot(snapshot, keyring, *data_key_, crypto::Cipher::aes256gcm, random);
  }
  Snapshot open(const Bytes& stored, const Keyring& keyring) const {
    return open_snapshot(id_of(stored), stored, keyring);
  }
  Snapshot open_changed(const std::function<void(proto::Snapshot&)>& change,
                        const Keyring& author) const {
    auto message = payload_of<proto::Snapshot>(
        EnvelopeKind::snapshot, seal(some_snapshot(), author), *full_, data_key_.get());
    change(message);
    return open(forge(EnvelopeKind::snapshot, message, author, data_key_.get()), *full_);
  }
  std::string_view error_with(const std::function<void(proto::Snapshot&)>& change) const {
    return error_of([&] { return open_changed(change, *full_); });
  }
  std::string_view seal_error(const std::function<void(Snapshot&)>& change) const {
    Snapshot snapshot = some_snapshot();
    change(snapshot);
    return error_of([&] { return seal(snapshot, *full_); });
  }

  const std::unique_ptr<Keyring> full_ = full_keyring();
  const std::unique_ptr<Keyring> ingest_ = ingest_keyring(*full_, "alpha");
  FixedRandom key_random_{9};
  const std::shared_ptr<const DataKey> data_key_ = full_->make_data_key(key_random_);
};

TEST_F(SnapshotTest, OpensToWhatWasSealed) {
  for (const Keyring* author : {full_.get(), ingest_.get()}) {
    const Snapshot sealed = some_snapshot();
    const Bytes stored = seal(sealed, *author);
    const Snapshot opened = open(stored, *full_);
    EXPECT_EQ(opened.id, id_of(stored));
    EXPECT_EQ(opened.author.author, author->author().public_key());
    EXPECT_EQ(opened.kind, kTreeSnapshot);
    EXPECT_EQ(opened.host, sealed.host);
    EXPECT_EQ(opened.source, sealed.source);
    EXPECT_EQ(opened.time, sealed.time);
    EXPECT_EQ(opened.paths, sealed.paths);
    EXPECT_EQ(opened.root.SerializeAsString(), sealed.root.SerializeAsString());
    EXPECT_EQ(opened.parent, sealed.parent);
    EXPECT_EQ(opened.tags, sealed.tags);
    EXPECT_EQ(opened.statistics.files(), 12U);
    EXPECT_EQ(opened.program, sealed.program);
    EXPECT_EQ(opened.trigger, sealed.trigger);
    EXPECT_EQ(opened.session, sealed.session);
    EXPECT_EQ(opened.after_records, sealed.after_records);
    EXPECT_TRUE(opened.belongs_to_line);
    EXPECT_EQ(opened.supported, Supported{});
  }
}

TEST_F(SnapshotTest, IngestKeyCannotReadIt) {
  const Bytes stored = seal(some_snapshot(), *ingest_);
  EXPECT_EQ(error_of([&] { return open(stored, *ingest_); }), "denied");
}

TEST_F(SnapshotTest, WriterReadsItsOwnWhileItRemembersTheDataKey) {
  const Bytes stored = seal(some_snapshot(), *ingest_);
  ingest_->remember(data_key_);
  EXPECT_EQ(open(stored, *ingest_).source, "home");
}

TEST_F(SnapshotTest, ForAnotherHostBelongsToNoLine) {
  Snapshot snapshot = some_snapshot();
  snapshot.host = "beta";
  EXPECT_FALSE(open(seal(snapshot, *ingest_), *full_).belongs_to_line);
  EXPECT_TRUE(open(seal(snapshot, *full_), *full_).belongs_to_line);
}

TEST_F(SnapshotTest, WithAnotherNameIsCorrupt) {
  const Bytes stored = seal(some_snapshot(), *full_);
  EXPECT_EQ(error_of([&] { return open_snapshot(SnapshotId{}, stored, *full_); }), "corrupt");
}

TEST_F(SnapshotTest, AnyFlippedByteIsNoticed) {
  const Bytes good = seal(some_snapshot(), *full_);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{0x20};
    EXPECT_NE(error_of([&] { return open(bad, *full_); }), "none") << i;  // even under its new name
    EXPECT_EQ(error_of([&] { return open_snapshot(id_of(good), bad, *full_); }), "corrupt") << i;
  }
}

TEST_F(SnapshotTest, TruncatedOrLongerIsCorrupt) {
  Bytes stored = seal(some_snapshot(), *full_);
  for (std::size_t size = 0; size < stored.size(); ++size) {
    const Bytes part(stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(error_of([&] { return open(part, *full_); }), "corrupt") << size;
  }
  stored.push_back(std::byte{0});
  EXPECT_EQ(error_of([&] { return open(stored, *full_); }), "corrupt");
  stored.resize(kMaxSnapshotBytes + 1);
  EXPECT_EQ(error_of([&] { return open(stored, *full_); }), "corrupt");
}

TEST_F(SnapshotTest, InTheNameOfAnotherIsCorrupt) {
  EXPECT_EQ(error_of([&] {
              return open_changed(
                  [&](auto& m) { *m.mutable_author() = full_->signed_certificate(); }, *ingest_);
            }),
            "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_author(); }), "corrupt");
}

TEST_F(SnapshotTest, OfAnotherRepositoryIsCorrupt) {
  const auto other = full_keyring(5);
  FixedRandom random{4};
  const auto key = other->make_data_key(random);
  const Bytes stored =
      seal_snapshot(some_snapshot(), *other, *key, crypto::Cipher::aes256gcm, random);
  EXPECT_EQ(error_of([&] { return open(stored, *full_); }), "corrupt");
}

TEST_F(SnapshotTest, FieldsThatBreakTheFormatAreCorrupt) {
  EXPECT_EQ(error_with([](auto&) {}), "none");
  EXPECT_EQ(error_with([](auto& m) { m.set_kind(0); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_host(""); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_host("a/b"); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_source(".."); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_source(std::string(129, 'x')); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_time_ns(1'000'000'000); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_root(); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.mutable_root()->set_name("x"); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.mutable_root()->set_type(proto::ENTRY_FILE); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.mutable_root()->set_subtree("short"); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_parent("short"); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_session(); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.add_after_records(""); }), "corrupt");
}

TEST_F(SnapshotTest, OfAnotherKindIsShownButNotOpened) {
  const Snapshot opened = open_changed(
      [](auto& m) {
        m.set_kind(7);
        m.mutable_root()->set_name("what a later kind may mean by it");
      },
      *full_);
  EXPECT_EQ(opened.kind, 7U);
  EXPECT_EQ(opened.source, "home");
  EXPECT_EQ(opened.root.ByteSizeLong(), 0U);
}

TEST_F(SnapshotTest, UnknownFieldsAreIgnoredAndDoNotTravelOn) {
  const Snapshot opened = open_changed(
      [](auto& m) {
        m.GetReflection()->MutableUnknownFields(&m)->AddVarint(500, 1);
        m.GetReflection()->MutableUnknownFields(m.mutable_root())->AddVarint(500, 1);
      },
      *full_);
  EXPECT_EQ(opened.root.SerializeAsString(), some_snapshot().root.SerializeAsString());
}

TEST_F(SnapshotTest, UnknownFeatureIsUnsupportedForItsKindOfWork) {
  EXPECT_EQ(error_with([](auto& m) { m.mutable_features()->add_read(1); }), "unsupported");
  EXPECT_FALSE(open_changed([](auto& m) { m.mutable_features()->add_maintain(1); }, *full_)
                   .supported.maintain);
}

TEST_F(SnapshotTest, WhatReadersRefuseIsNotSealed) {
  EXPECT_EQ(seal_error([](Snapshot&) {}), "none");
  EXPECT_EQ(seal_error([](Snapshot& s) { s.host = ""; }), "usage");
  EXPECT_EQ(seal_error([](Snapshot& s) { s.source = "a/b"; }), "usage");
  EXPECT_EQ(seal_error([](Snapshot& s) { s.tags = {"\xff"}; }), "usage");
  EXPECT_EQ(seal_error([](Snapshot& s) { s.paths.assign(1000, std::string(2000, 'p')); }), "usage");
  EXPECT_EQ(seal_error([](Snapshot& s) { s.root.set_name("x"); }), "corrupt");
}

}  // namespace
}  // namespace vgerfs::repo
