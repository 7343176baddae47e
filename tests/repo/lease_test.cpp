#include "repo/lease.h"

#include <functional>

#include <gtest/gtest.h>

#include "format/lease.pb.h"
#include "repo/forge.h"
#include "repo/keyrings.h"
#include "repo/limits.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::FixedRandom;
namespace proto = format::proto;

class LeaseTest : public ::testing::Test {
 protected:
  static Lease some_lease() {
    Lease lease;
    lease.kind = LeaseKind::exclusive;
    lease.session[15] = std::byte{7};
    lease.host = "alpha";
    lease.program = "vgerfs 0.1";
    lease.pid = 4'000'000'000;
    lease.created_s = kTestTime;
    lease.refreshed_s = kTestTime + 60;
    lease.ttl_s = 900;
    lease.sequence = 3;
    lease.condemnations = {RecordId{crypto::PublicKey{std::byte{1}}}};
    return lease;
  }
  Bytes seal(const Lease& lease, const Keyring& keyring) const {
    FixedRandom random{4};
    return seal_lease(lease, keyring, crypto::Cipher::chacha20poly1305, random);
  }
  Lease open_changed(const std::function<void(proto::Lease&)>& change,
                     const Keyring& author) const {
    auto message =
        payload_of<proto::Lease>(EnvelopeKind::lease, seal(some_lease(), author), *full_);
    change(message);
    return open_lease(forge(EnvelopeKind::lease, message, author), *full_);
  }
  std::string_view error_with(const std::function<void(proto::Lease&)>& change) const {
    return error_of([&] { return open_changed(change, *full_); });
  }

  const std::unique_ptr<Keyring> full_ = full_keyring();
  const std::unique_ptr<Keyring> ingest_ = ingest_keyring(*full_, "alpha");
};

TEST_F(LeaseTest, OpensToWhatWasSealed) {
  for (const Keyring* reader : {full_.get(), ingest_.get()}) {
    const Lease sealed = some_lease();
    const Lease opened = open_lease(seal(sealed, *ingest_), *reader);
    EXPECT_EQ(opened.author.author, ingest_->author().public_key());
    EXPECT_EQ(opened.kind, sealed.kind);
    EXPECT_EQ(opened.session, sealed.session);
    EXPECT_EQ(opened.host, sealed.host);
    EXPECT_EQ(opened.program, sealed.program);
    EXPECT_EQ(opened.pid, sealed.pid);
    EXPECT_EQ(opened.created_s, sealed.created_s);
    EXPECT_EQ(opened.refreshed_s, sealed.refreshed_s);
    EXPECT_EQ(opened.ttl_s, sealed.ttl_s);
    EXPECT_EQ(opened.sequence, sealed.sequence);
    EXPECT_EQ(opened.condemnations, sealed.condemnations);
    EXPECT_EQ(opened.supported, Supported{});
  }
}

TEST_F(LeaseTest, AnyFlippedByteIsNoticed) {
  const Bytes good = seal(some_lease(), *full_);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{0x20};
    EXPECT_NE(error_of([&] { open_lease(bad, *full_); }), "none") << i;
  }
}

TEST_F(LeaseTest, TruncatedOrLongerIsCorrupt) {
  Bytes stored = seal(some_lease(), *full_);
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_EQ(error_of([&] { open_lease(ByteView{stored}.first(size), *full_); }), "corrupt")
        << size;
  }
  stored.push_back(std::byte{0});
  EXPECT_EQ(error_of([&] { open_lease(stored, *full_); }), "corrupt");
  stored.resize(kMaxLeaseBytes + 1);
  EXPECT_EQ(error_of([&] { open_lease(stored, *full_); }), "corrupt");
}

TEST_F(LeaseTest, InTheNameOfAnotherIsCorrupt) {
  EXPECT_EQ(error_of([&] {
              return open_changed(
                  [&](auto& m) { *m.mutable_author() = full_->signed_certificate(); }, *ingest_);
            }),
            "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_author(); }), "corrupt");
  EXPECT_EQ(error_of([&] { open_lease(seal(some_lease(), *full_keyring(5)), *full_); }), "corrupt");
}

TEST_F(LeaseTest, FieldsThatBreakTheFormatAreCorrupt) {
  EXPECT_EQ(error_with([](auto&) {}), "none");
  EXPECT_EQ(error_with([](auto& m) { m.clear_kind(); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.set_kind(static_cast<proto::LeaseKind>(3)); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.clear_session(); }), "corrupt");
  EXPECT_EQ(error_with([](auto& m) { m.add_condemnations("short"); }), "corrupt");
}

TEST_F(LeaseTest, UnknownFeatureIsUnsupportedForItsKindOfWork) {
  EXPECT_EQ(error_with([](auto& m) { m.mutable_features()->add_read(1); }), "unsupported");
  EXPECT_FALSE(
      open_changed([](auto& m) { m.mutable_features()->add_add(1); }, *full_).supported.add);
}

TEST_F(LeaseTest, TextThatIsNotUtf8OrTooLongIsNotSealed) {
  Lease lease = some_lease();
  lease.host = "\xff";
  EXPECT_EQ(error_of([&] { return seal(lease, *full_); }), "usage");
  lease = some_lease();
  lease.condemnations.resize(3000);
  EXPECT_EQ(error_of([&] { return seal(lease, *full_); }), "usage");
}

}  // namespace
}  // namespace vgerfs::repo
