#include "cli/filter_options.h"

#include <CLI/CLI.hpp>

namespace vgerfs::cli {

void add_filter_options(CLI::App& app, repo::SnapshotFilter& filter) {
  app.add_option("--host", filter.hosts, "Only snapshots of this host; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("-s,--source", filter.sources, "Only snapshots of this source; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("-t,--tag", filter.tags, "Only those with this tag; may be repeated")
      ->type_name("TAG")
      ->allow_extra_args(false);
}

}  // namespace vgerfs::cli
