#include "cli/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "cli/quantity.h"
#include "cli/suggestion.h"

namespace vgerfs::cli {
namespace {

/// For "… expects a number, not a list".
std::string_view kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null: return "nothing";
    case YAML::NodeType::Scalar: return "text";
    case YAML::NodeType::Sequence: return "a list";
    case YAML::NodeType::Map: return "a mapping";
  }
  return "something else";
}

/// yaml-cpp gives quoted scalars this tag: "7" is text, 7 is a number.
bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

std::string expects(std::string_view what, std::string_view expected, const YAML::Node& node) {
  if (node.IsScalar())
    return fmt::format("{} expects {}, not \"{}\"", what, expected, node.Scalar());
  return fmt::format("{} expects {}, not {}", what, expected, kind_of(node));
}

}  // namespace

void YamlReader::mapping(const YAML::Node& node, std::string_view what,
                         const std::vector<YamlField>& fields) {
  if (!node.IsMap()) return problem(node.Mark(), expects(what, "a mapping (key: value)", node));
  std::vector<std::string_view> names;
  for (const YamlField& field : fields) names.push_back(field.key);
  std::vector<std::string> seen;
  for (const auto& entry : node) {
    const YAML::Node& key = entry.first;
    if (!key.IsScalar()) {
      problem(key.Mark(), fmt::format("a key of {} is {}, not text", what, kind_of(key)));
      continue;
    }
    const std::string& name = key.Scalar();
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const YamlField& f) { return f.key == name; });
    if (field == fields.end()) {
      std::string hint = suggestion(name, names);
      if (hint.empty()) hint = fmt::format("known here: {}", fmt::join(names, ", "));
      problem(key.Mark(), fmt::format("unknown key \"{}\" in {}", name, what), std::move(hint));
    } else if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      problem(key.Mark(), fmt::format("\"{}\" appears twice in {}", name, what));
    } else if (entry.second.IsNull()) {
      problem(key.Mark(), fmt::format("\"{}\" has no value", name),
              "give it one, or remove the line");
    } else {
      field->read(entry.second);
    }
    seen.push_back(name);
  }
}

void YamlReader::list(const YAML::Node& node, std::string_view what,
                      const std::function<void(const YAML::Node&)>& each) {
  if (!node.IsSequence()) return problem(node.Mark(), expects(what, "a list", node));
  for (const auto& element : node) each(element);
}

std::optional<std::string> YamlReader::text(const YAML::Node& node, std::string_view what) {
  if (!node.IsScalar()) {
    problem(node.Mark(), expects(what, "text", node));
    return std::nullopt;
  }
  const std::string& value = node.Scalar();
  if (value.empty()) {
    problem(node.Mark(), fmt::format("{} is empty", what));
    return std::nullopt;
  }
  if (value.find('\0') != std::string::npos) {
    problem(node.Mark(), fmt::format("{} contains a zero byte", what));
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> YamlReader::texts(const YAML::Node& node, std::string_view what) {
  std::vector<std::string> values;
  list(node, what, [&](const YAML::Node& element) {
    if (auto value = text(element, fmt::format("each of {}", what)))
      values.push_back(*std::move(value));
  });
  return values;
}

std::optional<bool> YamlReader::flag(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar() && !is_quoted(node)) {
    if (node.Scalar() == "true") return true;
    if (node.Scalar() == "false") return false;
  }
  problem(node.Mark(), expects(what, "true or false", node));
  return std::nullopt;
}

std::optional<std::int64_t> YamlReader::integer(const YAML::Node& node, std::string_view what,
                                                std::int64_t min, std::int64_t max) {
  if (node.IsScalar() && !is_quoted(node)) {
    const std::string& digits = node.Scalar();
    std::int64_t value = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure == std::errc{} && end == digits.data() + digits.size() && value >= min &&
        value <= max)
      return value;
  }
  problem(node.Mark(), expects(what, fmt::format("a whole number from {} to {}", min, max), node));
  return std::nullopt;
}

std::optional<std::uint64_t> YamlReader::size(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) {
    if (const auto value = parse_size(node.Scalar())) return value;
  }
  problem(node.Mark(), expects(what, "a number of bytes", node), "for instance 500K or 2M");
  return std::nullopt;
}

std::optional<std::chrono::seconds> YamlReader::duration(const YAML::Node& node,
                                                         std::string_view what) {
  if (node.IsScalar()) {
    if (const auto value = parse_duration(node.Scalar()); value && value->count() > 0) return value;
  }
  problem(node.Mark(), expects(what, "a duration", node),
          "write a number and s, m, h, d, w or y, for instance 90s, 36h or 30d");
  return std::nullopt;
}

std::optional<repo::Period> YamlReader::period(const YAML::Node& node, std::string_view what) {
  if (node.IsScalar()) {
    if (const auto value = parse_period(node.Scalar())) return value;
  }
  problem(node.Mark(), expects(what, "a period", node),
          "write a number and y, m (months), w, d or h, for instance 30d, 1y6m or 48h");
  return std::nullopt;
}

void YamlReader::problem(const YAML::Mark& mark, std::string message, std::string hint) {
  const auto from_one = [](int position) {
    return position < 0 ? std::size_t{1} : static_cast<std::size_t>(position) + 1;
  };
  problems_.push_back(
      {from_one(mark.line), from_one(mark.column), std::move(message), std::move(hint)});
}

}  // namespace vgerfs::cli
