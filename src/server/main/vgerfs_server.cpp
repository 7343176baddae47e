// vgerfs-server: keeps repositories for clients. See vgerfs-server(8).
#include "server/command_line.h"

int main(int argc, char** argv) { return vgerfs::server::run_command_line(argc, argv); }
