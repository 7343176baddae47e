#include "repo/lease.h"

#include "base/error.h"
#include "format/lease.pb.h"
#include "repo/message.h"
#include "repo/signed_object.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

proto::LeaseKind to_proto(LeaseKind kind) noexcept {
  switch (kind) {
    case LeaseKind::shared: return proto::LEASE_SHARED;
    case LeaseKind::exclusive: return proto::LEASE_EXCLUSIVE;
  }
  bug("unknown lease kind");
}

}  // namespace

Bytes seal_lease(const Lease& lease, const Keyring& keyring, crypto::Cipher cipher,
                 crypto::Random& random) {
  if (!is_utf8(lease.host) || !is_utf8(lease.program)) {
    throw Error{ErrorCode::usage, "a lease's host and program must be UTF-8 text"};
  }
  proto::Lease message;
  *message.mutable_author() = keyring.signed_certificate();
  message.set_kind(to_proto(lease.kind));
  message.set_session(raw_string(lease.session));
  message.set_host(lease.host);
  message.set_program(lease.program);
  message.set_pid(lease.pid);
  message.set_created_s(lease.created_s);
  message.set_refreshed_s(lease.refreshed_s);
  message.set_ttl_s(lease.ttl_s);
  message.set_sequence(lease.sequence);
  set_id_fields(*message.mutable_condemnations(), lease.condemnations);
  return seal_signed({.kind = EnvelopeKind::lease, .cipher = cipher}, keyring.envelope_keys(),
                     keyring.author(), random, encode_message(message));
}

Lease open_lease(ByteView stored, const Keyring& keyring) {
  const OpenedObject opened =
      open_signed(EnvelopeKind::lease, stored, keyring.envelope_keys(), nullptr);
  proto::Lease message;
  decode_message(message, opened.payload, "the lease");
  Lease lease;
  lease.author =
      verify_certificate(message.author(), keyring.repository(), keyring.root_public_key());
  check_signature(opened, lease.author.author);
  lease.supported = check_features(message.features(), "the lease", lease.author.role);

  if (message.kind() != proto::LEASE_SHARED && message.kind() != proto::LEASE_EXCLUSIVE) {
    throw Error{ErrorCode::corrupt, "the lease is of no known kind"};
  }
  lease.kind = message.kind() == proto::LEASE_SHARED ? LeaseKind::shared : LeaseKind::exclusive;
  lease.session = array_field<sizeof(SessionId)>(message.session(), "the lease's session");
  lease.host = message.host();
  lease.program = message.program();
  lease.pid = message.pid();
  lease.created_s = message.created_s();
  lease.refreshed_s = message.refreshed_s();
  lease.ttl_s = message.ttl_s();
  lease.sequence = message.sequence();
  lease.condemnations = id_fields<RecordId>(message.condemnations(), "a condemnation's record id");
  return lease;
}

}  // namespace vgerfs::repo
