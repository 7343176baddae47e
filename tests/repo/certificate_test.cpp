#include "repo/certificate.h"

#include <gtest/gtest.h>

#include "repo/forge.h"
#include "repo/message.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
namespace proto = format::proto;

class CertificateTest : public ::testing::Test {
 protected:
  static crypto::SigningKey key(std::uint64_t seed) {
    testing::FixedRandom random{seed};
    crypto::Secret secret{32};
    random.fill(secret.mutable_view());
    return crypto::SigningKey{secret};
  }

  Certificate ingest() const {
    return {.author = author_.public_key(),
            .role = Role::ingest,
            .label = "laptop",
            .hosts = {"alpha", "beta"},
            .created_s = 1'800'000'000};
  }
  Certificate full() const {
    return {.author = author_.public_key(),
            .role = Role::full,
            .label = "",
            .hosts = {},
            .created_s = -5};
  }
  Certificate verify(const proto::SignedCertificate& certificate) const {
    return verify_certificate(certificate, repository_, root_.public_key());
  }
  /// Signed by the root, whatever it says.
  proto::SignedCertificate sign_raw(const proto::Certificate& message) const {
    return forge_certificate(encode_message(message), repository_, root_);
  }
  proto::Certificate ingest_message() const {
    proto::Certificate message;
    message.ParseFromString(sign_certificate(ingest(), repository_, root_).certificate());
    return message;
  }

  const crypto::SigningKey root_ = key(1);
  const crypto::SigningKey author_ = key(2);
  const RepositoryId repository_ = RepositoryId{crypto::PublicKey{std::byte{7}}};
};

TEST_F(CertificateTest, SaysWhatWasSigned) {
  const Certificate certificate = verify(sign_certificate(ingest(), repository_, root_));
  EXPECT_EQ(certificate.author, author_.public_key());
  EXPECT_EQ(certificate.role, Role::ingest);
  EXPECT_EQ(certificate.label, "laptop");
  EXPECT_EQ(certificate.hosts, (std::vector<std::string>{"alpha", "beta"}));
  EXPECT_EQ(certificate.created_s, 1'800'000'000);
  EXPECT_EQ(verify(sign_certificate(full(), repository_, root_)).role, Role::full);
}

TEST_F(CertificateTest, BindsIngestAuthorsToTheirHosts) {
  EXPECT_TRUE(ingest().may_write_for("alpha"));
  EXPECT_TRUE(ingest().may_write_for("beta"));
  EXPECT_FALSE(ingest().may_write_for("gamma"));
  EXPECT_FALSE(ingest().may_write_for("alph"));
  EXPECT_FALSE(ingest().may_write_for(""));
  EXPECT_TRUE(full().may_write_for("gamma"));
}

TEST_F(CertificateTest, OfAnotherRootIsRefused) {
  const crypto::SigningKey other = key(3);
  EXPECT_EQ(error_of([&] { verify(sign_certificate(ingest(), repository_, other)); }), "corrupt");
  EXPECT_EQ(error_of([&] { verify(sign_certificate(ingest(), repository_, author_)); }), "corrupt");
}

TEST_F(CertificateTest, OfAnotherRepositoryIsRefused) {
  const RepositoryId other{crypto::PublicKey{std::byte{8}}};
  EXPECT_EQ(error_of([&] { verify(sign_certificate(ingest(), other, root_)); }), "corrupt");
}

TEST_F(CertificateTest, WithAnyFlippedBitIsRefused) {
  const proto::SignedCertificate good = sign_certificate(ingest(), repository_, root_);
  for (std::size_t i = 0; i < 8 * good.certificate().size(); ++i) {
    proto::SignedCertificate bad = good;
    (*bad.mutable_certificate())[i / 8] ^= static_cast<char>(1 << (i % 8));
    EXPECT_EQ(error_of([&] { verify(bad); }), "corrupt") << i;
  }
  for (std::size_t i = 0; i < 8 * good.signature().size(); ++i) {
    proto::SignedCertificate bad = good;
    (*bad.mutable_signature())[i / 8] ^= static_cast<char>(1 << (i % 8));
    EXPECT_EQ(error_of([&] { verify(bad); }), "corrupt") << i;
  }
}

TEST_F(CertificateTest, WithASignatureOfAnotherLengthIsRefused) {
  proto::SignedCertificate bad = sign_certificate(ingest(), repository_, root_);
  bad.mutable_signature()->push_back('\0');
  EXPECT_EQ(error_of([&] { verify(bad); }), "corrupt");
  bad.clear_signature();
  EXPECT_EQ(error_of([&] { verify(bad); }), "corrupt");
  EXPECT_EQ(error_of([&] { verify(proto::SignedCertificate{}); }), "corrupt");
}

TEST_F(CertificateTest, SignedContentThatIsNotAllowedIsRefused) {
  EXPECT_EQ(error_of([&] { verify(sign_raw(ingest_message())); }), "none");

  proto::Certificate message = ingest_message();
  message.clear_hosts();
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "ingest for no host";

  message = ingest_message();
  message.add_hosts("../etc");
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "host that is no name";

  message = ingest_message();
  message.clear_role();
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "no role";

  message = ingest_message();
  message.set_role(static_cast<proto::Role>(3));
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "unknown role";

  message = ingest_message();
  message.mutable_author()->pop_back();
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "author of 31 bytes";

  message = ingest_message();
  message.set_label(std::string(129, 'x'));
  EXPECT_EQ(error_of([&] { verify(sign_raw(message)); }), "corrupt") << "long label";
}

TEST_F(CertificateTest, IsNotSignedForWhatIsNotAllowed) {
  const auto sign = [&](const Certificate& certificate) {
    return error_of([&] { sign_certificate(certificate, repository_, root_); });
  };
  Certificate wanted = ingest();
  wanted.hosts.clear();
  EXPECT_EQ(sign(wanted), "usage");
  wanted.hosts = {""};
  EXPECT_EQ(sign(wanted), "usage");
  wanted.hosts.assign(1000, std::string(100, 'h'));
  EXPECT_EQ(sign(wanted), "usage") << "it would not fit into a lease";
  wanted = ingest();
  wanted.label = "\xff";
  EXPECT_EQ(sign(wanted), "usage") << "protobuf would not read it back";
  wanted.label = std::string(129, 'x');
  EXPECT_EQ(sign(wanted), "usage");
  wanted.label = std::string(128, 'x');
  EXPECT_EQ(sign(wanted), "none");
}

TEST(ValidName, FollowsTheFormat) {
  for (const char* name : {"a", "alpha", "a.b", "A-Z_09", "-x", "_", "x..y"}) {
    EXPECT_TRUE(is_valid_name(name)) << name;
  }
  EXPECT_TRUE(is_valid_name(std::string(128, 'x')));
  for (const char* name : {"", ".", "..", ".x", "a/b", "a b", "\xc3\xa4", "a\n", "a:b"}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_name(std::string(129, 'x')));
  EXPECT_FALSE(is_valid_name(std::string_view{"a\0b", 3}));
}

}  // namespace
}  // namespace vgerfs::repo
