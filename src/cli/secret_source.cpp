#include "cli/secret_source.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/location.h"
#include "cli/secret_reader.h"

namespace vgerfs::cli {
namespace {

/// A secret that one place names: how the place calls it, and how it is read.
struct Named {
  std::string name;
  std::function<FoundSecret()> read;
};

/// The only one, if any. Two would leave open which one counts.
std::optional<FoundSecret> only_one(std::vector<Named> named) {
  if (named.empty()) return std::nullopt;
  if (named.size() > 1) {
    throw Error{ErrorCode::usage,
                fmt::format("{} and {} both name a secret", named[0].name, named[1].name),
                "give only one of them"};
  }
  return named[0].read();
}

std::vector<Named> from_options(const SecretOptions& options, const Io& io) {
  std::vector<Named> named;
  if (const auto& path = options.passphrase_file) {
    named.push_back({"--passphrase-file", [&] { return read_passphrase_file(*path, io); }});
  }
  if (const auto& command = options.passphrase_command) {
    named.push_back({"--passphrase-command", [&] { return run_passphrase_command(*command, io); }});
  }
  if (const auto& fd = options.passphrase_fd) {
    named.push_back({"--passphrase-fd", [&] { return read_passphrase_fd(*fd, io); }});
  }
  if (const auto& path = options.key_file) {
    named.push_back({"--key-file", [&] { return read_key_file(*path, io); }});
  }
  return named;
}

std::vector<Named> from_environment(const Io& io) {
  std::vector<Named> named;
  const auto add = [&](const char* variable, FoundSecret (*read)(const std::string&, const Io&)) {
    if (auto value = io.environment(variable)) {
      named.push_back(
          {variable, [read, value = *std::move(value), &io] { return read(value, io); }});
    }
  };
  if (auto value = io.environment("VGERFS_PASSPHRASE")) {
    named.push_back({"VGERFS_PASSPHRASE", [value = *std::move(value)] {
                       const std::string origin = "the environment variable VGERFS_PASSPHRASE";
                       return FoundSecret{
                           FoundSecret::Kind::passphrase,
                           checked_passphrase(crypto::Secret{bytes_of(value)}, origin), origin};
                     }});
  }
  add("VGERFS_PASSPHRASE_FILE", read_passphrase_file);
  add("VGERFS_PASSPHRASE_COMMAND", run_passphrase_command);
  add("VGERFS_KEY_FILE", read_key_file);
  return named;
}

std::vector<Named> from_settings(const EncryptionSettings& settings, const Io& io) {
  std::vector<Named> named;
  if (const auto& path = settings.passphrase_file) {
    named.push_back({"passphrase_file", [&] { return read_passphrase_file(*path, io); }});
  }
  if (const auto& command = settings.passphrase_command) {
    named.push_back({"passphrase_command", [&] { return run_passphrase_command(*command, io); }});
  }
  if (const auto& path = settings.key_file) {
    named.push_back({"key_file", [&] { return read_key_file(*path, io); }});
  }
  return named;
}

std::vector<Named> from_systemd(const Io& io) {
  const auto directory = io.environment("CREDENTIALS_DIRECTORY");
  std::vector<Named> named;
  if (!directory) return named;
  const auto add = [&](std::string_view name, FoundSecret (*read)(const std::string&, const Io&)) {
    const std::string path = absolute_path(name, *directory);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return;
      throw system_error(errno, path);
    }
    named.push_back({fmt::format("the systemd credential {}", name),
                     [path, read, &io] { return read(path, io); }});
  };
  add("vgerfs-passphrase", read_passphrase_file);
  add("vgerfs.passphrase", read_passphrase_file);
  add("vgerfs-key", read_key_file);
  add("vgerfs.key", read_key_file);
  return named;
}

}  // namespace

FoundSecret find_secret(const SecretOptions& options, const EncryptionSettings& settings,
                        Prompt prompt, const std::string& subject, const Io& io) {
  if (auto credential = only_one(from_options(options, io))) return *std::move(credential);
  if (auto credential = only_one(from_environment(io))) return *std::move(credential);
  if (auto credential = only_one(from_settings(settings, io))) return *std::move(credential);
  if (auto credential = only_one(from_systemd(io))) return *std::move(credential);
  return prompt_passphrase(subject, prompt, io);
}

}  // namespace vgerfs::cli
