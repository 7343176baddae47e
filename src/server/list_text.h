// The JSON of a listing. Small ones lie in memory, large ones in a file without a name, so that a
// million objects cost no memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "server/http_message.h"
#include "server/repository_files.h"

namespace vgerfs::server {

/// Two versions of restic's protocol, names only and names with sizes, and our own with times.
enum class ListVersion { v1, v2, times };

inline constexpr std::string_view kListTypeV1 = "application/vnd.x.restic.rest.v1";
inline constexpr std::string_view kListTypeV2 = "application/vnd.x.restic.rest.v2";
inline constexpr std::string_view kListTypeTimes = "application/vnd.vgerfs.list.v1";

/// What a request's Accept header asks for: exactly one of these, else version 1.
ListVersion list_version(std::string_view accept) noexcept;
std::string_view list_type(ListVersion version) noexcept;

class ListText {
 public:
  /// `directory`: where a file may be made.
  ListText(ListVersion version, int directory) : version_(version), directory_(directory) {}

  void add(const ListedObject& object);
  /// The listing as a reply.
  Reply finish();

 private:
  void spill();

  const ListVersion version_;
  const int directory_;
  std::string text_ = "[";
  bool is_empty_ = true;
  Fd file_;
  std::uint64_t spilled_bytes_ = 0;
};

}  // namespace vgerfs::server
