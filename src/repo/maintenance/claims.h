// What signed objects say that their authors had seen in the store.
#pragma once

#include <functional>

#include "format/object_name.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// Calls `each` for every claim that index records and snapshots in force make, as of the
/// repository's last refresh; an object that several have seen comes several times.
void for_each_claim(
    Repository& repository,
    const std::function<void(const format::ObjectName& name, bool by_full_author)>& each);

}  // namespace vgerfs::repo
