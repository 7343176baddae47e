// A look at the wire format of a protobuf message before protobuf builds it in memory.
#pragma once

#include <string_view>

#include <google/protobuf/descriptor.h>

#include "base/bytes.h"

namespace vgerfs::repo {

/// Throws corrupt if `encoded` is not a well-formed message of this type, or would take far more
/// memory than bytes: protobuf spends a hundred bytes on an empty sub-message or an unknown field
/// that takes two when stored, so that an object within its limit could claim gigabytes. Anybody
/// with an ingest key could write one.
void scan_message(const google::protobuf::Descriptor& type, ByteView encoded,
                  std::string_view what);

}  // namespace vgerfs::repo
