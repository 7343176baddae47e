#include "repo/backup_roots.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

std::vector<std::string_view> names_of(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    if (!name.empty() && name != ".") names.push_back(name);
  }
  return names;
}

std::string join(const std::vector<std::string_view>& names) {
  std::string path;
  for (const std::string_view name : names) {
    path += '/';
    path += name;
  }
  return path.empty() ? "/" : path;
}

/// Absolute, without ".", ".." and repeated slashes. What leads to ".." is resolved: with symlinks
/// on the way its meaning is not that of the text. Empty, with errno set, if it is not there.
std::string absolute(const std::string& path) {
  std::string whole =
      path.starts_with('/') ? path : std::filesystem::current_path().native() + "/" + path;
  auto names = names_of(whole);
  for (std::size_t i = names.size(); i-- > 0;) {
    if (names[i] != "..") continue;
    const std::string head =
        join({names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i) + 1});
    const std::unique_ptr<char, decltype(&std::free)> resolved{::realpath(head.c_str(), nullptr),
                                                               &std::free};
    if (!resolved) return {};
    std::string rest = std::string{resolved.get()};
    for (std::size_t j = i + 1; j < names.size(); ++j) rest.append("/").append(names[j]);
    return join(names_of(rest));
  }
  return join(names);
}

}  // namespace

void throw_root_error(int error_number, const std::string& path) {
  const Error error = system_error(error_number, path);
  if (error.code() == ErrorCode::not_found || error.code() == ErrorCode::denied) throw Error{error};
  throw FileError{FailureKind::unreadable, error.message()};
}

BackupRoots plan_roots(const std::vector<std::string>& paths) {
  if (paths.empty()) throw Error{ErrorCode::usage, "no path to back up is given"};
  BackupRoots roots;
  int first_failure = 0;
  std::size_t found = 0;
  for (const std::string& path : paths) {
    if (path.empty()) throw Error{ErrorCode::usage, "a path to back up is empty"};
    const bool follow = path.ends_with('/');
    struct ::stat attributes {};
    const std::string whole = absolute(path);
    const bool there =
        !whole.empty() && (follow ? ::stat : ::lstat)(whole.c_str(), &attributes) == 0;
    const int failure = there ? 0 : errno;
    if (there && paths.size() == 1 && ::stat(whole.c_str(), &attributes) == 0 &&
        S_ISDIR(attributes.st_mode)) {
      roots.base = whole;
      roots.root.given = roots.root.follow = true;
      return roots;
    }
    if (!there) {
      if (first_failure == 0) first_failure = failure;
      const FileError error = source_error(failure, "looking for it");
      roots.missing.push_back({path, error.kind(), error.message()});
      continue;
    }
    ++found;
    RootNode* node = &roots.root;
    node->follow = true;
    const auto names = names_of(whole);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto& child = node->children[std::string{names[i]}];
      if (!child) child = std::make_unique<RootNode>();
      child->follow = child->follow || follow || i + 1 < names.size();
      node = child.get();
    }
    node->given = true;
  }
  if (found == 0) throw_root_error(first_failure, paths.front());
  roots.base = std::string{"/"};  // GCC 12 warns of the assignment of a literal
  return roots;
}

}  // namespace vgerfs::repo
