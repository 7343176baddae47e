#include "server/repository_name.h"

#include <algorithm>

#include "format/object_name.h"

namespace vgerfs::server {
namespace {

constexpr std::size_t kMaxSegmentBytes = 128;
constexpr std::string_view kReserved[] = {"api", "health", "metrics"};

bool is_reserved(std::string_view segment) noexcept {
  if (segment == format::directory_name(format::ObjectType::config)) return true;
  for (const format::ObjectType type : format::kListedTypes) {
    if (segment == format::directory_name(type)) return true;
  }
  return std::find(std::begin(kReserved), std::end(kReserved), segment) != std::end(kReserved);
}

}  // namespace

bool is_repository_segment(std::string_view segment) noexcept {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !segment.empty() && segment.size() <= kMaxSegmentBytes && segment.front() != '.' &&
         segment.find_first_not_of(kAllowed) == std::string_view::npos && !is_reserved(segment);
}

std::optional<RepositoryName> RepositoryName::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (!is_repository_segment(text.substr(0, slash))) return std::nullopt;
  if (slash != std::string_view::npos && !is_repository_segment(text.substr(slash + 1))) {
    return std::nullopt;
  }
  return RepositoryName{text};
}

std::optional<RepositoryPattern> RepositoryPattern::parse(std::string_view text) {
  const bool is_subtree = text.size() > 2 && text.substr(text.size() - 2) == "/*" &&
                          is_repository_segment(text.substr(0, text.size() - 2));
  if (text != "*" && !is_subtree && !RepositoryName::parse(text)) return std::nullopt;
  return RepositoryPattern{text};
}

bool RepositoryPattern::covers(const RepositoryName& name) const noexcept {
  if (is_name()) return name.text() == text_;
  // "team/*" without its star is a prefix that ends at a segment's border.
  const std::string_view prefix = std::string_view{text_}.substr(0, text_.size() - 1);
  return std::string_view{name.text()}.substr(0, prefix.size()) == prefix;
}

}  // namespace vgerfs::server
