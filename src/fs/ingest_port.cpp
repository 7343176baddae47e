#include "fs/ingest_port.h"

#include "base/clock.h"
#include "base/error.h"
#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

/// A store that refused something is not asked again by every write.
constexpr std::int64_t kRetryInterval_ns = kNsPerSecond;

}  // namespace

SessionPort::SessionPort(IngestSource& source)
    : source_(source), context_(source.context), session_(*source.session), epoch_(source.epoch) {}

template <class Put>
repo::PutResult SessionPort::with_retry(Put put) {
  try {
    return put();
  } catch (const Error&) {
    const std::int64_t now_ns = context_.clock.boot_ns();
    std::int64_t last_ns = source_.last_retry_ns;
    // Those that come in between do not put the next try off.
    if (session_.is_over() || now_ns - last_ns < kRetryInterval_ns ||
        !source_.last_retry_ns.compare_exchange_strong(last_ns, now_ns)) {
      throw;
    }
  }
  // What the store refused waits in the session, which takes nothing more until it is through:
  // perhaps there is room again.
  session_.checkpoint();
  return put();
}

Segment SessionPort::put(ByteView bytes) {
  const repo::PutResult result =
      with_retry([&] { return session_.put_chunk(repo::ChunkKind::data, bytes); });
  Segment segment{
      .bytes = bytes.size(), .kind = SegmentKind::chunk, .epoch = epoch_, .chunk = result.id};
  if (result.readable) return segment;
  // The block that has it is sealed with a key that this process does not hold. Copies may take
  // half of the spool, so that random writes find room.
  if (context_.spool.used_bytes() + bytes.size() <= context_.spool.limit_bytes() / 2) {
    segment.spool = context_.spool.append(bytes);
  }
  if (!segment.spool) with_retry([&] { return session_.put_again(repo::ChunkKind::data, bytes); });
  return segment;
}

}  // namespace vgerfs::fs
