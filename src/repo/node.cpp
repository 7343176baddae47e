#include "repo/node.h"

#include <google/protobuf/io/coded_stream.h>

#include "base/error.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

// Tags of protobuf's wire format: field number · 8 + wire type.
constexpr std::uint8_t kLevelTag = 1 * 8 + 0;
constexpr std::uint8_t kItemTag = 2 * 8 + 2;
constexpr std::uint8_t kChildTag = 3 * 8 + 2;

std::uint8_t* uint8s(std::byte* at) noexcept { return reinterpret_cast<std::uint8_t*>(at); }

}  // namespace

NodeWriter::NodeWriter(std::uint32_t level) : level_(level) {
  VGERFS_CHECK(level < 128);
  clear();
}

void NodeWriter::clear() {
  items_ = 0;
  bytes_.clear();
  if (level_ > 0) bytes_ = {std::byte{kLevelTag}, static_cast<std::byte>(level_)};
}

std::size_t NodeWriter::bytes_with(std::size_t item_bytes) const noexcept {
  return bytes_.size() + 1 + CodedOutputStream::VarintSize64(item_bytes) + item_bytes;
}

void NodeWriter::add(const google::protobuf::MessageLite& item, std::size_t item_bytes) {
  const std::size_t begin = bytes_.size();
  bytes_.resize(bytes_with(item_bytes));
  std::uint8_t* at = uint8s(bytes_.data() + begin);
  *at++ = level_ == 0 ? kItemTag : kChildTag;
  at = CodedOutputStream::WriteVarint64ToArray(item_bytes, at);
  at = item.SerializeWithCachedSizesToArray(at);
  VGERFS_CHECK(at == uint8s(bytes_.data() + bytes_.size()));
  ++items_;
}

void check_node_size(ByteView node) {
  if (node.empty() || node.size() > kMaxNodeBytes) {
    throw Error{ErrorCode::corrupt, "a node's size is out of range"};
  }
  // An empty item takes two bytes here and hundreds when decoded: count them first.
  CodedInputStream in{uchars(node), static_cast<int>(node.size())};
  std::size_t items = 0;
  while (const std::uint32_t tag = in.ReadTag()) {
    std::uint64_t value = 0;
    bool whole = false;
    switch (tag & 7U) {
      case 0: whole = in.ReadVarint64(&value); break;
      case 1: whole = in.Skip(8); break;
      case 2:
        whole = in.ReadVarint64(&value) && value <= node.size() && in.Skip(static_cast<int>(value));
        ++items;
        break;
      case 5: whole = in.Skip(4); break;
      default: break;
    }
    if (!whole) throw Error{ErrorCode::corrupt, "a node cannot be decoded"};
    if (items > kMaxNodeEntries) throw Error{ErrorCode::corrupt, "a node has too many items"};
  }
}

}  // namespace vgerfs::repo
