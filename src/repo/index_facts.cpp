#include "repo/index_facts.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/message.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

void require(bool condition, const char* what) {
  if (!condition) throw Error{ErrorCode::corrupt, fmt::format("the index record {}", what)};
}

void set_origin(std::string& field, const std::optional<RecordId>& origin) {
  if (origin) field = origin->raw();
}

/// "vgerfs/1 revocation" ‖ 0 ‖ repository id ‖ author ‖ surviving ids
Bytes revocation_message(const crypto::PublicKey& author, const std::vector<ObjectId>& surviving,
                         const RepositoryId& repository) {
  Bytes message;
  ByteWriter writer{message};
  writer.bytes(bytes_of("vgerfs/1 revocation"));
  writer.u8(0);
  writer.bytes(repository.view());
  writer.bytes(author);
  for (const ObjectId& id : surviving) writer.bytes(id.view());
  return message;
}

Vouch decode_vouch(const proto::Vouch& message) {
  Vouch vouch;
  vouch.pack = id_field<PackId>(message.pack_id(), "a vouched pack's id");
  vouch.entry =
      array_field<std::tuple_size_v<EntryDigest>>(message.entry(), "a vouched entry's digest");
  vouch.blocks.assign(message.blocks().begin(), message.blocks().end());
  require(std::is_sorted(vouch.blocks.begin(), vouch.blocks.end(), std::less_equal<>{}) &&
              (vouch.blocks.empty() || vouch.blocks.back() < kMaxPackBlocks),
          "vouches for blocks that cannot be");
  return vouch;
}

Annotation decode_annotation(const proto::Annotation& message) {
  Annotation annotation;
  annotation.snapshot = id_field<SnapshotId>(message.snapshot_id(), "an annotated snapshot's id");
  require(message.time_ns() < kNsPerSecond, "has an annotation whose time is not valid");
  annotation.time = {message.time_s(), message.time_ns()};
  annotation.origin = optional_id_field<RecordId>(message.origin(), "an annotation's origin");
  switch (message.property_case()) {
    case proto::Annotation::kHeld: annotation.property = Hold{message.held()}; break;
    case proto::Annotation::kTags:
      annotation.property = Tags{{message.tags().tags().begin(), message.tags().tags().end()}};
      break;
    case proto::Annotation::PROPERTY_NOT_SET: require(false, "has an annotation that says nothing");
  }
  return annotation;
}

Revocation decode_revocation(const proto::Revocation& message, const Keyring& keyring) {
  Revocation revocation;
  revocation.author =
      array_field<std::tuple_size_v<crypto::PublicKey>>(message.author(), "a revoked author's key");
  revocation.surviving = id_fields<ObjectId>(message.surviving(), "a surviving object's id");
  revocation.signature = array_field<std::tuple_size_v<crypto::Signature>>(
      message.signature(), "a revocation's signature");
  require(
      std::is_sorted(revocation.surviving.begin(), revocation.surviving.end(), std::less_equal<>{}),
      "has a revocation whose list is not in order");
  require(crypto::verify(
              keyring.root_public_key(),
              revocation_message(revocation.author, revocation.surviving, keyring.repository()),
              revocation.signature),
          "has a revocation that the root did not sign");
  return revocation;
}

}  // namespace

bool Facts::need_full_author() const noexcept {
  return !removals.empty() || !vouches.empty() || !supersedes.empty() || !condemnations.empty() ||
         !buried.empty() || !undoes.empty() || !annotations.empty();
}

Revocation sign_revocation(const crypto::PublicKey& author, std::vector<ObjectId> surviving,
                           const Keyring& keyring) {
  std::sort(surviving.begin(), surviving.end());
  surviving.erase(std::unique(surviving.begin(), surviving.end()), surviving.end());
  Revocation revocation{author, std::move(surviving), {}};
  revocation.signature =
      keyring.root().sign(revocation_message(author, revocation.surviving, keyring.repository()));
  return revocation;
}

void encode_facts(const Facts& facts, proto::IndexRecord& message) {
  for (const SnapshotRemoval& removal : facts.removals) {
    proto::Removal& added = *message.add_removals();
    added.set_snapshot_id(removal.snapshot.raw());
    added.set_time_s(removal.time_s);
    set_origin(*added.mutable_origin(), removal.origin);
  }
  for (const Vouch& vouch : facts.vouches) {
    proto::Vouch& added = *message.add_vouches();
    added.set_pack_id(vouch.pack.raw());
    added.set_entry(raw_string(vouch.entry));
    added.mutable_blocks()->Add(vouch.blocks.begin(), vouch.blocks.end());
  }
  set_id_fields(*message.mutable_supersedes(), facts.supersedes);
  for (const Condemnation& condemnation : facts.condemnations) {
    proto::Condemnation& added = *message.add_condemnations();
    added.set_pack_id(condemnation.pack.raw());
    added.set_time_s(condemnation.time_s);
    set_origin(*added.mutable_origin(), condemnation.origin);
  }
  set_id_fields(*message.mutable_buried(), facts.buried);
  for (const Undo& undo : facts.undoes) {
    proto::Undo& added = *message.add_undoes();
    added.set_record_id(undo.record.raw());
    set_id_fields(*added.mutable_subjects(), undo.subjects);
  }
  for (const Annotation& annotation : facts.annotations) {
    proto::Annotation& added = *message.add_annotations();
    added.set_snapshot_id(annotation.snapshot.raw());
    added.set_time_s(annotation.time.s);
    added.set_time_ns(annotation.time.ns);
    set_origin(*added.mutable_origin(), annotation.origin);
    if (const auto* hold = std::get_if<Hold>(&annotation.property)) {
      added.set_held(hold->held);
    } else {
      for (const std::string& tag : std::get<Tags>(annotation.property).tags) {
        if (!is_utf8(tag)) throw Error{ErrorCode::usage, "a tag must be UTF-8 text"};
        added.mutable_tags()->add_tags(tag);
      }
      added.mutable_tags();  // no tags are tags, too
    }
  }
  for (const Revocation& revocation : facts.revocations) {
    proto::Revocation& added = *message.add_revocations();
    added.set_author(raw_string(revocation.author));
    set_id_fields(*added.mutable_surviving(), revocation.surviving);
    added.set_signature(raw_string(revocation.signature));
  }
}

Facts decode_facts(const proto::IndexRecord& message, Role role, const Keyring& keyring,
                   bool& ignored) {
  Facts facts;
  for (const proto::Revocation& revocation : message.revocations()) {
    facts.revocations.push_back(decode_revocation(revocation, keyring));
  }
  if (role != Role::full) {
    ignored = ignored || !message.removals().empty() || !message.vouches().empty() ||
              !message.supersedes().empty() || !message.condemnations().empty() ||
              !message.buried().empty() || !message.undoes().empty() ||
              !message.annotations().empty();
    return facts;
  }
  for (const proto::Removal& removal : message.removals()) {
    facts.removals.push_back(
        {id_field<SnapshotId>(removal.snapshot_id(), "a removed snapshot's id"), removal.time_s(),
         optional_id_field<RecordId>(removal.origin(), "a removal's origin")});
  }
  for (const proto::Vouch& vouch : message.vouches()) facts.vouches.push_back(decode_vouch(vouch));
  facts.supersedes = id_fields<RecordId>(message.supersedes(), "a superseded record's id");
  for (const proto::Condemnation& condemnation : message.condemnations()) {
    facts.condemnations.push_back(
        {id_field<PackId>(condemnation.pack_id(), "a condemned pack's id"), condemnation.time_s(),
         optional_id_field<RecordId>(condemnation.origin(), "a condemnation's origin")});
  }
  facts.buried = id_fields<PackId>(message.buried(), "a buried pack's id");
  for (const proto::Undo& undo : message.undoes()) {
    facts.undoes.push_back({id_field<RecordId>(undo.record_id(), "an undone record's id"),
                            id_fields<ObjectId>(undo.subjects(), "what is undone")});
  }
  for (const proto::Annotation& annotation : message.annotations()) {
    facts.annotations.push_back(decode_annotation(annotation));
  }
  return facts;
}

std::size_t facts_weight(const Facts& facts) noexcept {
  // Ids have 32 bytes, times 10 at most; the rest is field headers.
  constexpr std::size_t kId = 40;
  std::size_t weight = kId * (facts.supersedes.size() + facts.buried.size()) +
                       3 * kId * (facts.removals.size() + facts.condemnations.size());
  for (const Vouch& vouch : facts.vouches) weight += 3 * kId + 5 * vouch.blocks.size();
  for (const Undo& undo : facts.undoes) weight += 2 * kId + kId * undo.subjects.size();
  for (const Annotation& annotation : facts.annotations) {
    weight += 4 * kId;
    if (const auto* tags = std::get_if<Tags>(&annotation.property)) {
      for (const std::string& tag : tags->tags) weight += tag.size() + 8;
    }
  }
  for (const Revocation& revocation : facts.revocations) {
    weight += 4 * kId + kId * revocation.surviving.size();
  }
  return weight;
}

}  // namespace vgerfs::repo
