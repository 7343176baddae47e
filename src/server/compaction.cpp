#include "server/compaction.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sha256.h"
#include "server/compaction_plan.h"
#include "server/error_reply.h"
#include "server/pack_file.h"

namespace vgerfs::server {
namespace {

using nlohmann::json;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

Reply answer_reply(std::string text) {
  return {.content_type = "application/json", .text = std::move(text)};
}

/// Of a source.
bool is_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::io;
}

/// A plan, carried out.
class Compaction {
 public:
  Compaction(ObjectStore& store, SpaceLedger& ledger, const CompactionRequest& request,
             const CompactionPlan& plan)
      : store_(store), ledger_(ledger), request_(request), plan_(plan) {}

  /// Everything that can be refused is, before any byte is copied.
  void check() {
    std::uint64_t source_bytes = 0;
    for (const PlannedPack& pack : plan_.packs) {
      std::uint64_t blocks = 0;
      std::uint64_t bytes = 0;
      for (const PlannedSource& source : pack.sources) {
        const auto file = open(source);
        if (!file) continue;
        source_bytes += file->bytes();
        if (source_bytes > kMaxPlanSourceBytes) {
          throw HttpError{413, "the plan's sources are too large together"};
        }
        blocks += blocks_of(*file, pack, source).size();
        for (const BlockRun& run : source.runs) bytes += run.bytes;
      }
      bytes += format::kPackHeaderBytes + format::pack_tail_bytes(blocks);
      if (blocks > format::kMaxPackBlocks || bytes > format::kMaxPackBytes ||
          bytes > request_.max_pack_bytes) {
        throw HttpError{422, "the plan makes a pack that is too large"};
      }
      pack_bytes_.push_back(bytes);
    }
  }

  json run() {
    std::vector<Reservation> reservations;
    const SpaceOwner owner{request_.repository.id, request_.principal.id};
    for (std::size_t i = 0; i < plan_.packs.size(); ++i) {
      reservations.push_back(ledger_.reserve(owner, request_.limits,
                                             is_possible(plan_.packs[i]) ? pack_bytes_[i] : 0));
    }
    json made = json::array();
    for (std::size_t i = 0; i < plan_.packs.size(); ++i) {
      made.push_back(make(plan_.packs[i], std::move(reservations[i])));
    }
    json damaged = json::array();
    for (const PackId& id : damaged_) damaged.push_back(id.hex());
    return {{"packs", std::move(made)}, {"damaged", std::move(damaged)}};
  }

 private:
  bool is_possible(const PlannedPack& pack) const {
    return std::none_of(pack.sources.begin(), pack.sources.end(), [&](const PlannedSource& source) {
      return damaged_.contains(source.pack);
    });
  }

  /// nullopt, and noted, if it is damaged.
  std::optional<PackFile> open(const PlannedSource& source) {
    auto object = store_.open(request_.repository, format::pack_name(source.pack));
    if (!object) {
      throw HttpError{422, fmt::format("pack {} is not in the repository", source.pack.hex())};
    }
    try {
      return PackFile{std::move(*object)};
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      damaged_.insert(source.pack);
      return std::nullopt;
    }
  }

  static std::vector<std::uint32_t> blocks_of(const PackFile& file, const PlannedPack& pack,
                                              const PlannedSource& source) {
    if (file.kind() != pack.kind) {
      throw HttpError{422, fmt::format("pack {} is of another kind", source.pack.hex())};
    }
    auto blocks = file.block_bytes(source.runs);
    if (!blocks) {
      throw HttpError{422,
                      fmt::format("pack {} has other blocks than the plan", source.pack.hex())};
    }
    return std::move(*blocks);
  }

  /// Name and size of the new pack; null if one of its sources is damaged.
  json make(const PlannedPack& pack, Reservation reservation) {
    if (!is_possible(pack)) return nullptr;
    // Its name is its hash, which comes last.
    const auto upload = store_.begin(request_.repository, {format::ObjectType::pack, ObjectId{}},
                                     request_.principal, std::move(reservation));
    upload->write(pack.header);
    std::vector<std::uint32_t> block_bytes;
    for (const PlannedSource& source : pack.sources) {
      const auto file = open(source);
      if (!file) return nullptr;
      const auto blocks = blocks_of(*file, pack, source);
      block_bytes.insert(block_bytes.end(), blocks.begin(), blocks.end());
      if (!copy(*file, source, *upload)) {
        damaged_.insert(source.pack);
        return nullptr;
      }
    }
    upload->write(format::pack_tail(block_bytes));
    upload->name_by_content();
    store_.add(request_.repository, *upload);
    return {{"id", upload->name().object.id.hex()}, {"bytes", upload->bytes()}};
  }

  /// Reads the whole source once: what is taken of it counts only if all of it is what its name
  /// says. False if it is not.
  bool copy(const PackFile& file, const PlannedSource& source, Upload& upload) {
    Sha256 hash;
    auto run = source.runs.begin();
    for (std::uint64_t at = 0; at < file.bytes();) {
      const std::size_t count = read_piece(file, at);
      if (count == 0) return false;
      const ByteView piece = ByteView{piece_}.first(count);
      hash.update(piece);
      const std::uint64_t end = at + count;
      for (; run != source.runs.end() && run->offset < end; ++run) {
        const std::uint64_t from = std::max(run->offset, at);
        const std::uint64_t to = std::min(run->offset + run->bytes, end);
        upload.write(piece.subspan(from - at, to - from));
        if (run->offset + run->bytes > end) break;  // the rest comes with the next piece
      }
      at = end;
    }
    return hash.finish() == source.pack.bytes();
  }

  /// 0 where the file ends, or the disk cannot read it.
  std::size_t read_piece(const PackFile& file, std::uint64_t offset) {
    try {
      return file.read(offset, piece_);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      return 0;
    }
  }

  ObjectStore& store_;
  SpaceLedger& ledger_;
  const CompactionRequest& request_;
  const CompactionPlan& plan_;
  std::vector<std::uint64_t> pack_bytes_;  // of each new pack
  std::set<PackId> damaged_;
  Bytes piece_ = Bytes(kPieceBytes);
};

}  // namespace

Reply Compactor::compact(const CompactionRequest& request, std::string_view text) {
  const RepositoryTurns::Turn turn{turns_, request.repository.id};
  if (!turn.is_ours()) throw HttpError{503, "a compaction is at work: try again"};
  const CompactionPlan plan = parse_compaction_plan(text);
  const Sha256Digest hash = sha256(bytes_of(text));
  if (const auto known = parts_.store.find_operation(request.repository, plan.operation)) {
    if (known->request != hash) throw HttpError{409, "this operation was another one"};
    return answer_reply(known->answer);
  }
  Compaction compaction{parts_.store, parts_.ledger, request, plan};
  compaction.check();
  const json made = compaction.run();
  const std::string answer = made.dump() + "\n";
  parts_.store.keep_operation({.repository = request.repository.id,
                               .id = plan.operation,
                               .request = hash,
                               .answer = answer,
                               .at = parts_.clock.now().s});
  std::uint64_t bytes = 0;
  for (const json& pack : made["packs"])
    bytes += pack.is_null() ? 0 : pack["bytes"].get<std::uint64_t>();
  parts_.log.write(Severity::info, "compacted",
                   {{"repository", request.repository.name.text()},
                    {"token", request.principal.name},
                    {"operation", plan.operation},
                    {"packs", static_cast<std::uint64_t>(made["packs"].size())},
                    {"bytes", bytes},
                    {"damaged", static_cast<std::uint64_t>(made["damaged"].size())}});
  return answer_reply(answer);
}

}  // namespace vgerfs::server
