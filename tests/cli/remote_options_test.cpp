#include "cli/remote_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/cli_run.h"
#include "support/error_of.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using vgerfs::testing::thrown_by;

class RemoteOptionsTest : public ::testing::Test {
 protected:
  std::string token() { return remote_options(options_, settings_, surroundings_.io).token; }
  std::string file(const std::string& name, const std::string& content) {
    return surroundings_.directory.write(name, content);
  }

  TestIo surroundings_;
  RemoteCommandOptions options_;
  RemoteSettings settings_;
};

TEST_F(RemoteOptionsTest, ATokenIsFirstTheOptionsThenTheEnvironmentsThenTheConfigurations) {
  EXPECT_EQ(token(), "") << "a server may want none";
  file("credentials/vgerfs.rest-token", "systemd\n");
  surroundings_.environment["CREDENTIALS_DIRECTORY"] = surroundings_.directory / "credentials";
  EXPECT_EQ(token(), "systemd");
  settings_.token_file = file("configured", "configured file\n");
  EXPECT_EQ(token(), "configured file");
  settings_.token_file.reset();
  settings_.token = "configuration";
  EXPECT_EQ(token(), "configuration");
  surroundings_.environment["VGERFS_REST_TOKEN_FILE"] = file("named", "environment's file\n");
  EXPECT_EQ(token(), "environment's file");
  surroundings_.environment.erase("VGERFS_REST_TOKEN_FILE");
  surroundings_.environment["VGERFS_REST_TOKEN"] = "environment";
  EXPECT_EQ(token(), "environment");
  options_.token_file = file("option", "option\n");
  EXPECT_EQ(token(), "option");
}

TEST_F(RemoteOptionsTest, TwoTokensInTheEnvironmentAreOneTooMany) {
  surroundings_.environment["VGERFS_REST_TOKEN"] = "s3cret";
  surroundings_.environment["VGERFS_REST_TOKEN_FILE"] = file("token", "another\n");
  const Error error = thrown_by([&] { token(); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message() + error.hint(), Not(HasSubstr("s3cret")));
}

TEST_F(RemoteOptionsTest, AFileThatCannotBeReadIsNamedAsTheTokens) {
  options_.token_file = "/nowhere/token";
  EXPECT_THAT(thrown_by([&] { token(); }).message(),
              ::testing::AllOf(HasSubstr("the token for the server"), HasSubstr("/nowhere/token")));
}

TEST_F(RemoteOptionsTest, AnAuthorityIsFirstTheOptionsThenTheEnvironmentsThenTheConfigurations) {
  const auto ca_file = [&] {
    return remote_options(options_, settings_, surroundings_.io).ca_file;
  };
  EXPECT_EQ(ca_file(), "");
  settings_.ca_file = "/configured.pem";
  EXPECT_EQ(ca_file(), "/configured.pem");
  surroundings_.environment["VGERFS_CA_FILE"] = "/environment.pem";
  EXPECT_EQ(ca_file(), "/environment.pem");
  options_.ca_file = "/option.pem";
  EXPECT_EQ(ca_file(), "/option.pem");
}

TEST_F(RemoteOptionsTest, LimitsOfTheCommandLineComeBeforeTheConfigurations) {
  settings_.upload_limit = 1000;
  settings_.download_limit = 2000;
  auto remote = remote_options(options_, settings_, surroundings_.io);
  EXPECT_EQ(remote.upload_bytes_per_s, 1000U);
  EXPECT_EQ(remote.download_bytes_per_s, 2000U);
  options_.limit_upload = "3K";
  options_.limit_download = "0";
  remote = remote_options(options_, settings_, surroundings_.io);
  EXPECT_EQ(remote.upload_bytes_per_s, 3072U);
  EXPECT_EQ(remote.download_bytes_per_s, 0U) << "no limit after all";
  options_.limit_download = "fast";
  const Error error = thrown_by([&] { remote_options(options_, settings_, surroundings_.io); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message(), HasSubstr("--limit-download fast"));
}

TEST_F(RemoteOptionsTest, WhatOnlyTheConfigurationSaysIsTaken) {
  settings_.user = "joe";
  settings_.client_certificate = "/client.pem";
  settings_.client_key = "/client.key";
  settings_.allow_insecure = true;
  std::stop_source stop;
  surroundings_.io.stop = stop.get_token();
  const auto remote = remote_options(options_, settings_, surroundings_.io);
  EXPECT_EQ(remote.user, "joe");
  EXPECT_EQ(remote.client_certificate, "/client.pem");
  EXPECT_EQ(remote.client_key, "/client.key");
  EXPECT_TRUE(remote.allow_insecure);
  EXPECT_FALSE(remote_options({}, {}, surroundings_.io).allow_insecure);
  stop.request_stop();
  EXPECT_TRUE(remote.stop.stop_requested()) << "a signal would not end its waiting";
}

}  // namespace
}  // namespace vgerfs::cli
