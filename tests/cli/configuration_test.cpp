#include "cli/configuration.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"
#include "cli/configuration_example.h"
#include "repo/file_tree.h"

namespace vgerfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ParsedConfiguration parse(const std::string& text) {
  TestIo surroundings;
  surroundings.environment["HOME"] = "/home/ann";
  return parse_configuration(text, "/etc/vgerfs/config.yaml", surroundings.io);
}

/// "LINE:COLUMN message" of each problem.
std::vector<std::string> problems(const std::string& text) {
  std::vector<std::string> found;
  for (const auto& p : parse(text).problems)
    found.push_back(fmt::format("{}:{} {}", p.line, p.column, p.message));
  return found;
}

std::string only_hint(const std::string& text) {
  const auto parsed = parse(text);
  EXPECT_EQ(parsed.problems.size(), 1U);
  return parsed.problems.empty() ? "" : parsed.problems[0].hint;
}

TEST(Configuration, AnEmptyFileIsValid) {
  EXPECT_THAT(problems(""), IsEmpty());
  EXPECT_THAT(problems("# nothing\n"), IsEmpty());
}

TEST(Configuration, TheExampleIsValidAndComplete) {
  const auto parsed = parse(kConfigurationExample);
  for (const auto& p : parsed.problems) ADD_FAILURE() << describe(p, "example");
  const Configuration& c = parsed.configuration;
  ASSERT_EQ(c.repositories.size(), 3U);
  EXPECT_EQ(c.repositories[0].url, "/srv/backup");
  EXPECT_EQ(c.repositories[1].label, "usb");
  EXPECT_EQ(c.repositories[1].encryption.value().key_file, "/etc/vgerfs/usb.key");
  EXPECT_EQ(c.repositories[2].url, "https://backup.example.com/myrepo");
  EXPECT_EQ(c.repositories[2].remote.token_file, "/etc/vgerfs/rest-token");
  EXPECT_EQ(c.encryption.passphrase_file, "/etc/vgerfs/passphrase");
  ASSERT_EQ(c.sources.size(), 2U);
  EXPECT_THAT(c.sources[0].paths, ElementsAre("/home"));
  EXPECT_THAT(c.sources[0].excludes, ElementsAre(".cache/", "*.tmp"));
  EXPECT_TRUE(c.sources[0].one_file_system);
  EXPECT_TRUE(c.sources[0].exclude_caches);
  EXPECT_THAT(c.sources[1].paths, ElementsAre("/etc", "/usr/local"));
  EXPECT_THAT(c.sources[1].tags, ElementsAre("weekly"));
  EXPECT_FALSE(c.sources[1].one_file_system);
  EXPECT_THAT(c.excludes, ElementsAre("lost+found/", "*.swp"));
  const repo::RetentionRules& keep = c.retention.value();
  EXPECT_EQ(keep.last, 3U);
  EXPECT_EQ(keep.hourly, 24U);
  EXPECT_EQ(keep.daily, 7U);
  EXPECT_EQ(keep.weekly, 5U);
  EXPECT_EQ(keep.monthly, 12U);
  EXPECT_EQ(keep.yearly, 5U);
  EXPECT_EQ(keep.within, (repo::Period{.months = 0, .days = 2, .hours = 0}));
  EXPECT_THAT(keep.tags, ElementsAre("keep"));
  EXPECT_EQ(c.checkpoint_interval, std::chrono::minutes{3});
  EXPECT_EQ(c.compression_level, 1);
}

TEST(Configuration, UnknownKeysAreProblemsWithTheirPlaceAndASuggestion) {
  EXPECT_THAT(problems("host: a\nrepositries: []\n"),
              ElementsAre("2:1 unknown key \"repositries\" in the configuration"));
  EXPECT_EQ(only_hint("repositries: []\n"), "did you mean \"repositories\"?");
  EXPECT_THAT(problems("sources:\n  - label: a\n    path: /a\n    taggs: [x]\n"),
              ElementsAre("4:5 unknown key \"taggs\" in a source"));
  EXPECT_THAT(only_hint("colour: red\n"), HasSubstr("known here: repositories, encryption"));
}

TEST(Configuration, EveryProblemIsCollectedInOrder) {
  EXPECT_THAT(
      problems("retention:\n  keep_daily: many\n  keep_last: -1\nhost: "
               ".hidden\ncheckpoint_interval: soon\n"),
      ElementsAre(
          HasSubstr("2:15 keep_daily expects a whole number from 0 to 1000000, not \"many\""),
          HasSubstr("3:14 keep_last expects"),
          HasSubstr("4:7 host \".hidden\" is not a valid name"),
          HasSubstr("5:22 checkpoint_interval expects a duration")));
}

TEST(Configuration, WrongTypesAreProblems) {
  EXPECT_THAT(problems("sources: /home\n"),
              ElementsAre("1:10 sources expects a list, not \"/home\""));
  EXPECT_THAT(problems("repositories:\n  - /srv/backup\n"),
              ElementsAre("2:5 a repository is a mapping with a url"));
  EXPECT_THAT(problems("encryption: [auto]\n"),
              ElementsAre("1:13 encryption expects a mapping (key: value), not a list"));
  EXPECT_THAT(problems("one_file_system: \"true\"\n"),
              ElementsAre(HasSubstr("expects true or false")));
  EXPECT_THAT(problems("one_file_system: yes\n"),
              ElementsAre(HasSubstr("expects true or false, not \"yes\"")));
  EXPECT_THAT(problems("retention: {keep_daily: \"7\"}\n"),
              ElementsAre(HasSubstr("expects a whole number")));
  EXPECT_THAT(problems("retention: {keep_daily: 7.5}\n"),
              ElementsAre(HasSubstr("expects a whole number")));
  EXPECT_THAT(problems("excludes: [[a]]\n"),
              ElementsAre("1:12 each of the exclude patterns expects text, not a list"));
  EXPECT_THAT(problems("host:\n"), ElementsAre("1:1 \"host\" has no value"));
  EXPECT_THAT(problems("- host\n"), ElementsAre(HasSubstr("the configuration expects a mapping")));
  EXPECT_THAT(problems("compression: {level: 23}\n"), ElementsAre(HasSubstr("from 1 to 19")));
}

TEST(Configuration, WhatIsNotYamlIsAProblemWithItsPlace) {
  EXPECT_THAT(problems("host: a\nrepositories: [\n"), ElementsAre(HasSubstr("not YAML")));
  EXPECT_THAT(problems("host: a\n---\nhost: b\n"),
              ElementsAre(HasSubstr("a second document begins here")));
  EXPECT_THAT(problems(std::string(100'000, '[')), ElementsAre(HasSubstr("not YAML")));
}

TEST(Configuration, ACommaThatStandsAloneIsAProblemAndNotDocumentsWithoutEnd) {
  EXPECT_THAT(problems("\n,"), ElementsAre(HasSubstr("a second document begins here")));
  EXPECT_THAT(problems("host: web1\n}"), Not(IsEmpty()));
}

TEST(Configuration, RepeatedKeysLabelsAndUrlsAreProblems) {
  EXPECT_THAT(problems("host: a\nhost: b\n"),
              ElementsAre("2:1 \"host\" appears twice in the configuration"));
  EXPECT_THAT(
      problems("repositories:\n  - {url: /a, label: x}\n  - {url: /a/, label: x}\n"),
      ElementsAre("3:11 url \"/a\" is already in line 2", "3:23 label \"x\" is already in line 2"));
  EXPECT_THAT(problems("sources:\n  - {label: s, path: /a}\n  - {label: s, path: /b}\n"),
              ElementsAre("3:13 label \"s\" is already in line 2"));
}

TEST(Configuration, SourcesNeedALabelAndOneKindOfPath) {
  EXPECT_THAT(problems("sources:\n  - path: /a\n"), ElementsAre("2:5 this source has no label"));
  EXPECT_THAT(problems("sources:\n  - label: a\n"), ElementsAre("2:5 this source has no path"));
  EXPECT_THAT(problems("sources:\n  - {label: a, paths: []}\n"),
              ElementsAre("2:5 this source has no path"));
  EXPECT_THAT(problems("sources:\n  - {label: a, path: /a, paths: [/b]}\n"),
              ElementsAre("2:33 this source has both path and paths"));
  EXPECT_THAT(problems("repositories:\n  - label: a\n"),
              ElementsAre("2:5 this repository has no url"));
}

TEST(Configuration, SaysHowAServerIsReached) {
  const auto parsed = parse(
      "repositories:\n  - url: https://host/r\n    rest_token: abc\n    rest_user: joe\n"
      "    ca_file: ca.pem\n    client_cert: /c.pem\n    client_key: /k.pem\n"
      "    allow_insecure: true\n    upload_limit: 500K\n    download_limit: 2M\n");
  for (const auto& p : parsed.problems) ADD_FAILURE() << describe(p, "it");
  ASSERT_EQ(parsed.configuration.repositories.size(), 1U);
  const RemoteSettings& remote = parsed.configuration.repositories[0].remote;
  EXPECT_EQ(remote.token, "abc");
  EXPECT_EQ(remote.user, "joe");
  EXPECT_THAT(remote.ca_file.value(), ::testing::EndsWith("/ca.pem"));
  EXPECT_EQ(remote.ca_file->front(), '/');
  EXPECT_EQ(remote.client_certificate, "/c.pem");
  EXPECT_EQ(remote.client_key, "/k.pem");
  EXPECT_TRUE(remote.allow_insecure);
  EXPECT_EQ(remote.upload_limit, 500U << 10);
  EXPECT_EQ(remote.download_limit, 2U << 20);
}

TEST(Configuration, RefusesWhatWouldBeMisunderstoodAboutAServer) {
  EXPECT_THAT(
      problems("repositories:\n  - {url: \"https://h/r\", rest_token: a, rest_token_file: b}\n"),
      ElementsAre("2:58 this repository has both rest_token and rest_token_file"));
  EXPECT_THAT(problems("repositories:\n  - {url: \"https://h/r\", upload_limit: fast}\n"),
              ElementsAre(HasSubstr("upload_limit expects a number of bytes")));
  const auto parsed = parse("repositories:\n  - {url: \"https://joe:secret@h/r\"}\n");
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_THAT(parsed.problems[0].message, ::testing::Not(HasSubstr("secret")));
  EXPECT_THAT(parsed.problems[0].hint, HasSubstr("rest_token_file"));
}

TEST(Configuration, APassphraseInTheFileIsRefused) {
  const auto parsed = parse("encryption:\n  passphrase: secret\n");
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_THAT(parsed.problems[0].hint, HasSubstr("passphrase_file"));
  EXPECT_THAT(parsed.problems[0].message, ::testing::Not(HasSubstr("secret")));
}

TEST(Configuration, OnlyOneSecretMayBeNamed) {
  EXPECT_THAT(problems("encryption:\n  passphrase_file: a\n  key_file: b\n"),
              ElementsAre("2:3 encryption names more than one secret"));
}

TEST(Configuration, EncryptionCannotBeSwitchedOff) {
  EXPECT_THAT(only_hint("encryption: {mode: none}\n"),
              HasSubstr("never stores without encryption"));
}

TEST(Configuration, PathsAreAbsoluteAfterParsing) {
  const auto parsed = parse(
      "repositories:\n  - url: store/\n  - url: \"sftp://host/x\"\nencryption: {passphrase_file: "
      "~/pass}\n"
      "sources:\n  - {label: a, paths: [../data, /b/./c]}\n");
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.configuration.repositories[0].url, "/etc/vgerfs/store");
  EXPECT_EQ(parsed.configuration.repositories[1].url, "sftp://host/x");
  EXPECT_EQ(parsed.configuration.encryption.passphrase_file, "/home/ann/pass");
  EXPECT_THAT(parsed.configuration.sources[0].paths, ElementsAre("/etc/data", "/b/c"));
  EXPECT_THAT(problems("cache_dir: ~bob/x\n"),
              ElementsAre(HasSubstr("there is no such home directory")));
}

TEST(Configuration, GeneralSwitchesReachSourcesThatStandBeforeThem) {
  const auto parsed = parse(
      "sources:\n  - {label: a, path: /a}\n  - {label: b, path: /b, one_file_system: "
      "false}\none_file_system: true\n");
  EXPECT_TRUE(parsed.configuration.sources[0].one_file_system);
  EXPECT_FALSE(parsed.configuration.sources[1].one_file_system);
}

class ConfigurationSearch : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::filesystem::create_directory(surroundings_.directory / "work");
    std::filesystem::current_path(surroundings_.directory / "work");
    surroundings_.environment["HOME"] = surroundings_.directory / "home";
  }
  void TearDown() override { std::filesystem::current_path(before_); }

  std::string found(const std::optional<std::string>& option = {}) {
    const auto place = find_configuration(option, surroundings_.io);
    return place ? place->file : "";
  }

  TestIo surroundings_;
  std::filesystem::path before_;
};

TEST_F(ConfigurationSearch, GoesFromTheNearestToTheSystems) {
  EXPECT_EQ(found(), "");
  const auto& directory = surroundings_.directory;
  const std::string places[] = {"etc/vgerfs.yaml", "etc/config.yaml",
                                "home/.config/vgerfs/vgerfs.yaml",
                                "home/.config/vgerfs/config.yaml", "work/vgerfs.yaml"};
  for (const std::string& place : places) {
    const std::string path = directory.write(place, "");
    EXPECT_EQ(found(), path);
  }
  surroundings_.environment["VGERFS_CONFIG"] = directory.write("env.yaml", "");
  EXPECT_EQ(found(), directory / "env.yaml");
  EXPECT_EQ(found(directory.write("option.yaml", "")), directory / "option.yaml");
}

TEST_F(ConfigurationSearch, AFileThatIsAskedForMustExist) {
  EXPECT_THROW(found("/nowhere/vgerfs.yaml"), Error);
  surroundings_.environment["VGERFS_CONFIG"] = "/nowhere/vgerfs.yaml";
  EXPECT_THROW(found(), Error);
}

TEST_F(ConfigurationSearch, InADirectoryThatTheUserMayNotSearchNothingIsHis) {
  const std::string file = surroundings_.directory.write("work/vgerfs.yaml", "");
  const std::string work = surroundings_.directory / "work";
  ASSERT_EQ(::chmod(work.c_str(), 0), 0);
  {
    const vgerfs::testing::AsOrdinaryUser user{{}};
    EXPECT_EQ(found(), "");
    EXPECT_THROW(found(file), Error) << "he asked for it";
  }
  ASSERT_EQ(::chmod(work.c_str(), 0700), 0);
  EXPECT_EQ(found(), file);
}

TEST_F(ConfigurationSearch, AFoundFileThatOthersMayWriteIsRefused) {
  const std::string file = surroundings_.directory.write("work/vgerfs.yaml", "host: evil\n");
  EXPECT_EQ(load_configuration({}, surroundings_.io).host, "evil");
  std::filesystem::permissions(file, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  try {
    load_configuration({}, surroundings_.io);
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::denied);
    EXPECT_THAT(error.hint(), HasSubstr("--config"));
  }
  EXPECT_EQ(load_configuration(file, surroundings_.io).host, "evil");
}

TEST_F(ConfigurationSearch, AFoundFileOfAnotherUserIsRefused) {
  surroundings_.directory.write("work/vgerfs.yaml", "host: evil\n");
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to own a file as somebody else";
  ASSERT_EQ(::chown((surroundings_.directory / "work/vgerfs.yaml").c_str(), 65534, 0), 0);
  EXPECT_THROW(load_configuration({}, surroundings_.io), Error);
}

TEST_F(ConfigurationSearch, LoadingNamesTheFirstProblemAndCountsTheRest) {
  const std::string file = surroundings_.directory.write("work/vgerfs.yaml", "a: 1\nb: 2\n");
  try {
    load_configuration({}, surroundings_.io);
    FAIL() << "it was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    EXPECT_EQ(error.message(), file + ":1:1: unknown key \"a\" in the configuration (and 1 more)");
  }
}

}  // namespace
}  // namespace vgerfs::cli
