// What was answered to requests that are known by an id, so that one that comes again, because its
// answer was lost, gets the same answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/sha256.h"
#include "base/sqlite.h"

namespace vgerfs::server {

struct Operation {
  std::int64_t repository = 0;
  std::string id;
  Sha256Digest request{};  ///< of its body
  std::string answer;
  std::int64_t at = 0;
};

/// Statements over a connection that it does not own; one thread at a time. The table is made by
/// server/schema.h. Changes want a transaction around them.
class OperationLog {
 public:
  explicit OperationLog(Database& database) : database_(database) {}

  std::optional<Operation> find(std::int64_t repository, const std::string& id);
  void add(const Operation& operation);
  void forget_before(std::int64_t time);

 private:
  Database& database_;
};

}  // namespace vgerfs::server
