// What index records say beside additions: facts about snapshots, packs, records and authors
// (docs/FORMAT.md section 9.1). They are a set: adding one is a union, taking one back is another
// fact that names the record which said it first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/public_key.h"
#include "format/index.pb.h"
#include "repo/entry_digest.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// `origin` is the record that first said so; none in that record itself.
struct SnapshotRemoval {
  SnapshotId snapshot;
  std::int64_t time_s = 0;
  std::optional<RecordId> origin = std::nullopt;
};

struct Condemnation {
  PackId pack;
  std::int64_t time_s = 0;
  std::optional<RecordId> origin = std::nullopt;
};

/// These blocks of a pack were decrypted, and every chunk that the entry names was hashed.
struct Vouch {
  PackId pack;
  EntryDigest entry{};
  std::vector<std::uint32_t> blocks;  ///< ascending; empty: all
};

struct Undo {
  RecordId record;
  std::vector<ObjectId> subjects;  ///< snapshots or packs
};

struct Hold {
  bool held = false;
};
struct Tags {
  std::vector<std::string> tags;
};

/// Sets one property of a snapshot; the latest by (time, origin) counts.
struct Annotation {
  SnapshotId snapshot;
  Timestamp time;
  std::optional<RecordId> origin = std::nullopt;
  std::variant<Hold, Tags> property;
};

/// Of the objects that `author` signed only `surviving` count. Signed by the root.
struct Revocation {
  crypto::PublicKey author{};
  std::vector<ObjectId> surviving;  ///< records and snapshots; ascending
  crypto::Signature signature{};
};

/// All but the revocations count from full authors only.
struct Facts {
  std::vector<SnapshotRemoval> removals;
  std::vector<Vouch> vouches;
  std::vector<RecordId> supersedes;
  std::vector<Condemnation> condemnations;
  std::vector<PackId> buried;
  std::vector<Undo> undoes;
  std::vector<Annotation> annotations;
  std::vector<Revocation> revocations;

  /// Whether there is anything that only a full author may say.
  bool need_full_author() const noexcept;
};

/// Throws denied without role full.
Revocation sign_revocation(const crypto::PublicKey& author, std::vector<ObjectId> surviving,
                           const Keyring& keyring);

void encode_facts(const Facts& facts, format::proto::IndexRecord& message);

/// What counts from an author of this role; `ignored` is set if something else was there. Throws
/// corrupt.
Facts decode_facts(const format::proto::IndexRecord& message, Role role, const Keyring& keyring,
                   bool& ignored);

/// Upper bound of what the facts add to a record's size.
std::size_t facts_weight(const Facts& facts) noexcept;

}  // namespace vgerfs::repo
