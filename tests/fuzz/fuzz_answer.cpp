// What a server answers to our client's calls below /api/v1/: it is taken as it stands, or is none.
#include <string_view>

#include "backends/rest_changes.h"
#include "backends/rest_compaction.h"
#include "fuzz_support.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vgerfs;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  fuzz::decode(
      [&] {
        const backends::RestChanges changes = backends::parse_rest_changes(text);
        VGERFS_CHECK(changes.changes.size() <= size / 64);  // each has a name
        // Whatever it tells, it continues what it says is its end, and nothing else.
        VGERFS_CHECK(!changes.changes.empty() || backends::is_linked(changes.last, changes));
      },
      {ErrorCode::unavailable});
  for (const std::size_t packs : {std::size_t{1}, std::size_t{2}}) {
    const backends::CompactionPlan plan{.packs = {packs, backends::CompactedPack{}}};
    fuzz::decode(
        [&] {
          const auto answer = backends::parse_compaction_answer(text, plan);
          VGERFS_CHECK(answer.packs.size() == packs && answer.damaged.size() <= size / 64);
        },
        {ErrorCode::unavailable});
  }
  return 0;
}
