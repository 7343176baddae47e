#include "server/operation_log.h"

namespace vgerfs::server {

std::optional<Operation> OperationLog::find(std::int64_t repository, const std::string& id) {
  auto row = database_.query(
      "SELECT request, answer, at FROM operations WHERE repository = ?1 AND id = ?2");
  row.bind(repository, id);
  if (!row.step()) return std::nullopt;
  return Operation{.repository = repository,
                   .id = id,
                   .request = row.array<32>(0),
                   .answer = std::string{row.text(1)},
                   .at = row.integer(2)};
}

void OperationLog::add(const Operation& operation) {
  database_
      .query(
          "INSERT INTO operations(repository, id, request, answer, at) VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind(operation.repository, operation.id, operation.request, operation.answer, operation.at)
      .run();
}

void OperationLog::forget_before(std::int64_t time) {
  database_.query("DELETE FROM operations WHERE at < ?1").bind(time).run();
}

}  // namespace vgerfs::server
