#include "fs/ingest_acl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::fs {
namespace {

using vgerfs::testing::TemporaryDirectory;

const Acl kNamed = {{AclTag::owner, 7, 0},        {AclTag::user, 6, 1000}, {AclTag::user, 5, 1001},
                    {AclTag::owning_group, 5, 0}, {AclTag::group, 7, 50},  {AclTag::mask, 6, 0},
                    {AclTag::other, 0, 0}};
const Acl kMinimal = {{AclTag::owner, 6, 0}, {AclTag::owning_group, 4, 0}, {AclTag::other, 4, 0}};

TEST(Acl, RoundTripsThroughItsXattr) {
  EXPECT_EQ(parse_acl(encode_acl(kNamed)), kNamed);
  EXPECT_EQ(parse_acl(encode_acl(kMinimal)), kMinimal);
}

TEST(Acl, RejectsWhatIsNoAcl) {
  const auto broken = [](auto change) {
    Acl acl = kNamed;
    change(acl);
    return parse_acl(encode_acl(acl)) == std::nullopt;
  };
  EXPECT_TRUE(broken([](Acl& acl) { acl.erase(acl.begin()); })) << "no owner";
  EXPECT_TRUE(broken([](Acl& acl) { acl.pop_back(); })) << "no other";
  EXPECT_TRUE(broken([](Acl& acl) { acl.erase(acl.begin() + 5); }))
      << "named entries without a mask";
  EXPECT_TRUE(broken([](Acl& acl) { acl[2].id = acl[1].id; })) << "one user twice";
  EXPECT_TRUE(broken([](Acl& acl) { acl[0].permissions = 8; })) << "more than rwx";
  Bytes bytes = encode_acl(kMinimal);
  bytes.pop_back();
  EXPECT_EQ(parse_acl(bytes), std::nullopt);
  bytes = encode_acl(kMinimal);
  bytes[0] = std::byte{3};
  EXPECT_EQ(parse_acl(bytes), std::nullopt) << "another version";
  bytes = encode_acl(kMinimal);
  bytes[4] = std::byte{0x40};
  EXPECT_EQ(parse_acl(bytes), std::nullopt) << "an unknown tag";
  EXPECT_EQ(parse_acl({}), std::nullopt);
}

TEST(Acl, SortsNamedEntries) {
  Acl acl = kNamed;
  std::swap(acl[1], acl[2]);
  EXPECT_EQ(parse_acl(encode_acl(acl)), kNamed);
}

TEST(Acl, ShowsItsMaskAsTheGroupBits) {
  EXPECT_EQ(mode_with_acl(S_IFREG | 04123, kNamed), mode_t{S_IFREG | 04760});
  EXPECT_EQ(mode_with_acl(0, kMinimal), mode_t{0644});
}

TEST(Acl, ChmodChangesTheMaskAndLeavesTheGroup) {
  Acl acl = kNamed;
  chmod_acl(acl, 0421);
  EXPECT_EQ(acl[0].permissions, 4);
  EXPECT_EQ(acl[3].permissions, 5);
  EXPECT_EQ(acl[5].permissions, 2);
  EXPECT_EQ(acl[6].permissions, 1);
  Acl minimal = kMinimal;
  chmod_acl(minimal, 0712);
  EXPECT_EQ(mode_with_acl(0, minimal), mode_t{0712});
}

/// Compares with what the kernel's own file system makes of it.
class AclOracle : public ::testing::Test {
 protected:
  void SetUp() override {
    probe_ = directory_ / "probe";
    ASSERT_EQ(::mkdir(probe_.c_str(), 0755), 0);
    const Bytes value = encode_acl(kNamed);
    if (::setxattr(probe_.c_str(), "system.posix_acl_default", value.data(), value.size(), 0) !=
        0) {
      GTEST_SKIP() << "no POSIX ACLs in " << directory_.path();
    }
  }

  static std::optional<Acl> read(const std::string& path, std::string_view name) {
    Bytes value(4096);
    const ssize_t count =
        ::getxattr(path.c_str(), std::string{name}.c_str(), value.data(), value.size());
    if (count < 0) return std::nullopt;
    value.resize(static_cast<std::size_t>(count));
    return parse_acl(value);
  }
  static mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    return status.st_mode;
  }

  TemporaryDirectory directory_;
  std::string probe_;
};

TEST_F(AclOracle, AgreesOnInheritanceModeAndChmod) {
  std::mt19937_64 random{testing::test_seed()};
  const auto permissions = [&] { return static_cast<std::uint16_t>(random() % 8); };
  for (int round = 0; round < 200; ++round) {
    Acl acl = {{AclTag::owner, permissions(), 0}, {AclTag::owning_group, permissions(), 0}};
    if (random() % 2 == 0)
      acl.push_back({AclTag::user, permissions(), 1000 + static_cast<std::uint32_t>(random() % 3)});
    if (random() % 2 == 0) acl.push_back({AclTag::group, permissions(), 50});
    if (acl.size() > 2 || random() % 2 == 0) acl.push_back({AclTag::mask, permissions(), 0});
    acl.push_back({AclTag::other, permissions(), 0});
    const auto default_acl = parse_acl(encode_acl(acl));
    ASSERT_TRUE(default_acl);
    const Bytes value = encode_acl(*default_acl);
    ASSERT_EQ(::setxattr(probe_.c_str(), "system.posix_acl_default", value.data(), value.size(), 0),
              0);

    const auto mode = static_cast<mode_t>(random() % 01000);
    const std::string file = probe_ + "/file";
    ::umask(static_cast<mode_t>(random() % 0100));  // must not count
    const int fd = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY, mode);
    ::umask(022);
    ASSERT_GE(fd, 0) << std::strerror(errno);
    ::close(fd);
    InheritedAcl mine = inherit_acl(*default_acl, S_IFREG | mode);
    EXPECT_EQ(mode_of(file), mine.mode);
    EXPECT_EQ(read(file, kAccessAclName), mine.access);

    const auto changed = static_cast<mode_t>(random() % 01000);
    ASSERT_EQ(::chmod(file.c_str(), changed), 0);
    if (mine.access) chmod_acl(*mine.access, changed);
    EXPECT_EQ(read(file, kAccessAclName), mine.access);
    EXPECT_EQ(mode_of(file) & 0777, changed);

    ASSERT_EQ(::setxattr(file.c_str(), "system.posix_acl_access", value.data(), value.size(), 0),
              0);
    EXPECT_EQ(mode_of(file), mode_with_acl(S_IFREG | changed, *default_acl));
    EXPECT_EQ(read(file, kAccessAclName).has_value(), !is_minimal(*default_acl));
    ASSERT_EQ(::unlink(file.c_str()), 0);
  }
}

}  // namespace
}  // namespace vgerfs::fs
