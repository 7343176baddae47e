// The one table from errors to what a client is told.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"
#include "server/http_message.h"

namespace vgerfs::server {

/// A refusal with a status of its own, for what no ErrorCode says.
class HttpError : public std::exception {
 public:
  /// `cause`: what the header Vgerfs-Error says, where the status alone does not.
  HttpError(int status, std::string message, std::string cause = {})
      : status_(status), message_(std::move(message)), cause_(std::move(cause)) {}
  int status() const noexcept { return status_; }
  const std::string& cause() const noexcept { return cause_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
  std::string cause_;
};

int http_status(ErrorCode code) noexcept;

/// For errors of the client their text; for those of the server none: it may name paths.
Reply error_reply(const std::exception_ptr& error);

}  // namespace vgerfs::server
