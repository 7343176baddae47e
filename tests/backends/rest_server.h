// The real vgerfs-server of this build, on a unix socket, for tests of its client.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/temporary_directory.h"

namespace vgerfs::testing {

/// Runs while it lives.
class RestServer {
 public:
  static constexpr const char* kToken = "the-token-of-the-tests";

  /// `lines`: more of the [server] table.
  explicit RestServer(const std::string& lines = {});
  ~RestServer();
  RestServer(const RestServer&) = delete;
  RestServer& operator=(const RestServer&) = delete;

  std::string socket() const { return directory_ / "socket"; }
  /// Of a repository on it.
  std::string unix_url(const std::string& name = "repo") const;
  std::string data() const { return directory_ / "data"; }
  /// What `vgerfs-server token create NAME --repo REPO --role ROLE` prints; counts after a reload,
  /// which this does.
  std::string make_token(const std::string& role, const std::string& repository);
  void start();
  void kill();

 private:
  TemporaryDirectory directory_;
  pid_t process_ = 0;
};

}  // namespace vgerfs::testing
