#include "cli/location.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace vgerfs::cli {

bool has_scheme(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto allowed = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  };
  const std::string_view scheme = text.substr(0, colon);
  return is_letter(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), allowed);
}

bool is_location(std::string_view text) {
  return text.find('/') != std::string_view::npos || has_scheme(text);
}

std::string absolute_path(std::string_view path, std::string_view base) {
  namespace fs = std::filesystem;
  std::string result = (fs::path{base} / fs::path{path}).lexically_normal().string();
  while (result.size() > 1 && result.ends_with('/')) result.pop_back();
  return result;
}

std::string working_directory() {
  std::error_code failure;
  std::string path = std::filesystem::current_path(failure).string();
  if (failure) throw system_error(failure.value(), "current directory");
  return path;
}

}  // namespace vgerfs::cli
