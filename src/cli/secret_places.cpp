// The single places that a secret is read from: files, descriptors, a command, the terminal.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/secret_reader.h"
#include "cli/secret_source.h"

namespace vgerfs::cli {
namespace {

using Kind = FoundSecret::Kind;

constexpr std::size_t kMaxKeyFileBytes = 4096;

Fd open_secret_file(const std::string& path) {
  Fd fd = open_file(path, O_RDONLY | O_NOCTTY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, path);
  if (S_ISREG(status.st_mode) && (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    log::warning("{}: every user of this machine can read or change this secret; chmod 600 it",
                 path);
  }
  return fd;
}

/// Echo off for as long as it lives; typed-ahead input is kept.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    if (::tcgetattr(fd, &before_) != 0) throw system_error(errno, "terminal");
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    if (::tcsetattr(fd, TCSADRAIN, &silent) != 0) throw system_error(errno, "terminal");
  }
  ~NoEcho() { ::tcsetattr(fd_, TCSADRAIN, &before_); }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  int fd_;
  termios before_{};
};

crypto::Secret ask(std::string_view question, const Io& io) {
  print(io.err, question);
  const NoEcho no_echo{io.in};
  crypto::Secret line = read_secret_line(io.in, kMaxPassphraseBytes, "terminal", io);
  print(io.err, "\n");
  return line;
}

/// A child process; killed and waited for if it is left alone.
class Child {
 public:
  /// Runs the command with its standard output on `out`.
  Child(const std::string& command, int out, const Io& io) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    if (!io.is_terminal(io.in)) {
      // A command may ask on the terminal, but it must not eat what comes through a pipe: that may
      // be a backup.
      ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
      // A group of its own, so that what the shell started can be stopped as well. With a terminal
      // it stays in ours: another group could not read from the terminal, and Ctrl-C reaches ours
      // anyway.
      ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
      own_group_ = true;
    }
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    const char* const argv[] = {"sh", "-c", command.c_str(), nullptr};
    const int failure = ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes,
                                      const_cast<char* const*>(argv), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (failure != 0) throw system_error(failure, "/bin/sh");
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(own_group_ ? -pid_ : pid_, SIGTERM);
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The status of waitpid(2).
  int wait() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  bool own_group_ = false;
};

}  // namespace

FoundSecret read_passphrase_file(const std::string& path, const Io& io) {
  const Fd fd = open_secret_file(path);
  return {Kind::passphrase,
          checked_passphrase(read_secret(fd.get(), kMaxPassphraseBytes + 1, path, io), path), path};
}

FoundSecret read_key_file(const std::string& path, const Io& io) {
  const Fd fd = open_secret_file(path);
  crypto::Secret secret = read_secret(fd.get(), kMaxKeyFileBytes, path, io);
  if (secret.empty()) throw Error{ErrorCode::usage, fmt::format("{}: the key file is empty", path)};
  return {Kind::key_file, std::move(secret), path};
}

FoundSecret read_passphrase_fd(int fd, const Io& io) {
  const std::string what = fmt::format("file descriptor {}", fd);
  return {Kind::passphrase,
          checked_passphrase(read_secret(fd, kMaxPassphraseBytes + 1, what, io), what), what};
}

FoundSecret run_passphrase_command(const std::string& command, const Io& io) {
  const std::string what = "the passphrase command";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error(errno, what);
  const Fd read_end{ends[0]};
  Fd write_end{ends[1]};
  Child child{command, write_end.get(), io};
  write_end.reset();
  crypto::Secret secret = read_secret(read_end.get(), kMaxPassphraseBytes + 1, what, io);
  const int status = child.wait();
  if (WIFSIGNALED(status)) {
    throw Error{ErrorCode::usage, fmt::format("{} was ended by signal {}", what, WTERMSIG(status))};
  }
  if (WEXITSTATUS(status) != 0) {
    throw Error{ErrorCode::usage,
                fmt::format("{} failed with exit status {}", what, WEXITSTATUS(status)),
                "run it by hand to see why"};
  }
  return {Kind::passphrase, checked_passphrase(std::move(secret), what), what};
}

FoundSecret prompt_passphrase(const std::string& subject, Prompt prompt, const Io& io) {
  if (prompt == Prompt::never || !io.is_terminal(io.in)) {
    throw Error{ErrorCode::usage,
                fmt::format("no passphrase for {}, and no terminal to ask on", subject),
                "use --passphrase-file, --passphrase-command, --passphrase-fd or --key-file, the "
                "environment "
                "(VGERFS_PASSPHRASE_FILE, …) or the configuration"};
  }
  const std::string what = "the passphrase";
  crypto::Secret secret =
      checked_passphrase(ask(fmt::format("passphrase for {}: ", subject), io), what);
  if (prompt == Prompt::twice) {
    const crypto::Secret again = ask("the same again: ", io);
    if (!crypto::equal(secret.view(), again.view())) {
      throw Error{ErrorCode::usage, "the two passphrases differ", "try again"};
    }
  }
  return {Kind::passphrase, std::move(secret), "the terminal"};
}

}  // namespace vgerfs::cli
