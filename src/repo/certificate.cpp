#include "repo/certificate.h"

#include <algorithm>

#include "base/error.h"
#include "repo/message.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxNameBytesOfHost = 128;
// A certificate travels in every lease (64 KiB) and twice in its slot (64 KiB).
constexpr std::size_t kMaxCertificateBytes = 16 * 1024;

/// "vgerfs/1 certificate" ‖ 0 ‖ repository id ‖ encoded certificate
Bytes message_to_sign(const RepositoryId& repository, ByteView encoded) {
  Bytes message;
  ByteWriter writer{message};
  writer.bytes(bytes_of("vgerfs/1 certificate"));
  writer.u8(0);
  writer.bytes(repository.view());
  writer.bytes(encoded);
  return message;
}

proto::Role to_proto(Role role) noexcept {
  switch (role) {
    case Role::full: return proto::ROLE_FULL;
    case Role::ingest: return proto::ROLE_INGEST;
  }
  bug("unknown role");
}

/// What is wrong with a certificate's content; empty if nothing is.
std::string_view fault(const Certificate& certificate) noexcept {
  if (certificate.label.size() > kMaxLabelBytes) return "a key's label has at most 128 bytes";
  if (!is_utf8(certificate.label)) return "a key's label must be UTF-8 text";
  if (certificate.role == Role::ingest && certificate.hosts.empty()) {
    return "a key of role ingest needs at least one host";
  }
  if (!std::all_of(certificate.hosts.begin(), certificate.hosts.end(), is_valid_name)) {
    return "a host has 1 to 128 characters of A-Z a-z 0-9 . _ - and does not begin with a dot";
  }
  return {};
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::full: return "full";
    case Role::ingest: return "ingest";
  }
  return "unknown";
}

bool Certificate::may_write_for(std::string_view host) const {
  return role == Role::full || std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

bool is_valid_name(std::string_view name) noexcept {
  static constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= kMaxNameBytesOfHost && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

proto::SignedCertificate sign_certificate(const Certificate& certificate,
                                          const RepositoryId& repository,
                                          const crypto::SigningKey& root) {
  if (const std::string_view what = fault(certificate); !what.empty()) {
    throw Error{ErrorCode::usage, std::string{what}};
  }
  proto::Certificate message;
  message.set_author(raw_string(certificate.author));
  message.set_role(to_proto(certificate.role));
  message.set_label(certificate.label);
  for (const std::string& host : certificate.hosts) message.add_hosts(host);
  message.set_created_s(certificate.created_s);
  const Bytes encoded = encode_message(message);
  if (encoded.size() > kMaxCertificateBytes) {
    throw Error{ErrorCode::usage, "a key cannot be for so many hosts"};
  }

  proto::SignedCertificate signed_certificate;
  signed_certificate.set_certificate(raw_string(encoded));
  signed_certificate.set_signature(raw_string(root.sign(message_to_sign(repository, encoded))));
  return signed_certificate;
}

Certificate verify_certificate(const proto::SignedCertificate& certificate,
                               const RepositoryId& repository, const crypto::PublicKey& root) {
  static constexpr std::string_view kWhat = "a certificate";
  const auto signature =
      array_field<sizeof(crypto::Signature)>(certificate.signature(), "a certificate's signature");
  const ByteView encoded = bytes_of(certificate.certificate());
  if (!crypto::verify(root, message_to_sign(repository, encoded), signature)) {
    throw Error{ErrorCode::corrupt, "a certificate is not signed by this repository's root key"};
  }
  proto::Certificate message;
  decode_message(message, encoded, kWhat);

  Certificate checked;
  checked.author =
      array_field<sizeof(crypto::PublicKey)>(message.author(), "a certificate's author");
  if (message.role() != proto::ROLE_FULL && message.role() != proto::ROLE_INGEST) {
    throw Error{ErrorCode::corrupt, "a certificate names no known role"};
  }
  checked.role = message.role() == proto::ROLE_FULL ? Role::full : Role::ingest;
  checked.label = message.label();
  checked.hosts.assign(message.hosts().begin(), message.hosts().end());
  checked.created_s = message.created_s();
  if (const std::string_view what = fault(checked); !what.empty()) {
    throw Error{ErrorCode::corrupt, fmt::format("{}: {}", kWhat, what)};
  }
  return checked;
}

}  // namespace vgerfs::repo
