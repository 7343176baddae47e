// Reads typed values out of YAML and notes each problem with its place instead of stopping at the
// first.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "cli/configuration.h"

namespace vgerfs::cli {

/// A key that a mapping may have, and what takes its value.
struct YamlField {
  std::string_view key;
  std::function<void(const YAML::Node&)> read;
};

/// `what` names the value in messages, for instance "keep_daily". A value that is wrong is noted
/// and left out.
class YamlReader {
 public:
  explicit YamlReader(std::vector<ConfigurationProblem>& problems) : problems_(problems) {}

  /// Calls the field of each key. Unknown and repeated keys are problems.
  void mapping(const YAML::Node& node, std::string_view what, const std::vector<YamlField>& fields);
  /// Calls `each` for every element of a list.
  void list(const YAML::Node& node, std::string_view what,
            const std::function<void(const YAML::Node&)>& each);

  std::optional<std::string> text(const YAML::Node& node, std::string_view what);
  std::vector<std::string> texts(const YAML::Node& node, std::string_view what);
  std::optional<bool> flag(const YAML::Node& node, std::string_view what);
  std::optional<std::int64_t> integer(const YAML::Node& node, std::string_view what,
                                      std::int64_t min, std::int64_t max);
  std::optional<std::chrono::seconds> duration(const YAML::Node& node, std::string_view what);
  /// "512K", "2M": a number of bytes.
  std::optional<std::uint64_t> size(const YAML::Node& node, std::string_view what);
  std::optional<repo::Period> period(const YAML::Node& node, std::string_view what);

  void problem(const YAML::Mark& mark, std::string message, std::string hint = {});

 private:
  std::vector<ConfigurationProblem>& problems_;
};

}  // namespace vgerfs::cli
