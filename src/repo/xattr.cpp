#include "base/error.h"
#include "repo/limits.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

/// An entry with more xattrs than this keeps further values outside, so that any file that Linux
/// allows (names of 64 KiB together, values of 64 KiB each) fits into a node.
constexpr int kInlineXattrs = 64;

}  // namespace

void add_xattr(Entry& entry, ChunkSink& sink, std::string_view name, ByteView value) {
  if (name.empty() || name.size() > kMaxNameBytes || name.find('\0') != name.npos) {
    throw Error{ErrorCode::usage, "an extended attribute's name is not valid"};
  }
  if (value.size() > kMaxXattrValueBytes) {
    throw Error{ErrorCode::usage, "an extended attribute is too long"};
  }
  const bool inlined = value.empty() || (value.size() <= kMaxInlineXattrBytes &&
                                         entry.xattrs_size() < kInlineXattrs);
  // Stored first: if that throws, the entry is unchanged.
  std::string chunk;
  if (!inlined) chunk = sink.put(ChunkKind::blob, value).raw();
  auto& xattr = *entry.add_xattrs();
  xattr.set_name(name.data(), name.size());
  if (inlined) {
    xattr.set_value(value.data(), value.size());
  } else {
    xattr.set_value_chunk(std::move(chunk));
  }
}

Bytes xattr_value(const format::proto::Xattr& xattr, ChunkSource& source) {
  if (xattr.value_chunk().empty()) {
    const ByteView value = bytes_of(xattr.value());
    return {value.begin(), value.end()};
  }
  const auto id = ChunkId::from_bytes(xattr.value_chunk());
  Bytes value = source.get(ChunkKind::blob, id);
  if (value.size() > kMaxXattrValueBytes) {
    throw Error{ErrorCode::corrupt,
                fmt::format("chunk {} is too long for an extended attribute", id.short_hex())};
  }
  return value;
}

}  // namespace vgerfs::repo
