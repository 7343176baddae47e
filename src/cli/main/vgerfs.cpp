// vgerfs: mounts repositories; by its name also mount(8)'s and umount(8)'s helper. See vgerfs(8).
#include <cstdio>
#include <exception>

#include "cli/mount_program.h"

int main(int argc, char** argv) {
  try {
    return vgerfs::cli::run_vgerfs(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vgerfs: %s\n", error.what());
    return 2;
  }
}
