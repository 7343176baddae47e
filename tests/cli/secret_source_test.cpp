#include "cli/secret_source.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string text(const FoundSecret& found) { return std::string{text_of(found.secret.view())}; }

/// Error of a call that must fail; its text never holds "s3cret".
template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_THAT(error.message() + error.hint(), Not(HasSubstr("s3cret")));
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error{ErrorCode::io, "none"};
}

class SecretSource : public ::testing::Test {
 protected:
  FoundSecret find(const SecretOptions& options = {}, const EncryptionSettings& settings = {}) {
    return find_secret(options, settings, Prompt::once, "repository /x", surroundings_.io);
  }
  std::string file(const std::string& name, const std::string& content) {
    return surroundings_.directory.write(name, content);
  }

  TestIo surroundings_;
};

TEST_F(SecretSource, OptionBeforeEnvironmentBeforeConfigurationBeforeSystemd) {
  const std::string systemd = file("credentials/vgerfs-passphrase", "systemd\n");
  surroundings_.environment["CREDENTIALS_DIRECTORY"] = surroundings_.directory / "credentials";
  EXPECT_EQ(text(find()), "systemd");
  EncryptionSettings settings;
  settings.passphrase_file = file("configured", "configuration\n");
  EXPECT_EQ(text(find({}, settings)), "configuration");
  surroundings_.environment["VGERFS_PASSPHRASE"] = "environment";
  EXPECT_EQ(text(find({}, settings)), "environment");
  SecretOptions options;
  options.passphrase_file = file("option", "option\n");
  EXPECT_EQ(text(find(options, settings)), "option");
}

TEST_F(SecretSource, EveryVariableOfTheEnvironmentWorks) {
  auto& environment = surroundings_.environment;
  environment["VGERFS_PASSPHRASE_FILE"] = file("pass", "from file\n");
  EXPECT_EQ(text(find()), "from file");
  environment.clear();
  environment["VGERFS_PASSPHRASE_COMMAND"] = "echo from command";
  EXPECT_EQ(text(find()), "from command");
  environment.clear();
  environment["VGERFS_KEY_FILE"] = file("key", "vgerfs-key-1:00\n");
  const FoundSecret key = find();
  EXPECT_EQ(key.kind, FoundSecret::Kind::key_file);
  EXPECT_EQ(text(key), "vgerfs-key-1:00\n");
}

TEST_F(SecretSource, EveryNameOfASystemdCredentialWorks) {
  for (const char* name : {"vgerfs-passphrase", "vgerfs.passphrase", "vgerfs-key", "vgerfs.key"}) {
    const std::string path = file(std::string{"credentials/"} + name, "x\n");
    surroundings_.environment["CREDENTIALS_DIRECTORY"] = surroundings_.directory / "credentials";
    const bool key = std::string{name}.ends_with("key");
    EXPECT_EQ(find().kind, key ? FoundSecret::Kind::key_file : FoundSecret::Kind::passphrase);
    ::unlink(path.c_str());
  }
}

TEST_F(SecretSource, TwoSecretsInOnePlaceAreAUsageError) {
  SecretOptions options;
  options.passphrase_file = "/a";
  options.key_file = "/b";
  const Error error = error_of([&] { find(options); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_EQ(error.message(), "--passphrase-file and --key-file both name a secret");
}

TEST_F(SecretSource, DropsExactlyOneNewline) {
  SecretOptions options;
  options.passphrase_file = file("pass", " two words \n\n");
  EXPECT_EQ(text(find(options)), " two words \n");
}

TEST_F(SecretSource, RefusesWhatCannotBeAPassphrase) {
  const auto code_of = [&](const std::string& content) {
    SecretOptions options;
    options.passphrase_file = file("pass", content);
    return error_of([&] { find(options); }).code();
  };
  EXPECT_EQ(code_of(""), ErrorCode::usage);
  EXPECT_EQ(code_of("\n"), ErrorCode::usage);
  EXPECT_EQ(code_of(std::string{"s3cret\0x", 8}), ErrorCode::usage);
  EXPECT_EQ(code_of(std::string(4097, 'x')), ErrorCode::usage);
  SecretOptions options;
  options.passphrase_file = file("pass", std::string(4096, 'x') + "\n");
  EXPECT_EQ(text(find(options)).size(), 4096U);
  options.passphrase_file = "/nowhere/pass";
  EXPECT_EQ(error_of([&] { find(options); }).code(), ErrorCode::not_found);
}

TEST_F(SecretSource, ReadsADescriptorToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd reading{ends[0]};
  std::thread writer{[fd = Fd{ends[1]}] {
    write_all(fd.get(), bytes_of("from "), "pipe");
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    write_all(fd.get(), bytes_of("a pipe\n"), "pipe");
  }};
  SecretOptions options;
  options.passphrase_fd = reading.get();
  EXPECT_EQ(text(find(options)), "from a pipe");
  writer.join();
  options.passphrase_fd = 999'999;
  EXPECT_EQ(error_of([&] { find(options); }).code(), ErrorCode::io);
}

TEST_F(SecretSource, ACommandThatFailsIsAnError) {
  SecretOptions options;
  options.passphrase_command = "echo s3cret; exit 7";
  const Error failed = error_of([&] { find(options); });
  EXPECT_EQ(failed.message(), "the passphrase command failed with exit status 7");
  options.passphrase_command = "kill -9 $$";
  EXPECT_EQ(error_of([&] { find(options); }).message(),
            "the passphrase command was ended by signal 9");
  options.passphrase_command = "true";
  EXPECT_THAT(error_of([&] { find(options); }).message(), HasSubstr("empty"));
}

TEST_F(SecretSource, ACommandDoesNotEatStandardInput) {
  const std::string input = file("input", "the backup");
  const Fd fd = open_file(input, O_RDONLY);
  surroundings_.io.in = fd.get();
  SecretOptions options;
  options.passphrase_command = "cat; echo pass";
  EXPECT_EQ(text(find(options)), "pass");
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
}

TEST_F(SecretSource, AStopEndsACommandAndWhatItStarted) {
  std::stop_source stop;
  surroundings_.io.stop = stop.get_token();
  SecretOptions options;
  const std::string pid_file = surroundings_.directory / "pid";
  options.passphrase_command = fmt::format("sleep 1000 & echo $! > {}; wait", pid_file);
  const std::jthread stopper{[&] {
    std::error_code failure;
    while (std::filesystem::file_size(pid_file, failure) == 0 || failure) std::this_thread::yield();
    stop.request_stop();
  }};
  EXPECT_EQ(error_of([&] { find(options); }).code(), ErrorCode::interrupted);
  pid_t pid = 0;
  std::ifstream{pid_file} >> pid;
  ASSERT_GT(pid, 0);
  // It was killed; whoever is its parent now may still have to reap it.
  while (::kill(pid, 0) == 0) {
    std::ifstream status{fmt::format("/proc/{}/stat", pid)};
    std::string text;
    std::getline(status, text);
    if (text.find(") Z") != std::string::npos) break;
    std::this_thread::yield();
  }
}

TEST_F(SecretSource, WithoutATerminalItFailsWithAHint) {
  const Error error = error_of([&] { find(); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message(), HasSubstr("repository /x"));
  EXPECT_THAT(error.hint(), HasSubstr("--passphrase-file"));
}

TEST_F(SecretSource, AWorldReadableFileStillWorks) {
  SecretOptions options;
  options.passphrase_file = file("pass", "x\n");
  ASSERT_EQ(::chmod(options.passphrase_file->c_str(), 0644), 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(text(find(options)), "x");
}

/// A terminal whose other end a test types on.
class TerminalPrompt : public SecretSource {
 protected:
  void SetUp() override {
    int typing = -1;
    int terminal = -1;
    ASSERT_EQ(::openpty(&typing, &terminal, nullptr, nullptr, nullptr), 0);
    typing_ = Fd{typing};
    terminal_ = Fd{terminal};
    surroundings_.io.in = terminal;
    surroundings_.terminal_fd = terminal;
  }
  void type(std::string_view keys) const { write_all(typing_.get(), bytes_of(keys), "pty"); }
  bool echoes() const {
    termios settings{};
    ::tcgetattr(terminal_.get(), &settings);
    return (settings.c_lflag & ECHO) != 0;
  }
  /// Types each line once the program has asked for it, that is with echo off and one more
  /// question.
  std::jthread typist(std::vector<std::string> lines) {
    return std::jthread{[this, lines = std::move(lines)] {
      std::size_t asked = 0;
      for (const std::string& line : lines) {
        while (echoes() || surroundings_.err().find(": ", asked) == std::string::npos)
          std::this_thread::yield();
        asked = surroundings_.err().size();
        type(line);
      }
    }};
  }

  Fd typing_;
  Fd terminal_;
};

TEST_F(TerminalPrompt, AsksWithoutEchoAndRestoresTheTerminal) {
  ASSERT_TRUE(echoes());
  const std::jthread keys = typist({"s3cret\n"});
  EXPECT_EQ(text(find()), "s3cret");
  EXPECT_TRUE(echoes());
  EXPECT_EQ(surroundings_.err(), "passphrase for repository /x: \n");
}

TEST_F(TerminalPrompt, ANewPassphraseIsAskedForTwice) {
  {
    const std::jthread keys = typist({"s3cret\n", "s3cret\n"});
    EXPECT_EQ(text(prompt_passphrase("x", Prompt::twice, surroundings_.io)), "s3cret");
  }
  const std::jthread keys = typist({"s3cret\n", "s3cert\n"});
  const Error error = error_of([&] { prompt_passphrase("x", Prompt::twice, surroundings_.io); });
  EXPECT_EQ(error.message(), "the two passphrases differ");
}

TEST_F(TerminalPrompt, AStopEndsThePromptAndRestoresTheTerminal) {
  std::stop_source stop;
  surroundings_.io.stop = stop.get_token();
  const std::jthread stopper{[&] {
    while (echoes()) std::this_thread::yield();
    stop.request_stop();
  }};
  EXPECT_EQ(error_of([&] { find(); }).code(), ErrorCode::interrupted);
  EXPECT_TRUE(echoes());
}

}  // namespace
}  // namespace vgerfs::cli
