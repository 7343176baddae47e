// The command line of vgerfs-admin: options, errors, exit codes.
#include "cli/admin.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(Admin, PrintsItsVersion) {
  const RunResult result = run({"version"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, StartsWith("vgerfs-admin "));
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_EQ(run({"version", "--json"}).json().at("format"), 1);
}

TEST(Admin, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  EXPECT_EQ(run({"--json", "version"}).json(), run({"version", "--json"}).json());
  EXPECT_EQ(run({"--json", "config", "example"}).json(),
            run({"config", "example", "--json"}).json());
}

TEST(Admin, HelpGoesToStandardOutput) {
  const RunResult result = run({"--help"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("--repository"));
  EXPECT_THAT(result.out, HasSubstr("config"));
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_EQ(run({"config", "check", "--help"}).status, 0);
}

TEST(Admin, WithoutACommandItShowsItsHelpAndFails) {
  const RunResult result = run({});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, HasSubstr("--repository"));
}

TEST(Admin, AMistypedCommandIsAUsageErrorWithASuggestion) {
  const RunResult result = run({"versoin"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err,
            "vgerfs-admin: unknown command \"versoin\"\nhint: did you mean \"version\"?\n");
  EXPECT_THAT(run({"config", "chekc"}).err, HasSubstr("hint: did you mean \"check\"?"));
}

TEST(Admin, AMistypedOptionIsAUsageErrorWithASuggestion) {
  const RunResult result = run({"version", "--jsno"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err,
            "vgerfs-admin: version: unknown option --jsno\nhint: did you mean \"--json\"?\n");
}

TEST(Admin, ErrorsAreJsonWithJson) {
  const RunResult result = run({"--json", "versoin"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.out, IsEmpty());
  const auto error = result.error();
  EXPECT_EQ(error.at("code"), "usage");
  EXPECT_EQ(error.at("exit_code"), 2);
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("versoin"));
  EXPECT_THAT(error.at("hint").get<std::string>(), HasSubstr("version"));
}

TEST(Admin, QuietAndVerboseContradictEachOther) {
  EXPECT_EQ(run({"version", "-q", "-v"}).status, 2);
}

TEST(Admin, SuperfluousArgumentsAreUsageErrors) {
  EXPECT_EQ(run({"version", "version"}).status, 2);
  EXPECT_EQ(run({"config", "example", "check"}).status, 2);
}

TEST(ConfigCommand, TheExamplePassesTheCheck) {
  const RunResult example = run({"config", "example"});
  ASSERT_EQ(example.status, 0);
  TestIo surroundings;
  const std::string file = surroundings.directory.write("example.yaml", example.out);
  const RunResult check = run({"config", "check", file, "--json"}, surroundings);
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_TRUE(check.json().at("ok").get<bool>());
  EXPECT_THAT(check.json().at("problems"), IsEmpty());
}

TEST(ConfigCommand, CheckExplainsEveryProblem) {
  TestIo surroundings;
  const std::string file =
      surroundings.directory.write("bad.yaml", "hots: a\nsources:\n  - {label: x}\n");
  const RunResult result = run({"config", "check", "--config", file}, surroundings);
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(
      result.out,
      file + ":1:1: unknown key \"hots\" in the configuration\n  hint: did you mean \"host\"?\n" +
          file + ":3:5: this source has no path\n");
  TestIo others;
  const RunResult json = run({"config", "check", file, "--json"}, others);
  EXPECT_FALSE(json.json().at("ok").get<bool>());
  EXPECT_EQ(json.json().at("problems").at(0).at("line"), 1);
  EXPECT_EQ(json.json().at("problems").at(1).at("column"), 5);
}

TEST(ConfigCommand, CheckWarnsOfWhatIsNotThere) {
  TestIo surroundings;
  const std::string file = surroundings.directory.write(
      "vgerfs.yaml",
      "encryption: {passphrase_file: pass}\nsources:\n  - {label: a, path: nowhere}\n");
  const RunResult result = run({"config", "check", file}, surroundings);
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("pass: No such file or directory"));
  EXPECT_THAT(result.out, HasSubstr("nowhere: No such file or directory"));
}

TEST(ConfigCommand, CheckWarnsOfSecretsThatOthersCanRead) {
  TestIo surroundings;
  const auto open_to_all = [&](const char* name, const std::string& text) {
    const std::string path = surroundings.directory.write(name, text);
    std::filesystem::permissions(path, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    return path;
  };
  const std::string token = open_to_all("token", "x");
  const std::string key = open_to_all("key", "x");
  const std::string file = open_to_all(
      "vgerfs.yaml", fmt::format("repositories:\n"
                                 "  - {{url: \"https://h/a\", rest_token_file: {}}}\n"
                                 "  - {{url: \"https://h/b\", client_key: {}, rest_token: x}}\n",
                                 token, key));
  const RunResult result = run({"config", "check", file}, surroundings);
  EXPECT_EQ(result.status, 0);
  for (const std::string& secret : {token, key, file}) {
    EXPECT_THAT(result.out, HasSubstr(secret + ": every user of this machine can read"));
  }
}

TEST(ConfigCommand, CheckWithoutAFileSaysHowToMakeOne) {
  TestIo surroundings;
  surroundings.environment["VGERFS_CONFIG"] = surroundings.directory / "absent.yaml";
  EXPECT_EQ(run({"config", "check"}, surroundings).status, 2);
  EXPECT_THAT(surroundings.err(), HasSubstr("VGERFS_CONFIG"));
}

}  // namespace
}  // namespace vgerfs::cli
