#include "fs/ingest_context.h"

namespace vgerfs::fs {

void IngestContext::invalidate(NodeId parent, std::string_view name) const {
  std::function<void(NodeId, std::string_view)> tell;
  {
    const std::lock_guard lock{callbacks_mutex};
    tell = on_invalidate;
  }
  if (tell) tell(parent, name);
}

void IngestContext::invalidate_attributes(NodeId node) const {
  std::function<void(NodeId)> tell;
  {
    const std::lock_guard lock{callbacks_mutex};
    tell = on_invalidate_attributes;
  }
  if (tell) tell(node);
}

}  // namespace vgerfs::fs
