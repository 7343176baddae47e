// Patterns in gitignore syntax (gitignore(5)): what a backup leaves out and what a restore picks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vgerfs::repo {

/// An ordered list of patterns; of those that match a path the last one decides. Paths are relative
/// to where the patterns count from, without leading or trailing slash; bytes, case matters.
/// Immutable use is thread-safe.
///
///     Patterns patterns;
///     patterns.add("*.o");
///     patterns.add("!/keep/*.o");
///     patterns.verdict("keep/a.o", false);  // false: taken back
///
/// As with git, a walk that does not enter an excluded directory cannot take back what is inside.
class Patterns {
 public:
  /// One line; comments, blank lines and patterns that git ignores add nothing. No newline in it.
  void add(std::string_view line);
  /// All lines of a text, e.g. of a file; a carriage return before a newline is dropped.
  void add_lines(std::string_view text);
  bool empty() const noexcept { return patterns_.empty(); }

  /// True: the last matching pattern takes the path; false: it is a `!` pattern; nullopt: none
  /// matches. Looks at this path alone, not at its parents.
  std::optional<bool> verdict(std::string_view path, bool is_directory) const;

 private:
  enum class Kind { literal, suffix, glob };
  struct Pattern {
    std::string text;
    Kind kind = Kind::glob;
    bool negated = false;
    bool directories_only = false;
    bool whole_path = false;  // else the last component counts
  };
  static bool matches(const Pattern& pattern, std::string_view path, std::string_view name);

  std::vector<Pattern> patterns_;
};

/// Whether a path matches a glob as gitignore(5) means it: `*` and `?` stop at slashes, `**`
/// between slashes does not; classes in brackets; a backslash takes away the meaning of the next
/// character.
bool glob_matches(std::string_view glob, std::string_view path);

}  // namespace vgerfs::repo
