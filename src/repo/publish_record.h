// An index record's way into the store.
#pragma once

#include "backends/backend.h"
#include "base/ids.h"
#include "repo/index_record.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// As Repository::publish_record. `through`: the repository's store, or that of a lease, which
/// takes the record only while the lease lasts.
RecordId publish_record(Repository& repository, IndexRecord record, backends::Backend& through);

}  // namespace vgerfs::repo
