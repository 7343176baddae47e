#include "server/list_text.h"

#include <fcntl.h>

#include <utility>

#include <fmt/format.h>

namespace vgerfs::server {
namespace {

constexpr std::size_t kMaxInMemory = 256 * 1024;

}  // namespace

void ListText::add(const format::ObjectName& name, std::uint64_t bytes) {
  if (!is_empty_) text_ += ',';
  is_empty_ = false;
  if (version_ == ListVersion::v1) {
    text_ += fmt::format("\"{}\"", name.id.hex());
  } else {
    text_ += fmt::format(R"({{"name":"{}","size":{}}})", name.id.hex(), bytes);
  }
  if (text_.size() >= kMaxInMemory) spill();
}

Reply ListText::finish() {
  text_ += ']';
  // A parameter such as a charset would make restic take it for version 1.
  Reply reply{.content_type = std::string{version_ == ListVersion::v2 ? kListTypeV2 : kListTypeV1}};
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
