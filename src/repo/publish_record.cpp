#include "repo/publish_record.h"

#include <utility>

namespace vgerfs::repo {

RecordId publish_record(Repository& repository, IndexRecord record, backends::Backend& through) {
  const OpenOptions& options = repository.options();
  record.time = options.clock->now();
  if (record.session == SessionId{}) {
    record.session = crypto::random_array<sizeof(SessionId)>(*options.random);
  }
  repository.add_heads(record);
  const Bytes stored =
      seal_record(record, repository.keyring(), repository.cipher(), *options.random);
  const auto name = backends::write_object(through, format::ObjectType::index, stored);
  through.barrier();
  const RecordId id{name.id.bytes()};
  record.author = repository.keyring().certificate();
  repository.seen().add({id}, {});
  repository.index().apply(id, record, stored.size());
  return id;
}

}  // namespace vgerfs::repo
