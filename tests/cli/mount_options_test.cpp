#include "cli/mount_options.h"

#include <vector>

#include <gmock/gmock.h>

#include "support/error_of.h"

namespace vgerfs::cli {
namespace {

using testing::error_of;

MountCommand parse(std::vector<const char*> arguments, bool as_helper = false) {
  return parse_mount_command(arguments, as_helper);
}
MountCommand with_options(const char* options, bool as_helper = false) {
  return parse({"/srv/backup", "/mnt", "-o", options}, as_helper);
}
std::string hint_of(const char* options) {
  try {
    with_options(options);
  } catch (const Error& error) {
    return error.hint();
  }
  return "nothing was thrown";
}

TEST(MountOptions, TakesARepositoryAndAMountPoint) {
  const MountCommand command = parse({"label", "/mnt"});
  EXPECT_EQ(command.global.repository, "label");
  EXPECT_EQ(command.mount_point, "/mnt");
  EXPECT_FALSE(command.foreground);
  EXPECT_EQ(error_of([] { return parse({}); }), "usage");
  EXPECT_EQ(error_of([] { return parse({"/srv/backup"}); }), "usage");
  EXPECT_EQ(error_of([] { return parse({"/srv/backup", ""}); }), "usage");
  EXPECT_EQ(error_of([] { return parse({"/srv/backup", "/mnt", "more"}); }), "usage");
}

TEST(MountOptions, DefaultsKeepOthersAndSetIdOut) {
  const MountCommand command = parse({"/srv/backup", "/mnt"});
  EXPECT_FALSE(command.allow_other);
  EXPECT_FALSE(command.dev);
  EXPECT_FALSE(command.suid);
  EXPECT_FALSE(command.read_only);
  EXPECT_FALSE(command.global.accept_rollback);
}

TEST(MountOptions, UnderstandsEveryOptionOfItsOwn) {
  const MountCommand command = with_options(
      "ro,allow_other,dev,suid,noexec,noatime,accept-rollback,passphrase-file=/p,host=h,config=/"
      "c,cache-dir=/a,state-dir=/b,"
      "cache-size=512M,spool-size=2G,autocommit=90s,checkpoint-interval=5m");
  EXPECT_TRUE(command.read_only && command.allow_other && command.dev && command.suid &&
              command.noexec && command.noatime);
  EXPECT_TRUE(command.global.accept_rollback);
  EXPECT_EQ(command.global.secret.passphrase_file, "/p");
  EXPECT_EQ(command.global.host, "h");
  EXPECT_EQ(command.global.config, "/c");
  EXPECT_EQ(command.global.cache_dir, "/a");
  EXPECT_EQ(command.global.state_dir, "/b");
  EXPECT_EQ(command.cache_bytes, std::uint64_t{512} << 20U);
  EXPECT_EQ(command.spool_bytes, std::uint64_t{2} << 30U);
  EXPECT_EQ(command.autocommit, std::chrono::seconds{90});
  EXPECT_EQ(command.checkpoint_interval, std::chrono::minutes{5});
  EXPECT_TRUE(with_options("allow_dev,allow_suid").dev &&
              with_options("allow_dev,allow_suid").suid);
  EXPECT_EQ(with_options("key-file=/k").global.secret.key_file, "/k");
  EXPECT_TRUE(with_options("ingest-only").ingest_only);
  EXPECT_EQ(with_options("autocommit=0").autocommit, std::chrono::seconds{0});
}

TEST(MountOptions, TheLastOfTwoOppositesWins) {
  EXPECT_FALSE(with_options("dev,suid,noexec,nodev,nosuid,exec").dev);
  EXPECT_FALSE(with_options("suid,nosuid").suid);
  EXPECT_FALSE(with_options("ro,rw").read_only);
  EXPECT_TRUE(parse({"/srv/backup", "/mnt", "-o", "rw", "-o", "ro"}).read_only);
}

TEST(MountOptions, ValuesMayHoldCommasAndQuotes) {
  EXPECT_EQ(
      with_options(R"(passphrase-command=pass show a\,b,ro)").global.secret.passphrase_command,
      "pass show a,b");
  EXPECT_EQ(
      with_options(R"(passphrase-command="pass show a,b",ro)").global.secret.passphrase_command,
      "pass show a,b");
  EXPECT_EQ(with_options(R"(passphrase-command=cat "/a b/c",ro)").global.secret.passphrase_command,
            R"(cat "/a b/c")");
  EXPECT_EQ(with_options("passphrase-command=a=b").global.secret.passphrase_command, "a=b");
  EXPECT_TRUE(with_options(R"(passphrase-command="x",ro)").read_only);
  EXPECT_EQ(error_of([] { return with_options(R"(passphrase-command="x,ro)"); }), "usage");
}

TEST(MountOptions, IgnoresWhatMountAndFstabSayToEachOther) {
  const MountCommand command = with_options(
      "defaults,_netdev,nofail,noauto,auto,nouser,x-systemd.automount,x-initrd.mount,"
      "X-mount.mkdir,comment=hello,relatime,strictatime,lazytime,nodiratime,async",
      true);
  EXPECT_FALSE(command.read_only || command.noexec);
  EXPECT_TRUE(with_options("user").noexec) << "as mount(8) says";
  EXPECT_FALSE(with_options("user,exec").noexec);
  EXPECT_TRUE(with_options("users").noexec);
}

TEST(MountOptions, RefusesWithTheWayOut) {
  for (const char* options :
       {"setuid=bob", "drop_privileges", "allow_root", "remount,ro", "sync", "auto_unmount"}) {
    EXPECT_EQ(error_of([&] { return with_options(options); }), "usage") << options;
    EXPECT_NE(hint_of(options), "") << options;
  }
  EXPECT_THAT(hint_of("setuid=bob"), ::testing::HasSubstr("user"));
}

TEST(MountOptions, NothingUnknownIsIgnoredUnlessAskedTo) {
  EXPECT_EQ(error_of([] { return with_options("passphrase-fil=/p"); }), "usage");
  EXPECT_THAT(hint_of("passphrase-fil=/p"), ::testing::HasSubstr("passphrase-file"));
  EXPECT_EQ(error_of([] { return parse({"/srv/backup", "/mnt", "--fast"}); }), "usage");
  EXPECT_TRUE(parse({"/srv/backup", "/mnt", "-s", "-o", "whatever,ro"}, true).read_only);
  EXPECT_EQ(error_of([] {
              return parse({"/srv/backup", "/mnt", "-s", "-o", "setuid=bob"}, true);
            }),
            "usage")
      << "sloppiness does not make privileges vanish";
}

TEST(MountOptions, ChecksValues) {
  for (const char* options : {"host", "host=", "cache-size=many", "autocommit=soon",
                              "checkpoint-interval=0", "ro=1", "ro,ingest-only"}) {
    EXPECT_EQ(error_of([&] { return with_options(options); }), "usage") << options;
  }
}

TEST(MountOptions, TheShortFlagsDependOnWhoCalls) {
  EXPECT_TRUE(parse({"-f", "/srv/backup", "/mnt"}).foreground);
  EXPECT_FALSE(parse({"-f", "/srv/backup", "/mnt"}).fake);
  const MountCommand helper =
      parse({"/srv/backup", "/mnt", "-s", "-f", "-n", "-v", "-t", "fuse.vgerfs", "-o", "ro"}, true);
  EXPECT_TRUE(helper.fake && helper.verbose && helper.read_only);
  EXPECT_FALSE(helper.foreground);
  EXPECT_TRUE(parse({"/srv/backup", "/mnt", "-r"}).read_only);
  EXPECT_TRUE(parse({"/srv/backup", "/mnt", "-oro"}).read_only);
  EXPECT_EQ(error_of([] { return parse({"/srv/backup", "/mnt", "-o"}); }), "usage");
  EXPECT_TRUE(parse({"--help"}).help);
  EXPECT_TRUE(parse({"--version"}).version);
}

}  // namespace
}  // namespace vgerfs::cli
