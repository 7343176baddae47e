#include "repo/maintenance/object_verdict.h"

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"
#include "format/index.pb.h"
#include "format/snapshot.pb.h"
#include "repo/index_record.h"
#include "repo/message.h"
#include "repo/signed_object.h"
#include "repo/snapshot.h"

namespace vgerfs::repo {
namespace {

/// Whom the root certified and who signed the object. Throws if there is nobody.
template <class Message>
Certificate author_of(EnvelopeKind kind, ByteView stored, const Keyring& keyring) {
  std::shared_ptr<const DataKey> data_key;
  if (has_data_key(kind)) {
    const EnvelopeHeader header = parse_envelope_header(stored, kind);
    data_key = keyring.open_data_key(header.data_key.value());
  }
  const OpenedObject opened =
      open_signed(kind, stored, keyring.envelope_keys(), data_key ? &data_key->key : nullptr);
  Message message;
  decode_message(message, opened.payload, to_string(kind));
  Certificate author =
      verify_certificate(message.author(), keyring.repository(), keyring.root_public_key());
  check_signature(opened, author.author);
  return author;
}

template <class Message, class Open>
ObjectVerdict judge(EnvelopeKind kind, const ObjectId& id, ByteView stored, const Keyring& keyring,
                    Open open) {
  if (ObjectId{sha256(stored)} != id) {
    return {Verdict::damaged, "its bytes are not those that its name says"};
  }
  try {
    open();
    return {};
  } catch (const Error& error) {
    try {
      const Certificate author = author_of<Message>(kind, stored, keyring);
      return {error.code() == ErrorCode::unsupported ? Verdict::newer : Verdict::invalid,
              error.what(), author.role};
    } catch (const Error& of_author) {
      // A newer envelope is a newer program's, whoever wrote it.
      return {of_author.code() == ErrorCode::unsupported ? Verdict::newer : Verdict::foreign,
              error.what()};
    }
  }
}

}  // namespace

std::optional<Bytes> read_stored(backends::Backend& backend, const format::ObjectName& name,
                                 std::uint64_t max_bytes) {
  const auto info = backend.stat(name);
  if (!info) return std::nullopt;
  Bytes bytes(static_cast<std::size_t>(std::min(info->stored_bytes, max_bytes + 1)));
  backend.read(name, 0, bytes);
  return bytes;
}

ObjectVerdict judge_record(const RecordId& id, ByteView stored, const Keyring& keyring) {
  return judge<format::proto::IndexRecord>(EnvelopeKind::index_record, ObjectId{id.bytes()}, stored,
                                           keyring, [&] { open_record(stored, keyring); });
}

ObjectVerdict judge_snapshot(const SnapshotId& id, ByteView stored, const Keyring& keyring) {
  return judge<format::proto::Snapshot>(EnvelopeKind::snapshot, ObjectId{id.bytes()}, stored,
                                        keyring, [&] { open_snapshot(id, stored, keyring); });
}

}  // namespace vgerfs::repo
