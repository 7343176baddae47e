#include "cli/name_pattern.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "cli/output.h"
#include "repo/exclude.h"

namespace vgerfs::cli {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

}  // namespace

void NamePatterns::FreeExpression::operator()(regex_t* expression) const noexcept {
  ::regfree(expression);
  delete expression;
}

NamePatterns::NamePatterns(const std::vector<std::string>& texts, NamePatternOptions options)
    : options_(options) {
  for (const std::string& text : texts) {
    if (!options.regular_expressions) {
      globs_.push_back(options.ignore_case ? lower(text) : text);
      continue;
    }
    auto expression = std::make_unique<regex_t>();
    const int result = ::regcomp(expression.get(), text.c_str(),
                                 REG_EXTENDED | REG_NOSUB | (options.ignore_case ? REG_ICASE : 0));
    if (result != 0) {
      std::array<char, 256> reason{};
      ::regerror(result, expression.get(), reason.data(), reason.size());
      throw Error{ErrorCode::usage, fmt::format("\"{}\" is no regular expression: {}",
                                                printable(text), reason.data())};
    }
    expressions_.emplace_back(expression.release());
  }
}

bool NamePatterns::matches(const std::string& path) const {
  const std::string folded = options_.ignore_case && !globs_.empty() ? lower(path) : path;
  const std::string_view name = std::string_view{folded}.substr(folded.rfind('/') + 1);
  for (const std::string& glob : globs_) {
    const bool whole = glob.find('/') != glob.npos;
    const std::string_view text = std::string_view{glob}.substr(glob.starts_with('/') ? 1 : 0);
    if (repo::glob_matches(text, whole ? std::string_view{folded} : name)) return true;
  }
  return std::any_of(expressions_.begin(), expressions_.end(), [&](const auto& expression) {
    return ::regexec(expression.get(), path.c_str(), 0, nullptr, 0) == 0;
  });
}

}  // namespace vgerfs::cli
