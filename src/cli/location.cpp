#include "cli/location.h"

#include <filesystem>
#include <system_error>

#include "backends/open_backend.h"
#include "base/error.h"

namespace vgerfs::cli {

std::string absolute_path(std::string_view path, std::string_view base) {
  namespace fs = std::filesystem;
  std::string result = (fs::path{base} / fs::path{path}).lexically_normal().string();
  while (result.size() > 1 && result.ends_with('/')) result.pop_back();
  return result;
}

std::string absolute_location(const std::string& location, std::string_view base) {
  const std::string path = backends::local_path(location);
  return path.empty() ? location : absolute_path(path, base);
}

std::string working_directory() {
  std::error_code failure;
  std::string path = std::filesystem::current_path(failure).string();
  if (failure) throw system_error(failure.value(), "current directory");
  return path;
}

}  // namespace vgerfs::cli
