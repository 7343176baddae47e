#include "server/list_text.h"

#include <fcntl.h>

#include <utility>

#include <fmt/format.h>

namespace vgerfs::server {
namespace {

constexpr std::size_t kMaxInMemory = 256 * 1024;

}  // namespace

ListVersion list_version(std::string_view accept) noexcept {
  if (accept == kListTypeV2) return ListVersion::v2;
  return accept == kListTypeTimes ? ListVersion::times : ListVersion::v1;
}

std::string_view list_type(ListVersion version) noexcept {
  switch (version) {
    case ListVersion::v1: return kListTypeV1;
    case ListVersion::v2: return kListTypeV2;
    case ListVersion::times: return kListTypeTimes;
  }
  return kListTypeV1;
}

void ListText::add(const ListedObject& object) {
  if (!is_empty_) text_ += ',';
  is_empty_ = false;
  const std::string id = object.name.id.hex();
  switch (version_) {
    case ListVersion::v1: text_ += fmt::format("\"{}\"", id); break;
    case ListVersion::v2:
      text_ += fmt::format(R"({{"name":"{}","size":{}}})", id, object.bytes);
      break;
    case ListVersion::times:
      text_ += fmt::format(R"({{"name":"{}","size":{},"stored_at_ns":{}}})", id, object.bytes,
                           object.stored_at_ns);
      break;
  }
  if (text_.size() >= kMaxInMemory) spill();
}

Reply ListText::finish() {
  text_ += ']';
  // A parameter such as a charset would make restic take it for version 1.
  Reply reply{.content_type = std::string{list_type(version_)}};
  if (!file_) {
    reply.text = std::move(text_);
    return reply;
  }
  spill();
  reply.file = FilePart{std::make_shared<const Fd>(std::move(file_)), 0, spilled_bytes_};
  return reply;
}

void ListText::spill() {
  if (!file_) file_ = open_at(directory_, ".", O_TMPFILE | O_RDWR, 0600);
  write_all_at(file_.get(), bytes_of(text_), spilled_bytes_, "a listing");
  spilled_bytes_ += text_.size();
  text_.clear();
}

}  // namespace vgerfs::server
