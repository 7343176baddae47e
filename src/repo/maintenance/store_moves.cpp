#include "repo/maintenance/store_moves.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "backends/store_services.h"
#include "base/error.h"
#include "base/log.h"
#include "repo/limits.h"
#include "repo/pack.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

/// As the writer of packs has it: a pack must fit into a record with others.
constexpr std::size_t kMaxPackWeight = std::size_t{4} << 20;
/// A record is published when what it says weighs so much.
constexpr std::size_t kFullWeight = std::size_t{8} << 20;

/// A new pack as it is to be, and as the store is asked for it.
struct Draft {
  crypto::PublicKey author{};
  PackDescription pack;  // without id
  backends::CompactedPack request;
  std::uint64_t source_bytes = 0;
  std::size_t runs = 0;    // as backends::kPlanRuns counts
  std::size_t weight = 0;  // of its blocks in a record

  std::uint64_t block_bytes() const noexcept { return pack.stored_bytes - kPackHeaderBytes; }
};

/// Says of new packs what blocks are in them, in the name of whoever sealed those.
class Publisher {
 public:
  Publisher(Repository& repository, const ExclusiveLease& lease)
      : repository_(repository), lease_(lease) {}

  /// nullptr if no record tells the certificate of the entry's author.
  const CarriedAdditions* author_of(const IndexedPack& entry) {
    const auto known = authors_.find(entry.author);
    if (known != authors_.end()) return &known->second;
    if (entry.author == repository_.keyring().certificate().author) {
      return remember(repository_.keyring().certificate(),
                      repository_.keyring().signed_certificate());
    }
    for (const RecordId& id : entry.records) {
      const IndexRecord record = open_record(
          backends::read_object(repository_.backend(), format::record_name(id), kMaxRecordBytes),
          repository_.keyring());
      if (record.author.author == entry.author) return remember(record.author, record.certificate);
      for (const CarriedAdditions& carried : record.carried) {
        if (carried.author.author == entry.author) {
          return remember(carried.author, carried.certificate);
        }
      }
    }
    return nullptr;
  }

  void add(const Draft& draft, PackDescription pack) {
    const std::size_t weight = record_weight(pack);
    if (weight_ + weight > kFullWeight) publish();
    weight_ += weight;
    if (draft.author == repository_.keyring().certificate().author) {
      record_.packs.push_back(std::move(pack));
      return;
    }
    auto carried = std::find_if(
        record_.carried.begin(), record_.carried.end(),
        [&](const CarriedAdditions& each) { return each.author.author == draft.author; });
    if (carried == record_.carried.end()) {
      carried = record_.carried.insert(carried, authors_.at(draft.author));
    }
    carried->packs.push_back(std::move(pack));
  }

  void publish() {
    if (weight_ == 0) return;
    lease_.require_held();
    record_.session = lease_.id();
    publish_record(repository_, std::exchange(record_, {}), lease_.backend());
    weight_ = 0;
  }

 private:
  const CarriedAdditions* remember(const Certificate& author,
                                   const format::proto::SignedCertificate& certificate) {
    return &authors_.insert_or_assign(author.author, CarriedAdditions{author, certificate, {}})
                .first->second;
  }

  Repository& repository_;
  const ExclusiveLease& lease_;
  std::map<crypto::PublicKey, CarriedAdditions> authors_;
  IndexRecord record_;
  std::size_t weight_ = 0;
};

}  // namespace

class StoreMover {
 public:
  StoreMover(Repository& repository, const ExclusiveLease& lease, const Marks& marks,
             const CompactPlan& plan, const CompactOptions& options,
             backends::StoreServices& services)
      : repository_(repository),
        lease_(lease),
        marks_(marks),
        plan_(plan),
        options_(options),
        services_(services),
        publisher_(repository, lease) {}

  StoreMoves run(const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                 const std::stop_token& stop) {
    std::uint64_t packs = 0;
    std::uint64_t bytes = 0;
    for (const PlannedPack& planned : plan_.repack) {
      if (stop.stop_requested() || refused_) break;
      draft_blocks_of(planned);
      bytes += planned.stored_bytes;
      if (progress) progress(++packs, bytes);
    }
    for (auto& [group, draft] : open_) {
      if (!stop.stop_requested() && is_worth_a_pack(draft)) close(std::move(draft));
    }
    if (!stop.stop_requested()) send();
    publisher_.publish();
    return std::move(moves_);
  }

 private:
  using Group = std::pair<crypto::PublicKey, PackKind>;

  void draft_blocks_of(const PlannedPack& planned) {
    const std::vector<IndexedPack> entries = repository_.index().find_pack(planned.id);
    StoreMoves::Share& share = moves_.shares_[planned.id];
    // What an ingest author sealed must be hashed: a copy that nobody has hashed is none that the
    // old one may go for.
    if (entries.size() != 1 || !entries.front().trusted ||
        publisher_.author_of(entries.front()) == nullptr) {
      share.leaves_some = true;
      return;
    }
    const IndexedPack& entry = entries.front();
    std::vector<Judged> blocks;
    for (const BlockEntry& block : entry.description.blocks) {
      if (const auto judged = judge(planned, block)) {
        blocks.push_back(*judged);
      } else {
        share.leaves_some = true;
      }
    }
    choose(blocks);
    for (const Judged& judged : blocks) {
      if (judged.moves) {
        ++share.wanted;
        add_to_draft(entry, planned, *judged.block);
      } else if (judged.dead_share < 1) {
        share.leaves_some = true;
      }
    }
  }

  struct Judged {
    const BlockEntry* block = nullptr;
    double dead_share = 0;
    bool moves = false;

    double dead_bytes() const noexcept { return block->stored_bytes * dead_share; }
  };

  /// nullopt: it holds a chunk of which another copy is in the store.
  std::optional<Judged> judge(const PlannedPack& from, const BlockEntry& block) const {
    std::uint64_t live = 0;
    std::uint64_t all = 0;
    for (const ChunkEntry& chunk : block.chunks) {
      all += chunk.plain_bytes;
      if (!marks_.contains(chunk.id)) continue;
      live += chunk.plain_bytes;
      // Which of two copies stays is for those to say who hash the other.
      if (from.has_copies) {
        const auto keeper = keeper_of(repository_.index(), plan_.stored, chunk.id);
        if (keeper && keeper->pack != from.id) return std::nullopt;
      }
    }
    return Judged{&block, 1.0 - static_cast<double>(live) / static_cast<double>(all)};
  }

  /// Blocks move as they are, with what is dead in them, as long as so little is that the new pack
  /// is not wasteful for it: else the next run would move it again. Of those that have more, the
  /// least dead ones come along with the others' neighbours.
  void choose(std::vector<Judged>& blocks) const {
    double taken = 0;
    double dead = 0;
    std::vector<Judged*> others;
    for (Judged& judged : blocks) {
      judged.moves = judged.dead_share < 1 && judged.dead_share <= options_.threshold;
      if (judged.moves) {
        taken += judged.block->stored_bytes;
        dead += judged.dead_bytes();
      } else if (judged.dead_share < 1) {
        others.push_back(&judged);
      }
    }
    std::sort(others.begin(), others.end(),
              [](const Judged* a, const Judged* b) { return a->dead_share < b->dead_share; });
    for (Judged* const judged : others) {
      taken += judged->block->stored_bytes;
      dead += judged->dead_bytes();
      if (dead > taken * options_.threshold / 2) return;
      judged->moves = true;
    }
  }

  void add_to_draft(const IndexedPack& entry, const PlannedPack& planned, const BlockEntry& block) {
    Draft& draft = open_[{entry.author, entry.description.kind}];
    const auto is_new_source = [&] {
      return draft.request.sources.empty() || draft.request.sources.back().pack != planned.id;
    };
    const std::uint64_t more_source = is_new_source() ? planned.stored_bytes : 0;
    const std::size_t weight = record_weight(block);
    if (!draft.pack.blocks.empty() &&
        (draft.pack.stored_bytes + block.stored_bytes +
                 pack_tail_bytes(draft.pack.blocks.size() + 1) >
             options_.pack_bytes ||
         draft.pack.blocks.size() >= kMaxPackBlocks || draft.weight + weight > kMaxPackWeight ||
         draft.source_bytes + more_source > backends::kPlanSourceBytes)) {
      close(std::exchange(draft, {}));
    }
    if (draft.pack.blocks.empty()) begin(draft, entry);
    if (is_new_source()) {
      draft.request.sources.push_back({planned.id, {}});
      draft.source_bytes += planned.stored_bytes;
      draft.runs += backends::kRunsOfSource;
    }
    std::vector<backends::BlockRun>& runs = draft.request.sources.back().runs;
    if (!runs.empty() && runs.back().offset + runs.back().bytes == block.offset) {
      runs.back().bytes += block.stored_bytes;
    } else {
      runs.push_back({block.offset, block.stored_bytes});
      ++draft.runs;
    }
    BlockEntry moved = block;
    moved.offset = static_cast<std::uint32_t>(draft.pack.stored_bytes);
    draft.pack.stored_bytes += block.stored_bytes;
    draft.weight += weight;
    draft.pack.blocks.push_back(std::move(moved));
  }

  void begin(Draft& draft, const IndexedPack& entry) {
    draft.author = entry.author;
    draft.runs = backends::kRunsOfSource;
    draft.pack.kind = entry.description.kind;
    draft.pack.stored_bytes = kPackHeaderBytes;
    const Bytes header = format::pack_header(
        draft.pack.kind,
        crypto::random_array<format::kPackRandomBytes>(*repository_.options().random));
    std::copy(header.begin(), header.end(), draft.request.header.begin());
  }

  /// A small pack made of one that was no larger is no gain: with others' it becomes one pack, if
  /// it goes the other way.
  bool is_worth_a_pack(const Draft& draft) const {
    const std::uint64_t bytes = draft.pack.stored_bytes + pack_tail_bytes(draft.pack.blocks.size());
    return draft.block_bytes() >= options_.pack_bytes / kSmallPackShare ||
           draft.request.sources.size() > 1 || bytes < draft.source_bytes;
  }

  void close(Draft draft) {
    if (taken_bytes_ + draft.pack.stored_bytes > backends::kPlanTakenBytes ||
        source_bytes_ + draft.source_bytes > backends::kPlanSourceBytes ||
        runs_ + draft.runs > backends::kPlanRuns) {
      send();
    }
    draft.pack.stored_bytes += pack_tail_bytes(draft.pack.blocks.size());
    taken_bytes_ += draft.pack.stored_bytes;
    source_bytes_ += draft.source_bytes;
    runs_ += draft.runs;
    waiting_.push_back(std::move(draft));
  }

  void send() {
    const std::vector<Draft> drafts = std::exchange(waiting_, {});
    taken_bytes_ = 0;
    source_bytes_ = 0;
    runs_ = 0;
    if (drafts.empty() || refused_) return;
    lease_.require_held();
    backends::CompactionPlan plan;
    plan.operation = crypto::random_array<16>(*repository_.options().random);
    for (const Draft& draft : drafts) plan.packs.push_back(draft.request);
    const auto answer = services_.compact(plan);
    refused_ = !answer;
    if (!answer) return;
    VGERFS_CHECK(answer->packs.size() == drafts.size());
    for (const PackId& id : answer->damaged) {
      log::warning("pack {} is damaged, the store says", id.short_hex());
    }
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      if (answer->packs[i]) accept(drafts[i], *answer->packs[i]);
    }
  }

  void accept(const Draft& draft, const backends::MadePack& made) {
    if (!is_what_was_asked_for(draft, made)) {
      log::warning("{}: pack {} is not what it was asked to make of blocks; it is left alone",
                   repository_.backend().location(), made.id.short_hex());
      return;
    }
    PackDescription pack = draft.pack;
    pack.id = made.id;
    auto block = pack.blocks.begin();
    for (const backends::CompactionSource& source : draft.request.sources) {
      StoreMoves::Share& share = moves_.shares_.at(source.pack);
      for (const backends::BlockRun& run : source.runs) {
        for (std::uint64_t at = run.offset; at < run.offset + run.bytes; ++block) {
          share.moved.push_back(static_cast<std::uint32_t>(at));
          at += block->stored_bytes;
        }
      }
    }
    moves_.written_bytes_ += pack.stored_bytes;
    publisher_.add(draft, std::move(pack));
  }

  /// Size, table and the last block's tag: a few bytes tell whether the store took the blocks that
  /// it was told. That they are whole is what it has hashed.
  bool is_what_was_asked_for(const Draft& draft, const backends::MadePack& made) const {
    const format::ObjectName name = format::pack_name(made.id);
    const std::uint64_t size = draft.pack.stored_bytes;
    const auto info = repository_.backend().stat(name);
    if (made.stored_bytes != size || !info || info->stored_bytes != size) return false;
    const std::vector<BlockEntry>& blocks = draft.pack.blocks;
    Bytes end(crypto::kAeadTagBytes + pack_tail_bytes(blocks.size()));
    repository_.backend().read(name, size - end.size(), end);
    const ByteView tag = ByteView{end}.first(crypto::kAeadTagBytes);
    if (!std::equal(tag.begin(), tag.end(), blocks.back().tag.begin())) return false;
    try {
      const auto lengths =
          format::parse_pack_table(ByteView{end}.subspan(crypto::kAeadTagBytes), size);
      return std::equal(lengths.begin(), lengths.end(), blocks.begin(), blocks.end(),
                        [](std::uint32_t length, const BlockEntry& block) {
                          return length == block.stored_bytes;
                        });
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt) throw;
      return false;
    }
  }

  Repository& repository_;
  const ExclusiveLease& lease_;
  const Marks& marks_;
  const CompactPlan& plan_;
  const CompactOptions& options_;
  backends::StoreServices& services_;
  Publisher publisher_;
  std::map<Group, Draft> open_;
  std::vector<Draft> waiting_;
  std::uint64_t taken_bytes_ = 0;  // of `waiting_`, as the next two
  std::uint64_t source_bytes_ = 0;
  std::size_t runs_ = 0;
  bool refused_ = false;
  StoreMoves moves_;
};

bool StoreMoves::is_done(const PackId& pack) const {
  const auto share = shares_.find(pack);
  return share != shares_.end() && !share->second.leaves_some &&
         share->second.moved.size() == share->second.wanted;
}

bool StoreMoves::contains(const PackId& pack, std::uint32_t offset) const {
  const auto share = shares_.find(pack);
  return share != shares_.end() &&
         std::binary_search(share->second.moved.begin(), share->second.moved.end(), offset);
}

StoreMoves move_in_store(
    Repository& repository, const ExclusiveLease& lease, const Marks& marks,
    const CompactPlan& plan, const CompactOptions& options,
    const std::function<void(std::uint64_t packs, std::uint64_t bytes)>& progress,
    const std::stop_token& stop) {
  backends::StoreServices* const services = repository.backend().services();
  if (services == nullptr || options.reseal || plan.repack.empty()) return {};
  return StoreMover{repository, lease, marks, plan, options, *services}.run(progress, stop);
}

}  // namespace vgerfs::repo
