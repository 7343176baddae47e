#include "fs/ingest_port.h"

namespace vgerfs::fs {

Segment SessionPort::put(ByteView bytes) {
  const repo::PutResult result = session_.put_chunk(repo::ChunkKind::data, bytes);
  Segment segment{
      .bytes = bytes.size(), .kind = SegmentKind::chunk, .epoch = epoch_, .chunk = result.id};
  if (result.readable) return segment;
  // The block that has it is sealed with a key that this process does not hold. Copies may take
  // half of the spool, so that random writes find room.
  if (context_.spool.used_bytes() + bytes.size() <= context_.spool.limit_bytes() / 2) {
    segment.spool = context_.spool.append(bytes);
  }
  if (!segment.spool) session_.put_again(repo::ChunkKind::data, bytes);
  return segment;
}

}  // namespace vgerfs::fs
