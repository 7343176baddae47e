// Protobuf messages as stored bytes, and the checks of fields that all objects share.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"

namespace vgerfs::repo {

/// The canonical encoding (fields in number order, defaults omitted). Strings must be UTF-8
/// already.
Bytes encode_message(const google::protobuf::Message& message);

/// Throws corrupt, naming `what`. Memory is bounded by the length of the bytes (message_scan.h).
void decode_message(google::protobuf::Message& message, ByteView bytes, std::string_view what);

/// Protobuf neither writes nor reads other text, so writers look before.
bool is_utf8(std::string_view text) noexcept;

/// A field of exactly N bytes. Throws corrupt.
template <std::size_t N>
std::array<std::byte, N> array_field(std::string_view field, std::string_view what) {
  if (field.size() != N) {
    throw Error{ErrorCode::corrupt,
                fmt::format("{} has {} bytes instead of {}", what, field.size(), N)};
  }
  std::array<std::byte, N> out;
  std::memcpy(out.data(), field.data(), N);
  return out;
}

template <class IdType>
IdType id_field(std::string_view field, std::string_view what) {
  return IdType{array_field<IdType::kSize>(field, what)};
}

/// Empty: nullopt.
template <class IdType>
std::optional<IdType> optional_id_field(std::string_view field, std::string_view what) {
  if (field.empty()) return std::nullopt;
  return id_field<IdType>(field, what);
}

template <class IdType>
std::vector<IdType> id_fields(const google::protobuf::RepeatedPtrField<std::string>& fields,
                              std::string_view what) {
  std::vector<IdType> ids;
  ids.reserve(static_cast<std::size_t>(fields.size()));
  for (const std::string& field : fields) ids.push_back(id_field<IdType>(field, what));
  return ids;
}

template <class IdType>
void set_id_fields(google::protobuf::RepeatedPtrField<std::string>& fields,
                   const std::vector<IdType>& ids) {
  for (const IdType& id : ids) fields.Add(id.raw());
}

/// Bytes as protobuf wants them.
inline std::string raw_string(ByteView bytes) { return std::string{text_of(bytes)}; }

}  // namespace vgerfs::repo
