// Plans of compactions as a client sends them: what the server takes lies in its packs, takes no
// byte twice, and says the same again when it is spelled as our client does.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backends/rest_compaction.h"
#include "fuzz_support.h"
#include "server/compaction_plan.h"
#include "server/error_reply.h"

namespace {

using namespace vgerfs;

std::optional<server::CompactionPlan> parse(std::string_view text) {
  try {
    return server::parse_compaction_plan(text);
  } catch (const server::HttpError& refused) {
    const int status = refused.status();
    VGERFS_CHECK(status == 400 || status == 413 || status == 422);
    return std::nullopt;
  }
}

void check_bounds(const server::CompactionPlan& plan) {
  std::uint64_t taken = 0;
  std::map<PackId, std::map<std::uint64_t, std::uint64_t>> runs;  // offset -> bytes
  for (const server::PlannedPack& pack : plan.packs) {
    VGERFS_CHECK(pack.header.size() == format::kPackHeaderBytes && !pack.sources.empty());
    std::uint64_t made = format::kPackHeaderBytes;
    for (const server::PlannedSource& source : pack.sources) {
      VGERFS_CHECK(!source.runs.empty());
      for (const server::BlockRun& run : source.runs) {
        VGERFS_CHECK(run.offset >= format::kPackHeaderBytes && run.bytes > 0);
        VGERFS_CHECK(run.offset + run.bytes <= format::kMaxPackBytes);
        VGERFS_CHECK(runs[source.pack].emplace(run.offset, run.bytes).second);
        made += run.bytes;
      }
    }
    VGERFS_CHECK(made <= format::kMaxPackBytes);
    taken += made;
  }
  VGERFS_CHECK(taken <= server::kMaxPlanTakenBytes);
  for (const auto& [pack, of_pack] : runs) {
    std::uint64_t end = 0;
    for (const auto& [offset, bytes] : of_pack) {
      VGERFS_CHECK(offset >= end);
      end = offset + bytes;
    }
  }
}

std::string spelled_by_client(const server::CompactionPlan& plan) {
  backends::CompactionPlan same;
  const Bytes operation = *parse_hex(plan.operation);
  VGERFS_CHECK(operation.size() == same.operation.size());
  std::copy(operation.begin(), operation.end(), same.operation.begin());
  for (const server::PlannedPack& pack : plan.packs) {
    backends::CompactedPack& made = same.packs.emplace_back();
    std::copy(pack.header.begin(), pack.header.end(), made.header.begin());
    for (const server::PlannedSource& source : pack.sources) {
      backends::CompactionSource& read = made.sources.emplace_back();
      read.pack = source.pack;
      for (const server::BlockRun& run : source.runs) read.runs.push_back({run.offset, run.bytes});
    }
  }
  return backends::compaction_plan_text(same);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = parse({reinterpret_cast<const char*>(data), size});
  if (!plan) return 0;
  check_bounds(*plan);
  const std::string text = spelled_by_client(*plan);
  const auto again = parse(text);
  VGERFS_CHECK(again && spelled_by_client(*again) == text);
  return 0;
}
