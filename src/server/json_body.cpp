#include "server/json_body.h"

#include <algorithm>

#include "server/error_reply.h"

namespace vgerfs::server {

using nlohmann::json;

void JsonBody::write(ByteView bytes) {
  if (bytes.size() > max_bytes_ - text_.size()) throw HttpError{413, "the request is too large"};
  text_ += text_of(bytes);
}

Reply JsonBody::finish() {
  const json request = json::parse(text_, nullptr, false);
  if (!request.is_object()) throw HttpError{400, "the body is no JSON object"};
  try {
    return answer_(request);
  } catch (const json::exception&) {
    throw HttpError{400, "a member of the JSON object is missing, or of another type"};
  }
}

Reply json_reply(const json& value) {
  return {.content_type = "application/json",
          .text = value.dump(-1, ' ', true, json::error_handler_t::replace) + "\n"};
}

void allow_only(const json& object, std::initializer_list<std::string_view> members) {
  for (const auto& [name, ignored] : object.items()) {
    if (std::find(members.begin(), members.end(), name) == members.end()) {
      throw HttpError{400, "the JSON object has a member that is not known here"};
    }
  }
}

}  // namespace vgerfs::server
