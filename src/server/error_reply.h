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
  HttpError(int status, std::string message) : status_(status), message_(std::move(message)) {}
  int status() const noexcept { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
};

int http_status(ErrorCode code) noexcept;

/// For errors of the client their text; for those of the server none: it may name paths.
Reply error_reply(const std::exception_ptr& error);

}  // namespace vgerfs::server
