#include <unistd.h>

#include <cctype>

#include "repo/certificate.h"
#include "repo/repository.h"

namespace vgerfs::repo {

ClientDirectories default_directories(
    const std::function<std::optional<std::string>(const char*)>& lookup) {
  const auto choose = [&](const char* own, const char* root_default, const char* xdg,
                          const char* home_default) {
    if (auto value = lookup(own); value && !value->empty()) return *value;
    // mount(8) sets neither HOME nor XDG: root's files must not depend on who mounted.
    if (::geteuid() == 0) return std::string{root_default};
    if (auto value = lookup(xdg); value && !value->empty() && value->front() == '/')
      return *value + "/vgerfs";
    if (auto home = lookup("HOME"); home && !home->empty()) return *home + home_default;
    throw Error{ErrorCode::usage,
                fmt::format("no place for the client's files: neither {} nor HOME is set", own),
                fmt::format("set {}", own)};
  };
  return {
      .cache = choose("VGERFS_CACHE_DIR", "/var/cache/vgerfs", "XDG_CACHE_HOME", "/.cache/vgerfs"),
      .state = choose("VGERFS_STATE_DIR", "/var/lib/vgerfs-client", "XDG_STATE_HOME",
                      "/.local/state/vgerfs")};
}

std::string default_host() {
  char text[256] = {};
  if (::gethostname(text, sizeof text - 1) != 0)
    throw system_error(errno, "reading the host's name");
  std::string name{text};
  name.resize(std::min(name.find('.'), name.size()));
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '_';
  }
  name.resize(std::min<std::size_t>(name.size(), 128));
  return is_valid_name(name) ? name : "localhost";
}

}  // namespace vgerfs::repo
