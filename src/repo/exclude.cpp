#include "repo/exclude.h"

#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

namespace vgerfs::repo {
namespace {

/// `dead_end`: no later start of an enclosing `*` can match either; `dead_component`: only an
/// enclosing `**` still can. They keep the work of several stars in one pattern from multiplying.
enum class Match { yes, no, dead_component, dead_end };

struct NamedClass {
  std::string_view name;
  int (*contains)(int);
};

constexpr std::array<NamedClass, 12> kNamedClasses{{{"alnum", std::isalnum},
                                                    {"alpha", std::isalpha},
                                                    {"blank", std::isblank},
                                                    {"cntrl", std::iscntrl},
                                                    {"digit", std::isdigit},
                                                    {"graph", std::isgraph},
                                                    {"lower", std::islower},
                                                    {"print", std::isprint},
                                                    {"punct", std::ispunct},
                                                    {"space", std::isspace},
                                                    {"upper", std::isupper},
                                                    {"xdigit", std::isxdigit}}};

/// Parses the bracket expression after its "[" and asks whether it has `c`. On success `rest`
/// begins after the "]"; nullopt: not a valid expression, which matches nothing.
std::optional<bool> in_brackets(std::string_view& rest, unsigned char c) {
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<unsigned char> {
    if (at >= rest.size()) return std::nullopt;
    return static_cast<unsigned char>(rest[at++]);
  };
  bool negated = false;
  if (!rest.empty() && (rest[0] == '!' || rest[0] == '^')) {
    negated = true;
    at = 1;
  }
  bool found = false;
  int range_from = -1;  // the last character, if a range may begin with it
  for (bool first = true;; first = false) {
    auto item = next();
    if (!item) return std::nullopt;
    if (*item == ']' && !first) break;
    const bool range = *item == '-' && range_from >= 0 && at < rest.size() && rest[at] != ']';
    if (range) item = next();
    if (!range && *item == '[' && at < rest.size() && rest[at] == ':') {
      const std::size_t end = rest.find(']', at + 1);
      if (end == std::string_view::npos) return std::nullopt;
      // "[:" without ":]" stands for its characters.
      if (end >= at + 2 && rest[end - 1] == ':') {
        const std::string_view name = rest.substr(at + 1, end - at - 2);
        bool known = false;
        for (const NamedClass& candidate : kNamedClasses) {
          if (candidate.name != name) continue;
          known = true;
          found = found || candidate.contains(c) != 0;
        }
        if (!known) return std::nullopt;
        at = end + 1;
        range_from = -1;
        continue;
      }
    } else if (*item == '\\') {
      item = next();
      if (!item) return std::nullopt;
    }
    if (range) {
      found = found || (c >= range_from && c <= *item);
      range_from = -1;
    } else {
      found = found || c == *item;
      range_from = *item;
    }
  }
  rest.remove_prefix(at);
  return found != negated;
}

Match match_glob(std::string_view glob, std::string_view text, bool at_component_start);

/// `stars` asterisks were removed from the front of `glob`.
Match match_star(std::string_view glob, std::string_view text, std::size_t stars,
                 bool at_component_start) {
  const bool across = stars > 1 && at_component_start &&
                      (glob.empty() || glob.starts_with('/') || glob.starts_with("\\/"));
  // "**/" also stands for no directory at all.
  if (across && glob.starts_with('/') && match_glob(glob.substr(1), text, true) == Match::yes)
    return Match::yes;
  if (glob.empty())
    return across || text.find('/') == text.npos ? Match::yes : Match::dead_component;
  for (; !text.empty(); text.remove_prefix(1)) {
    const Match rest = match_glob(glob, text, false);
    if (rest == Match::yes || rest == Match::dead_end) return rest;
    if (!across && (rest == Match::dead_component || text.front() == '/'))
      return Match::dead_component;
  }
  return Match::dead_end;
}

Match match_glob(std::string_view glob, std::string_view text, bool at_component_start) {
  while (!glob.empty()) {
    char wanted = glob.front();
    glob.remove_prefix(1);
    if (wanted == '*') {
      std::size_t stars = 1;
      for (; glob.starts_with('*'); ++stars) glob.remove_prefix(1);
      return match_star(glob, text, stars, at_component_start);
    }
    if (text.empty()) return Match::dead_end;
    const char c = text.front();
    if (wanted == '?') {
      if (c == '/') return Match::no;
    } else if (wanted == '[') {
      const auto found = in_brackets(glob, static_cast<unsigned char>(c));
      if (!found) return Match::dead_end;
      if (!*found || c == '/') return Match::no;
    } else {
      if (wanted == '\\') {
        if (glob.empty()) return Match::dead_end;
        wanted = glob.front();
        glob.remove_prefix(1);
      }
      if (c != wanted) return Match::no;
    }
    at_component_start = wanted == '/';
    text.remove_prefix(1);
  }
  return text.empty() ? Match::yes : Match::no;
}

/// Cuts spaces off the end, but not one behind a backslash.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == ' ') {
      continue;
    }
    end = i + 1;
  }
  return line.substr(0, end);
}

}  // namespace

bool glob_matches(std::string_view glob, std::string_view path) {
  return match_glob(glob, path, true) == Match::yes;
}

void Patterns::add(std::string_view line) {
  if (line.starts_with('#')) return;
  line = without_trailing_spaces(line);
  Pattern pattern;
  if (line.starts_with('!')) {
    pattern.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    pattern.directories_only = true;
    line.remove_suffix(1);
  }
  if (line.empty()) return;
  pattern.whole_path = line.find('/') != line.npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  const auto is_literal = [](std::string_view text) {
    return text.find_first_of("*?[\\") == text.npos;
  };
  if (is_literal(line)) {
    pattern.kind = Kind::literal;
  } else if (!pattern.whole_path && line.starts_with('*') && is_literal(line.substr(1))) {
    pattern.kind = Kind::suffix;
    line.remove_prefix(1);
  }
  pattern.text = line;
  patterns_.push_back(std::move(pattern));
}

void Patterns::add_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (end != text.npos && line.ends_with('\r')) line.remove_suffix(1);
    add(line);
  }
}

bool Patterns::matches(const Pattern& pattern, std::string_view path, std::string_view name) {
  const std::string_view subject = pattern.whole_path ? path : name;
  switch (pattern.kind) {
    case Kind::literal: return subject == pattern.text;
    case Kind::suffix: return subject.ends_with(pattern.text);
    case Kind::glob: return glob_matches(pattern.text, subject);
  }
  return false;
}

std::optional<bool> Patterns::verdict(std::string_view path, bool is_directory) const {
  const std::size_t slash = path.rfind('/');
  const std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directories_only && !is_directory) continue;
    if (matches(*pattern, path, name)) return !pattern->negated;
  }
  return std::nullopt;
}

}  // namespace vgerfs::repo
