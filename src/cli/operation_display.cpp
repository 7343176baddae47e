#include "cli/operation_display.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vgerfs::cli {

void OperationDisplay::update(const repo::OperationCounts& counts, std::string_view current) {
  progress_.update({.items = counts.items,
                    .bytes = counts.bytes,
                    .total_items = counts.total_items,
                    .total_bytes = counts.total_bytes},
                   current);
}

void OperationDisplay::failed(const repo::FileFailure& failure) {
  progress_.clear();
  output_.warning(
      fmt::format("{}: {}: {}", failure.path, repo::to_string(failure.kind), failure.reason));
}

Json failures_json(const repo::FileFailures& failures) {
  Json array = Json::array();
  for (const repo::FileFailure& failure : failures.first) {
    Json entry;
    set_bytes(entry, "path", failure.path);
    entry["kind"] = repo::to_string(failure.kind);
    entry["reason"] = failure.reason;
    array.push_back(std::move(entry));
  }
  return array;
}

}  // namespace vgerfs::cli
