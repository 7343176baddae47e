#include "rest_server.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::testing {
namespace {

pid_t spawn(std::vector<std::string> arguments, const std::string& output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = 0;
  const int failure =
      ::posix_spawn(&process, VGERFS_SERVER_PROGRAM, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw system_error(failure, VGERFS_SERVER_PROGRAM);
  return process;
}

std::string read_file(const std::string& path) {
  std::ifstream in{path};
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

bool answers(const std::string& path) {
  const Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

RestServer::RestServer(const std::string& lines) {
  std::ofstream{directory_ / "server.toml"} << fmt::format(
      "[server]\nlisten = \"unix:{}\"\ndata_dir = \"{}\"\ntoken = \"{}\"\n"
      "min_free_bytes = 0\n{}\n",
      socket(), data(), kToken, lines);
  start();
}

RestServer::~RestServer() { kill(); }

std::string RestServer::unix_url(const std::string& name) const {
  return fmt::format("http+unix://{}:/{}", socket(), name);
}

void RestServer::start() {
  process_ = spawn({"vgerfs-server", "--config", directory_ / "server.toml"}, directory_ / "log");
  while (!answers(socket())) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0) {
      process_ = 0;
      throw Error{ErrorCode::io, "the server ended: " + read_file(directory_ / "log")};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

void RestServer::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
}

std::string RestServer::make_token(const std::string& role, const std::string& repository) {
  const std::string output = directory_ / ("token-" + role);
  const pid_t process = spawn({"vgerfs-server", "--config", directory_ / "server.toml", "token",
                               "create", role, "--repo", repository, "--role", role},
                              output);
  int status = 0;
  ::waitpid(process, &status, 0);
  if (status != 0) throw Error{ErrorCode::io, read_file(output)};
  std::string token = read_file(output);
  token.erase(token.find_last_not_of("\r\n ") + 1);
  return token.substr(token.find_last_of("\n ") + 1);
}

}  // namespace vgerfs::testing
