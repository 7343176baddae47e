// Requests whose body is a small JSON object, and replies that are JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "server/http_message.h"

namespace vgerfs::server {

/// Collects the body, then has it answered. Throws HttpError 413, and 400 for what is no JSON
/// object.
class JsonBody final : public RequestBody {
 public:
  using Answerer = std::function<Reply(const nlohmann::json&)>;
  JsonBody(std::uint64_t max_bytes, Answerer answer)
      : max_bytes_(max_bytes), answer_(std::move(answer)) {}

  void write(ByteView bytes) override;
  /// What `answer` throws for a member that is missing or of another type is a 400.
  Reply finish() override;

 private:
  const std::uint64_t max_bytes_;
  const Answerer answer_;
  std::string text_;
};

Reply json_reply(const nlohmann::json& value);

/// Throws HttpError 400 if the object has other members than these.
void allow_only(const nlohmann::json& object, std::initializer_list<std::string_view> members);

}  // namespace vgerfs::server
