#include "cli/remote_options.h"

#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/location.h"
#include "cli/quantity.h"
#include "cli/secret_source.h"

namespace vgerfs::cli {
namespace {

std::string token_from_file(const std::string& path, const Io& io) {
  try {
    return std::string{text_of(read_passphrase_file(path, io).secret.view())};
  } catch (Error& error) {
    error.add_context("the token for the server");
    throw;
  }
}

std::optional<std::string> token_from_systemd(const Io& io) {
  const auto directory = io.environment("CREDENTIALS_DIRECTORY");
  if (!directory) return std::nullopt;
  for (const char* name : {"vgerfs-rest-token", "vgerfs.rest-token"}) {
    const std::string path = absolute_path(name, *directory);
    if (::access(path.c_str(), F_OK) == 0) return token_from_file(path, io);
  }
  return std::nullopt;
}

std::string find_token(const RemoteCommandOptions& options, const RemoteSettings& settings,
                       const Io& io) {
  if (options.token_file) return token_from_file(*options.token_file, io);
  const auto text = io.environment("VGERFS_REST_TOKEN");
  const auto file = io.environment("VGERFS_REST_TOKEN_FILE");
  if (text && file) {
    throw Error{ErrorCode::usage,
                "VGERFS_REST_TOKEN and VGERFS_REST_TOKEN_FILE both name the token",
                "give only one of them"};
  }
  if (text) return *text;
  if (file) return token_from_file(*file, io);
  if (settings.token) return *settings.token;
  if (settings.token_file) return token_from_file(*settings.token_file, io);
  return token_from_systemd(io).value_or("");
}

std::uint64_t limit(std::string_view option, const std::optional<std::string>& text,
                    const std::optional<std::uint64_t>& configured) {
  if (!text) return configured.value_or(0);
  const auto size = parse_size(*text);
  if (!size) {
    throw Error{ErrorCode::usage, fmt::format("{} {}: not a number of bytes", option, *text),
                "for example 500K or 2M, per second; 0: no limit"};
  }
  return *size;
}

}  // namespace

backends::RemoteOptions remote_options(const RemoteCommandOptions& options,
                                       const RemoteSettings& settings, const Io& io) {
  backends::RemoteOptions remote;
  remote.token = find_token(options, settings, io);
  remote.user = settings.user.value_or("");
  auto ca_file = options.ca_file ? options.ca_file : io.environment("VGERFS_CA_FILE");
  if (!ca_file) ca_file = settings.ca_file;
  remote.ca_file = ca_file.value_or("");
  remote.client_certificate = settings.client_certificate.value_or("");
  remote.client_key = settings.client_key.value_or("");
  remote.allow_insecure = settings.allow_insecure;
  remote.upload_bytes_per_s = limit("--limit-upload", options.limit_upload, settings.upload_limit);
  remote.download_bytes_per_s =
      limit("--limit-download", options.limit_download, settings.download_limit);
  remote.stop = io.stop;
  return remote;
}

}  // namespace vgerfs::cli
