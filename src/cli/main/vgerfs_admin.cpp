// vgerfs-admin: creates, fills, reads and looks after repositories. See vgerfs-admin(1).
#include <cstdio>

#include "base/error.h"
#include "cli/admin.h"
#include "cli/signals.h"

int main(int argc, char** argv) {
  using namespace vgerfs;
  try {
    const cli::StopOnSignals signals;
    cli::Io io = cli::system_io(signals.token());
    return cli::run_admin(argc, argv, io);
  } catch (const Error& error) {
    std::fprintf(stderr, "vgerfs-admin: %s\n", error.what());
    return static_cast<int>(cli::exit_code(error.code()));
  }
}
