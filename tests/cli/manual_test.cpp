// The manual and the completions say what the programs do.
#include <filesystem>
#include <fstream>
#include <set>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"
#include "cli/completion.h"
#include "cli/configuration_example.h"
#include "cli/mount_options.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;

std::string source_file(const std::string& name) {
  // From tests/cli/data, which need not be there.
  const auto path = (std::filesystem::path{VGERFS_TESTS} / ".." / name).lexically_normal();
  std::ifstream file{path, std::ios::binary};
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// A word as scdoc wants it in bold; an underscore at its start needs a backslash.
std::string bold(std::string_view word) {
  return fmt::format("*{}{}*", word.starts_with('_') ? "\\" : "", word);
}

void check_options(const CLI::App& app, const std::string& manual) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      EXPECT_THAT(manual, HasSubstr("--" + name)) << app.get_name();
    }
  }
}

TEST(Manual, NamesEveryCommandAndOption) {
  const std::string manual = source_file("docs/man/vgerfs-admin.1.scd");
  CLI::App app{"", "vgerfs-admin"};
  GlobalOptions options;
  const auto chosen = declare(app, options);
  check_options(app, manual);
  const std::function<void(const CLI::App&, std::string)> visit = [&](const CLI::App& command,
                                                                      const std::string& path) {
    const auto all =
        command.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
    for (const CLI::App* sub : all) {
      const std::string words = path.empty() ? sub->get_name() : path + ' ' + sub->get_name();
      check_options(*sub, manual);
      if (sub->get_subcommands([](const CLI::App*) { return true; }).empty()) {
        EXPECT_THAT(manual, HasSubstr("\n## " + words)) << "no section";
      }
      visit(*sub, words);
    }
  };
  visit(app, "");
}

TEST(Manual, NamesEveryMountOption) {
  const std::string manual = source_file("docs/man/vgerfs.8.scd");
  for (const std::string_view name : mount_option_names()) {
    const std::string with_value = fmt::format("*{}=*", name);
    EXPECT_TRUE(manual.find(bold(name)) != std::string::npos ||
                manual.find(with_value) != std::string::npos)
        << name;
  }
}

/// The keys of a mapping of the configuration: what the hint for an unknown one lists.
std::vector<std::string> keys_of(const std::string& text) {
  TestIo surroundings;
  const auto parsed = parse_configuration(text, "/x.yaml", surroundings.io);
  for (const ConfigurationProblem& problem : parsed.problems) {
    const std::string prefix = "known here: ";
    if (!problem.hint.starts_with(prefix)) continue;
    std::vector<std::string> keys;
    std::istringstream words{problem.hint.substr(prefix.size())};
    for (std::string word; words >> word;) {
      if (word.ends_with(',')) word.pop_back();
      keys.push_back(word);
    }
    return keys;
  }
  ADD_FAILURE() << text;
  return {};
}

TEST(Manual, NamesEveryKeyOfTheConfigurationAndSoDoesTheExample) {
  const std::string manual = source_file("docs/man/vgerfs.yaml.5.scd");
  const std::string example = kConfigurationExample;
  std::size_t count = 0;
  for (const char* text : {"qqqqqqqqqqqq: 1", "encryption: {qqqqqqqqqqqq: 1}",
                           "repositories: [{qqqqqqqqqqqq: 1}]", "sources: [{qqqqqqqqqqqq: 1}]",
                           "retention: {qqqqqqqqqqqq: 1}", "compression: {qqqqqqqqqqqq: 1}"}) {
    for (const std::string& key : keys_of(text)) {
      ++count;
      if (key == "passphrase") continue;  // known in order to be refused
      EXPECT_THAT(manual, HasSubstr('*' + key + '*'));
      if (key == "excludes") continue;  // another name of exclude_patterns
      EXPECT_THAT(example, HasSubstr(key + ':'));
    }
  }
  EXPECT_GT(count, 30U);
}

TEST(Manual, NamesEveryVariableOfTheEnvironment) {
  const std::string manual = source_file("docs/man/vgerfs-admin.1.scd");
  for (const char* name : {"VGERFS_REPOSITORY", "VGERFS_PASSPHRASE", "VGERFS_PASSPHRASE_FILE",
                           "VGERFS_PASSPHRASE_COMMAND", "VGERFS_KEY_FILE", "VGERFS_CONFIG",
                           "VGERFS_CACHE_DIR", "VGERFS_STATE_DIR"}) {
    EXPECT_THAT(manual, HasSubstr(bold(name)));
  }
}

/// All member names of a document.
void collect_members(const nlohmann::json& json, std::set<std::string>& names) {
  for (const auto& [name, value] : json.items()) {
    if (json.is_object()) names.insert(name);
    if (value.is_structured()) collect_members(value, names);
  }
}

TEST(Manual, NamesEveryMemberOfTheJsonDocuments) {
  const TemporaryDirectory directory;
  directory.write("src/file", "content");
  std::filesystem::create_symlink("file", directory / "src/link");
  std::filesystem::create_hard_link(directory / "src/file", directory / "src/second");
  directory.write("broken.yaml", "sorces: 1\n");
  directory.write("config.yaml", "sources:\n  - {label: a, path: /nonexistent}\n");
  std::set<std::string> members;
  const auto admin = [&](std::vector<std::string> arguments) {
    TestIo surroundings;
    surroundings.environment = {{"VGERFS_REPOSITORY", directory / "repository"},
                                {"VGERFS_KEY_FILE", directory / "key"},
                                {"VGERFS_CACHE_DIR", directory / "cache"},
                                {"VGERFS_STATE_DIR", directory / "state"}};
    arguments.emplace_back("--json");
    arguments.emplace_back("--host=here");
    const RunResult result = run(arguments, surroundings);
    if (!result.out.empty()) collect_members(result.json(), members);
    std::istringstream lines{result.err};
    for (std::string line; std::getline(lines, line);)
      collect_members(nlohmann::json::parse(line), members);
    return result;
  };
  {
    TestIo surroundings;
    const RunResult made =
        run({"-r", directory / "repository", "init", "--json", "--new-key-file", directory / "key"},
            surroundings);
    ASSERT_EQ(made.status, 0) << made.err;
    collect_members(made.json(), members);
  }
  const std::string source = directory / "src";
  EXPECT_EQ(admin({"backup", "--source", "s", source, directory / "absent"}).status, 3);
  EXPECT_EQ(admin({"--config", directory / "config.yaml", "backup"}).status, 1);
  EXPECT_EQ(admin({"list"}).status, 0);
  EXPECT_EQ(admin({"ls", "-R", "latest"}).status, 0);
  EXPECT_EQ(admin({"ls", "-R", "latest::nothing"}).status, 1);
  EXPECT_EQ(admin({"find", "*"}).status, 0);
  EXPECT_EQ(admin({"diff", "latest", "latest"}).status, 0);
  EXPECT_EQ(admin({"diff", "latest", directory.path()}).status, 0);
  EXPECT_EQ(admin({"info"}).status, 0);
  EXPECT_EQ(admin({"info", "latest"}).status, 0);
  EXPECT_EQ(admin({"info", "--exclusive"}).status, 0);
  EXPECT_EQ(admin({"info", "--growth"}).status, 0);
  EXPECT_EQ(admin({"restore", "latest", directory / "target"}).status, 0);
  const RunResult added =
      admin({"key", "add", "--role", "ingest", "--new-key-file", directory / "second key"});
  EXPECT_EQ(added.status, 0);
  EXPECT_EQ(admin({"key", "list"}).status, 0);
  EXPECT_EQ(admin({"key", "export", directory / "copy"}).status, 0);
  EXPECT_EQ(admin({"key", "import", directory / "copy"}).status, 0);
  EXPECT_EQ(admin({"key", "revoke", added.json().at("id")}).status, 0);
  EXPECT_EQ(admin({"config", "check", directory / "broken.yaml"}).status, 2);
  EXPECT_EQ(admin({"config", "check", directory / "config.yaml"}).status, 0);
  EXPECT_EQ(admin({"config", "example"}).status, 0);
  EXPECT_NE(admin({"doctor"}).status, 1);
  EXPECT_EQ(admin({"version"}).status, 0);
  for (const auto& each :
       std::filesystem::recursive_directory_iterator{directory / "repository/data"}) {
    if (each.is_regular_file()) std::filesystem::remove(each.path());
  }
  EXPECT_EQ(admin({"check"}).status, 14);
  EXPECT_EQ(admin({"delete", "latest"}).status, 0);
  EXPECT_GT(members.size(), 80U);

  const std::string manual = source_file("docs/man/vgerfs-admin.1.scd");
  const std::size_t start = manual.find("\n# JSON\n");
  const std::string section = manual.substr(start, manual.find("\n# ", start + 1) - start);
  for (const std::string& name : members) {
    EXPECT_TRUE(section.find('_' + name + '_') != std::string::npos ||
                section.find('"' + name + '"') != std::string::npos)
        << name;
  }
}

class Completion : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Completion, FileIsWhatTheProgramMakes) {
  const auto [shell, file] = GetParam();
  EXPECT_EQ(source_file(std::string{"contrib/completions/"} + file), completion_script(shell))
      << "vgerfs-admin completion " << shell << " > contrib/completions/" << file;
}

INSTANTIATE_TEST_SUITE_P(Shells, Completion,
                         ::testing::Values(std::pair{"bash", "vgerfs-admin.bash"},
                                           std::pair{"zsh", "_vgerfs-admin"},
                                           std::pair{"fish", "vgerfs-admin.fish"}));

}  // namespace
}  // namespace vgerfs::cli
