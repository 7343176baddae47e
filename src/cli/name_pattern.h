// Patterns of names and paths for find: globs or regular expressions.
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vgerfs::cli {

struct NamePatternOptions {
  bool regular_expressions = false;
  bool ignore_case = false;  ///< of ASCII letters
};

/// Several patterns, of which one must match. A glob without a slash is for the last name of a
/// path, one with a slash for the whole path, as in gitignore(5); a regular expression (POSIX,
/// extended) is looked for anywhere in the path. Bytes. Thread-safe.
class NamePatterns {
 public:
  /// Throws usage for an expression that is none.
  NamePatterns(const std::vector<std::string>& texts, NamePatternOptions options);
  bool matches(const std::string& path) const;

 private:
  struct FreeExpression {
    void operator()(regex_t* expression) const noexcept;
  };
  const NamePatternOptions options_;
  std::vector<std::string> globs_;
  std::vector<std::unique_ptr<regex_t, FreeExpression>> expressions_;
};

}  // namespace vgerfs::cli
