#include "repo/snapshot.h"

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/message.h"
#include "repo/signed_object.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

void check_text(const Snapshot& snapshot) {
  if (!is_valid_name(snapshot.host) || !is_valid_name(snapshot.source)) {
    throw Error{ErrorCode::usage, "the snapshot's host or source is not a valid name", kNameRule};
  }
  const auto is_text = [](const std::string& text) { return is_utf8(text); };
  if (!std::all_of(snapshot.tags.begin(), snapshot.tags.end(), is_text) ||
      !is_utf8(snapshot.program) || !is_utf8(snapshot.trigger)) {
    throw Error{ErrorCode::usage, "tags must be UTF-8 text"};
  }
}

}  // namespace

Bytes seal_snapshot(const Snapshot& snapshot, const Keyring& keyring, const DataKey& data_key,
                    crypto::Cipher cipher, crypto::Random& random) {
  VGERFS_CHECK(snapshot.kind == kTreeSnapshot && snapshot.time.ns < kNsPerSecond);
  check_text(snapshot);
  check_entry(snapshot.root, /*is_root=*/true);

  proto::Snapshot message;
  *message.mutable_author() = keyring.signed_certificate();
  message.set_kind(snapshot.kind);
  message.set_host(snapshot.host);
  message.set_source(snapshot.source);
  message.set_time_s(snapshot.time.s);
  message.set_time_ns(snapshot.time.ns);
  for (const std::string& path : snapshot.paths) message.add_paths(path);
  *message.mutable_root() = snapshot.root;
  if (snapshot.parent) message.set_parent(snapshot.parent->raw());
  for (const std::string& tag : snapshot.tags) message.add_tags(tag);
  *message.mutable_statistics() = snapshot.statistics;
  message.set_program(snapshot.program);
  message.set_trigger(snapshot.trigger);
  message.set_session(raw_string(snapshot.session));
  set_id_fields(*message.mutable_after_records(), snapshot.after_records);
  return seal_signed({.kind = EnvelopeKind::snapshot, .cipher = cipher, .data_key = &data_key},
                     keyring.envelope_keys(), keyring.author(), random, encode_message(message));
}

Snapshot open_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring) {
  if (SnapshotId{sha256(stored)} != id) {
    throw Error{ErrorCode::corrupt, "the snapshot does not have the content that its name says"};
  }
  const EnvelopeHeader header = parse_envelope_header(stored, EnvelopeKind::snapshot);
  const auto data_key = keyring.open_data_key(header.data_key.value());
  const OpenedObject opened =
      open_signed(EnvelopeKind::snapshot, stored, keyring.envelope_keys(), &data_key->key);
  proto::Snapshot message;
  decode_message(message, opened.payload, "the snapshot");

  Snapshot snapshot;
  snapshot.id = id;
  snapshot.author =
      verify_certificate(message.author(), keyring.repository(), keyring.root_public_key());
  check_signature(opened, snapshot.author.author);
  snapshot.supported = check_features(message.features(), "the snapshot", snapshot.author.role);

  snapshot.kind = message.kind();
  if (snapshot.kind == 0) throw Error{ErrorCode::corrupt, "the snapshot is of no kind"};
  snapshot.host = message.host();
  snapshot.source = message.source();
  if (!is_valid_name(snapshot.host) || !is_valid_name(snapshot.source)) {
    throw Error{ErrorCode::corrupt, "the snapshot's host or source is not a valid name"};
  }
  if (message.time_ns() >= kNsPerSecond) {
    throw Error{ErrorCode::corrupt, "the snapshot's time is not valid"};
  }
  snapshot.time = {message.time_s(), message.time_ns()};
  snapshot.paths.assign(message.paths().begin(), message.paths().end());
  if (snapshot.kind == kTreeSnapshot) {
    check_entry(message.root(), /*is_root=*/true);
    snapshot.root = std::move(*message.mutable_root());
    snapshot.root.DiscardUnknownFields();  // a later snapshot may carry the root on
  }
  snapshot.parent = optional_id_field<SnapshotId>(message.parent(), "the snapshot's parent");
  snapshot.tags.assign(message.tags().begin(), message.tags().end());
  snapshot.statistics = message.statistics();
  snapshot.program = message.program();
  snapshot.trigger = message.trigger();
  snapshot.session = array_field<sizeof(SessionId)>(message.session(), "the snapshot's session");
  snapshot.after_records =
      id_fields<RecordId>(message.after_records(), "a record id of the snapshot");
  snapshot.belongs_to_line = snapshot.author.may_write_for(snapshot.host);
  return snapshot;
}

}  // namespace vgerfs::repo
