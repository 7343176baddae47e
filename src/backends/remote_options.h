// How a store on another machine is reached: what its URL does not say.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

namespace vgerfs::backends {

struct RemoteOptions {
  std::string token;    ///< the secret; empty: none. Never part of a message
  std::string user;     ///< for servers that want a name with it (HTTP Basic); else Bearer
  std::string ca_file;  ///< PEM: instead of the system's authorities
  std::string client_certificate;          ///< PEM
  std::string client_key;                  ///< PEM; empty: in the same file
  bool allow_insecure = false;             ///< http:// to other machines, too
  std::uint64_t upload_bytes_per_s = 0;    ///< 0: no limit
  std::uint64_t download_bytes_per_s = 0;  ///< the same
  unsigned connections = 8;                ///< at a time

  /// How long a request that fails is tried again.
  std::chrono::milliseconds retry_time{300'000};
  /// The same until the server has answered for the first time: a wrong address is told soon.
  std::chrono::milliseconds first_answer_time{6'000};
  std::chrono::milliseconds first_pause{250};  ///< between the first tries; doubles
  std::chrono::milliseconds stall_timeout{60'000};
  std::chrono::milliseconds answer_timeout{300'000};
  std::stop_token stop;  ///< ends the waiting between tries with Error{interrupted}
};

}  // namespace vgerfs::backends
