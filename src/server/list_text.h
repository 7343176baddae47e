// The JSON of a listing. Small ones lie in memory, large ones in a file without a name, so that a
// million objects cost no memory.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "format/object_name.h"
#include "server/http_message.h"

namespace vgerfs::server {

/// Two versions of the protocol: names only, or names with sizes.
enum class ListVersion { v1, v2 };

inline constexpr std::string_view kListTypeV1 = "application/vnd.x.restic.rest.v1";
inline constexpr std::string_view kListTypeV2 = "application/vnd.x.restic.rest.v2";

class ListText {
 public:
  /// `directory`: where a file may be made.
  ListText(ListVersion version, int directory) : version_(version), directory_(directory) {}

  void add(const format::ObjectName& name, std::uint64_t bytes);
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
