// Ids in --json.
#pragma once

#include <nlohmann/json.hpp>

#include "cli/output.h"

namespace vgerfs::cli {

/// An array of ids, in full.
template <class Ids>
Json ids_json(const Ids& ids) {
  Json array = Json::array();
  for (const auto& id : ids) array.push_back(id.hex());
  return array;
}

}  // namespace vgerfs::cli
