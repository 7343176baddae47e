#include "server/server_config.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

class ServerConfigTest : public ::testing::Test {
 protected:
  /// The configuration of this file, or the message of its error.
  ServerConfig load(const std::string& text) {
    replace_file(file_, bytes_of(text), 0600);
    return load_server_config(
        {.file = file_,
         .environment = [this](const std::string& name) -> std::optional<std::string> {
           const auto found = environment_.find(name);
           if (found == environment_.end()) return std::nullopt;
           return found->second;
         },
         .flags = flags_});
  }
  std::string problem(const std::string& text) {
    try {
      load(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::usage);
      std::string message = error.message();
      for (std::size_t at; (at = message.find(file_)) != std::string::npos;) {
        message.replace(at, file_.size(), "FILE");
      }
      return message;
    }
    return "none";
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string file_ = directory_ / "server.toml";
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> flags_;
};

TEST_F(ServerConfigTest, HasDefaultsThatAreSafe) {
  const ServerConfig config = load("[server]\ndata_dir = '/data'\n");
  ASSERT_EQ(config.listen.size(), 1U);
  EXPECT_EQ(config.listen[0].text(), "127.0.0.1:8484");
  EXPECT_TRUE(config.require_token);
  EXPECT_FALSE(config.allow_insecure);
  EXPECT_EQ(config.trash_days, 7U);
}

TEST_F(ServerConfigTest, ReadsEveryKey) {
  const ServerConfig config = load(R"(
[server]
listen = ["127.0.0.1:1", "[::1]:2", "unix:/run/x.sock"]
data_dir = "/data"
token = "a long secret"
require_token = true
append_only = true
log_format = "json"
quota_bytes = 1_000
min_free_bytes = 5
trash_days = 3
[repositories."team/one"]
quota_bytes = 7
)");
  EXPECT_EQ(config.listen[1].text(), "[::1]:2");
  EXPECT_EQ(config.listen[2].text(), "unix:/run/x.sock");
  EXPECT_EQ(config.token, "a long secret");
  EXPECT_TRUE(config.append_only);
  EXPECT_EQ(config.log_format, LogFormat::json_lines);
  EXPECT_EQ(config.quota_bytes, 1000U);
  EXPECT_EQ(config.repository_quotas.at("team/one"), 7U);
}

TEST_F(ServerConfigTest, FlagsComeBeforeTheEnvironmentAndThatBeforeTheFile) {
  environment_["VGERFS_SERVER_TRASH_DAYS"] = "2";
  environment_["VGERFS_SERVER_QUOTA_BYTES"] = "20";
  flags_["quota_bytes"] = "300";
  const ServerConfig config = load("[server]\ndata_dir='/d'\ntrash_days=1\nquota_bytes=1\n");
  EXPECT_EQ(config.trash_days, 2U);
  EXPECT_EQ(config.quota_bytes, 300U);
}

TEST_F(ServerConfigTest, AnUnknownKeyIsAnErrorWithItsPlace) {
  EXPECT_EQ(problem("[server]\ndata_dir = '/d'\n  apend_only = true\n"),
            "FILE:3:3: unknown key \"apend_only\" in [server]");
  EXPECT_EQ(problem("[server]\ndata_dir = '/d'\n[sever]\n"), "FILE:3:2: unknown key \"sever\"");
  EXPECT_EQ(problem("[server]\ndata_dir='/d'\n[repositories.one]\nquota=1\n"),
            "FILE:4:1: unknown key \"quota\" of a repository");
  EXPECT_EQ(problem("[server]\ndata_dir='/d'\n[repositories.data]\n"),
            "FILE:3:15: \"data\" is no name of a repository");
}

TEST_F(ServerConfigTest, AWrongValueIsAnErrorWithItsPlace) {
  EXPECT_EQ(problem("[server]\ndata_dir = '/d'\nappend_only = 'yes'\n"),
            "FILE:3:15: \"append_only\" must be true or false");
  EXPECT_EQ(problem("[server]\ndata_dir = '/d'\nquota_bytes = -1\n"),
            "FILE:3:15: \"quota_bytes\": must be at least 0");
  EXPECT_EQ(problem("[server]\ndata_dir = '/d'\nlisten = 'here'\n").substr(0, 20),
            "FILE:3:10: \"listen\":");
  EXPECT_EQ(problem("[server]\ndata_dir = /d\n").substr(0, 9), "FILE:2:12");
}

TEST_F(ServerConfigTest, ASecretIsNotInTheErrorAboutIt) {
  EXPECT_EQ(problem("[server]\ntoken = hunter2\n").find("hunter2"), std::string::npos);
  EXPECT_EQ(problem("[server]\ndata_dir='/d'\ntoken = 'hunter2'\n").find("hunter2"),
            std::string::npos);
}

TEST_F(ServerConfigTest, PlainHttpOnOtherAddressesMustBeAllowed) {
  EXPECT_NE(problem("[server]\ndata_dir='/d'\nlisten='0.0.0.0:1'\n").find("allow_insecure"),
            std::string::npos);
  EXPECT_EQ(problem("[server]\ndata_dir='/d'\nlisten='0.0.0.0:1'\nallow_insecure=true\n"), "none");
  EXPECT_EQ(problem("[server]\ndata_dir='/d'\nlisten='127.5.5.5:1'\n"), "none");
}

TEST_F(ServerConfigTest, ATokenMayComeFromAFileOrAsACredential) {
  replace_file(directory_ / "token", bytes_of("from the file\n"), 0600);
  EXPECT_EQ(load("[server]\ndata_dir='/d'\ntoken_file='" + (directory_ / "token") + "'\n").token,
            "from the file");
  environment_["CREDENTIALS_DIRECTORY"] = directory_.path();
  EXPECT_EQ(load("[server]\ndata_dir='/d'\n").token, "from the file");
  EXPECT_EQ(load("[server]\ndata_dir='/d'\ntoken='a longer one'\n").token, "a longer one");
  EXPECT_NE(problem("[server]\ndata_dir='/d'\ntoken_file='/none'\n"), "none");
}

TEST_F(ServerConfigTest, AllProblemsAreToldAtOnce) {
  environment_["VGERFS_SERVER_TRASH_DAYS"] = "many";
  EXPECT_EQ(problem("[server]\nx = 1\n"),
            "FILE:2:1: unknown key \"x\" in [server]\n"
            "VGERFS_SERVER_TRASH_DAYS: must be a whole number\n"
            "data_dir: must be set");
}

TEST(ServerManual, NamesEverySetting) {
  const std::string page{text_of(read_whole_file(VGERFS_DOCS "/man/vgerfs-server.8.scd", 1 << 20))};
  for (const Setting& setting : settings()) {
    EXPECT_NE(page.find(fmt::format("*{}*", setting.key)), std::string::npos) << setting.key;
  }
}

TEST(ServerCompletions, KnowEveryFlag) {
  for (const std::string file : {"vgerfs-server.bash", "_vgerfs-server", "vgerfs-server.fish"}) {
    const Bytes text = read_whole_file(VGERFS_COMPLETIONS "/" + file, 1 << 20);
    for (const Setting& setting : settings()) {
      if (setting.key == "token") continue;  // never on a command line
      std::string flag{setting.key};
      std::replace(flag.begin(), flag.end(), '_', '-');
      const std::string word = (file == "vgerfs-server.fish" ? "-l " : "--") + flag;
      EXPECT_NE(text_of(text).find(word), std::string_view::npos) << file << ": " << word;
    }
  }
}

TEST(ListenAddress, TakesAddressesOnly) {
  for (const std::string_view text :
       {"", "8484", ":8484", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1",
        "example.com:80", "::1:80", "[::1]", "unix:", "unix:relative", "127.0.0.1:80x"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
  EXPECT_EQ(parse_listen_address("localhost:0")->text(), "127.0.0.1:0");
}

}  // namespace
}  // namespace vgerfs::server
