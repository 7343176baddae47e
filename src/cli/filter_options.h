// --host, --source and --tag: which snapshots a command is about.
#pragma once

#include "repo/snapshot_list.h"

namespace CLI {
class App;
}

namespace vgerfs::cli {

/// Adds the options; `filter` outlives `app`.
void add_filter_options(CLI::App& app, repo::SnapshotFilter& filter);

}  // namespace vgerfs::cli
