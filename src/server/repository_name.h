// Names of repositories on this server: one or two segments of a URL's path.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace vgerfs::server {

/// "laptops" or "team/laptop-7". Segments have 1 to 128 of [A-Za-z0-9._-], do not begin with a dot,
/// and are none of the words that URLs need (object types, "api", "health", "metrics"). So a name
/// is a safe relative path, never one of the server's own directories, and has one spelling. A
/// plain value.
class RepositoryName {
 public:
  /// Matches, never cleans: nullopt for anything else.
  static std::optional<RepositoryName> parse(std::string_view text);

  const std::string& text() const noexcept { return text_; }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend auto operator<=>(const RepositoryName&, const RepositoryName&) = default;

 private:
  explicit RepositoryName(std::string_view text) : text_(text) {}

  std::string text_;
};

/// Whether a segment may be part of a repository's name.
bool is_repository_segment(std::string_view segment) noexcept;

/// Which repositories a token reaches: one name, "team/*" (all below a first segment), or "*".
class RepositoryPattern {
 public:
  static std::optional<RepositoryPattern> parse(std::string_view text);
  static RepositoryPattern all() { return RepositoryPattern{"*"}; }

  bool covers(const RepositoryName& name) const noexcept;
  /// Exactly one repository.
  bool is_name() const noexcept { return text_.back() != '*'; }
  const std::string& text() const noexcept { return text_; }

 private:
  explicit RepositoryPattern(std::string_view text) : text_(text) {}

  std::string text_;
};

}  // namespace vgerfs::server
