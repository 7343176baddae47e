#include "cli/repository_access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "backends/open_backend.h"
#include "base/error.h"
#include "base/fd.h"
#include "format/object_name.h"

namespace vgerfs::cli {

repo::Credential to_credential(FoundSecret found) {
  if (found.kind == FoundSecret::Kind::passphrase) return repo::Passphrase{std::move(found.secret)};
  try {
    return repo::parse_key_file(text_of(found.secret.view()));
  } catch (Error& error) {
    error.add_context(found.origin);
    throw;
  }
}

std::optional<crypto::Cipher> to_cipher(CipherChoice choice) noexcept {
  switch (choice) {
    case CipherChoice::automatic: return std::nullopt;
    case CipherChoice::aes256gcm: return crypto::Cipher::aes256gcm;
    case CipherChoice::chacha20poly1305: return crypto::Cipher::chacha20poly1305;
  }
  return std::nullopt;
}

std::string describe(std::optional<crypto::Cipher> cipher) {
  if (!cipher) return "auto";
  switch (*cipher) {
    case crypto::Cipher::aes256gcm: return "aes256gcm";
    case crypto::Cipher::chacha20poly1305: return "chacha20poly1305";
  }
  return "unknown";
}

std::shared_ptr<backends::Backend> open_store(const std::string& location,
                                              backends::RemoteOptions options) {
  std::shared_ptr<backends::Backend> backend = backends::open_backend(location, std::move(options));
  if (!backend->stat(format::config_name())) {
    throw Error{ErrorCode::no_repository, "there is no repository at " + backend->location(),
                "vgerfs-admin init makes one"};
  }
  return backend;
}

void create_private_file(const std::string& path, ByteView content) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  write_all(fd.get(), content, path);
  if (::fsync(fd.get()) != 0) throw system_error(errno, path);
  const std::string parent = std::filesystem::path{path}.parent_path().string();
  sync_directory(parent.empty() ? "." : parent);
}

repo::Credential create_key_file(const std::string& path, crypto::Random& random) {
  crypto::Secret key{32};
  random.fill(key.mutable_view());
  std::string text = repo::format_key_file(key);
  create_private_file(path, bytes_of(text));
  crypto::wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return repo::KeyFile{std::move(key)};
}

}  // namespace vgerfs::cli
