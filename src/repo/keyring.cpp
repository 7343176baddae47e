#include "repo/keyring.h"

#include <cstring>
#include <limits>

#include "base/error.h"
#include "repo/message.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::string_view kBundle = "the key bundle";
constexpr std::size_t kKeyBytes = 32;
// Each opened data key is a session's. A locked page each: enough for the sessions of a year.
constexpr std::size_t kMaxOpenedDataKeys = 1024;

/// A KeyBundle whose secrets are wiped before protobuf gives their memory back.
class WipedBundle {
 public:
  WipedBundle() = default;
  WipedBundle(const WipedBundle&) = delete;
  WipedBundle& operator=(const WipedBundle&) = delete;
  ~WipedBundle() {
    for (std::string* secret :
         {message.mutable_id_key(), message.mutable_meta_key(), message.mutable_data_secret_key(),
          message.mutable_author_seed(), message.mutable_root_seed()}) {
      crypto::wipe({reinterpret_cast<std::byte*>(secret->data()), secret->size()});
    }
  }

  crypto::Secret encode() const {
    crypto::Secret encoded{message.ByteSizeLong()};
    VGERFS_CHECK(encoded.size() <= std::numeric_limits<int>::max());
    VGERFS_CHECK(
        message.SerializeToArray(encoded.mutable_view().data(), static_cast<int>(encoded.size())));
    return encoded;
  }

  proto::KeyBundle message;
};

crypto::Secret random_secret(crypto::Random& random) {
  crypto::Secret secret{kKeyBytes};
  random.fill(secret.mutable_view());
  return secret;
}

crypto::Secret secret_field(std::string_view field, std::string_view what) {
  if (field.size() != kKeyBytes) {
    throw Error{ErrorCode::corrupt, fmt::format("{} has no {} of 32 bytes", kBundle, what)};
  }
  return crypto::Secret{bytes_of(field)};
}

void check(bool condition, std::string_view what) {
  if (!condition) throw Error{ErrorCode::corrupt, fmt::format("{}: {}", kBundle, what)};
}

}  // namespace

std::unique_ptr<Keyring> Keyring::generate(crypto::Random& random, std::string label,
                                           std::int64_t now_s) {
  const RepositoryId repository{crypto::random_array<RepositoryId::kSize>(random)};
  const crypto::Secret root_seed = random_secret(random);
  const crypto::Secret author_seed = random_secret(random);
  const crypto::SigningKey root{root_seed};
  const Certificate certificate{.author = crypto::SigningKey{author_seed}.public_key(),
                                .role = Role::full,
                                .label = std::move(label),
                                .hosts = {},
                                .created_s = now_s};
  const crypto::BoxKeyPair box = crypto::make_box_key_pair(random);

  WipedBundle bundle;
  proto::KeyBundle& message = bundle.message;
  message.set_repository_id(repository.raw());
  message.set_root_public_key(raw_string(root.public_key()));
  message.set_id_key(raw_string(random_secret(random).view()));
  message.set_meta_key(raw_string(random_secret(random).view()));
  message.set_data_public_key(raw_string(box.public_key));
  message.set_data_secret_key(raw_string(box.secret_key.view()));
  message.set_author_seed(raw_string(author_seed.view()));
  *message.mutable_certificate() = sign_certificate(certificate, repository, root);
  message.set_root_seed(raw_string(root_seed.view()));
  message.set_key_epoch(kKeyEpoch);
  return from_bundle(bundle.encode().view());
}

std::unique_ptr<Keyring> Keyring::from_bundle(ByteView encoded) {
  WipedBundle bundle;
  const proto::KeyBundle& message = bundle.message;
  decode_message(bundle.message, encoded, kBundle);
  if (message.key_epoch() != kKeyEpoch) {
    throw Error{ErrorCode::unsupported,
                fmt::format("the key slot has the unknown key epoch {}", message.key_epoch()),
                "it was written by a newer program: update vgerfs"};
  }

  std::unique_ptr<Keyring> keyring{new Keyring};
  keyring->repository_ =
      id_field<RepositoryId>(message.repository_id(), "the bundle's repository id");
  keyring->root_public_key_ =
      array_field<kKeyBytes>(message.root_public_key(), "the bundle's root public key");
  keyring->id_key_ = secret_field(message.id_key(), "id key");
  keyring->meta_key_ = secret_field(message.meta_key(), "metadata key");
  keyring->data_public_key_ =
      array_field<kKeyBytes>(message.data_public_key(), "the bundle's data public key");
  keyring->author_seed_ = secret_field(message.author_seed(), "author key");
  keyring->signed_certificate_ = message.certificate();
  keyring->certificate_ =
      verify_certificate(message.certificate(), keyring->repository_, keyring->root_public_key_);
  keyring->author_ = std::make_unique<crypto::SigningKey>(keyring->author_seed_);
  check(keyring->author_->public_key() == keyring->certificate_.author,
        "the author key is not the one in the certificate");

  switch (keyring->certificate_.role) {
    case Role::full:
      keyring->data_secret_key_ = secret_field(message.data_secret_key(), "data secret key");
      keyring->root_seed_ = secret_field(message.root_seed(), "root key");
      check(crypto::box_public_key(keyring->data_secret_key_) == keyring->data_public_key_,
            "the data keys are not a pair");
      keyring->root_ = std::make_unique<crypto::SigningKey>(keyring->root_seed_);
      check(keyring->root_->public_key() == keyring->root_public_key_,
            "the root keys are not a pair");
      break;
    case Role::ingest:
      check(message.data_secret_key().empty() && message.root_seed().empty(),
            "role ingest holds keys that it must not have");
      break;
  }

  const ByteView id_key = keyring->id_key_.view();
  crypto::Mac chunk_id_key = crypto::hmac_sha256(id_key, bytes_of("vgerfs/1 chunk id"));
  keyring->chunk_id_key_ = std::make_unique<crypto::HmacKey>(chunk_id_key);
  crypto::wipe(chunk_id_key);
  crypto::Mac split_key = crypto::hmac_sha256(id_key, bytes_of("vgerfs/1 split"));
  std::memcpy(keyring->split_key_.data(), split_key.data(), keyring->split_key_.size());
  crypto::wipe(split_key);
  return keyring;
}

Keyring::~Keyring() { crypto::wipe(split_key_); }

crypto::Secret Keyring::make_bundle(const Certificate& wanted, crypto::Random& random) const {
  const crypto::SigningKey& root_key = root();
  const crypto::Secret author_seed = random_secret(random);
  Certificate certificate = wanted;
  certificate.author = crypto::SigningKey{author_seed}.public_key();

  return encode_bundle(certificate.role, author_seed,
                       sign_certificate(certificate, repository_, root_key));
}

crypto::Secret Keyring::bundle() const {
  return encode_bundle(role(), author_seed_, signed_certificate_);
}

crypto::Secret Keyring::encode_bundle(Role role, const crypto::Secret& author_seed,
                                      const proto::SignedCertificate& certificate) const {
  WipedBundle bundle;
  proto::KeyBundle& message = bundle.message;
  message.set_repository_id(repository_.raw());
  message.set_root_public_key(raw_string(root_public_key_));
  message.set_id_key(raw_string(id_key_.view()));
  message.set_meta_key(raw_string(meta_key_.view()));
  message.set_data_public_key(raw_string(data_public_key_));
  message.set_author_seed(raw_string(author_seed.view()));
  *message.mutable_certificate() = certificate;
  message.set_key_epoch(kKeyEpoch);
  if (role == Role::full) {
    message.set_data_secret_key(raw_string(data_secret_key_.view()));
    message.set_root_seed(raw_string(root_seed_.view()));
  }
  return bundle.encode();
}

const crypto::SigningKey& Keyring::root() const {
  if (root_ == nullptr) {
    throw Error{ErrorCode::denied, "this key may only add snapshots", "use a key of role full"};
  }
  return *root_;
}

ChunkId Keyring::chunk_id(ChunkKind kind, ByteView bytes) const {
  const auto kind_byte = static_cast<std::byte>(kind);
  return ChunkId{(*chunk_id_key_)({&kind_byte, 1}, bytes)};
}

GearTable Keyring::gear_table() const {
  crypto::Mac gear_key = crypto::hmac_sha256(id_key_.view(), bytes_of("vgerfs/1 gear"));
  const crypto::HmacKey gear{gear_key};
  crypto::wipe(gear_key);
  GearTable table;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto index = static_cast<std::byte>(i);
    const crypto::Mac mac = gear({&index, 1});
    table[i] = ByteReader{mac, "gear table"}.u64();
  }
  return table;
}

crypto::Secret Keyring::local_key(std::string_view purpose) const {
  // As HKDF input, K_meta is never an HMAC key here: no salt in an envelope can equal this key.
  const crypto::HkdfPair pair =
      crypto::hkdf_pair(meta_key_.view(), bytes_of("vgerfs/1 local"), bytes_of(purpose));
  return crypto::Secret{pair.first.view()};
}

std::shared_ptr<const DataKey> Keyring::make_data_key(crypto::Random& random) const {
  auto data_key = std::make_shared<DataKey>();
  data_key->key = random_secret(random);
  data_key->sealed = crypto::seal_data_key(data_key->key, data_public_key_);
  return data_key;
}

void Keyring::remember(std::shared_ptr<const DataKey> key) const {
  const crypto::SealedDataKey sealed = key->sealed;
  const std::lock_guard lock{mutex_};
  remembered_.insert_or_assign(sealed, std::move(key));
}

void Keyring::forget(const crypto::SealedDataKey& sealed) const {
  const std::lock_guard lock{mutex_};
  remembered_.erase(sealed);
}

std::shared_ptr<const DataKey> Keyring::open_data_key(const crypto::SealedDataKey& sealed) const {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = remembered_.find(sealed); found != remembered_.end())
      return found->second;
    if (const auto found = opened_.find(sealed); found != opened_.end()) return found->second;
  }
  if (data_secret_key_.empty()) {
    throw Error{ErrorCode::denied, "this key may add snapshots but not read what is stored",
                "use a key of role full"};
  }
  auto key = crypto::open_data_key(sealed, data_public_key_, data_secret_key_);
  if (!key) {
    throw Error{ErrorCode::corrupt, "the data key in a header was not sealed to this repository"};
  }
  auto data_key = std::make_shared<DataKey>();
  data_key->key = std::move(*key);
  data_key->sealed = sealed;

  const std::lock_guard lock{mutex_};
  const auto [place, inserted] = opened_.try_emplace(sealed, std::move(data_key));
  std::shared_ptr<const DataKey> opened = place->second;
  if (inserted) {
    opened_order_.push_back(sealed);
    if (opened_order_.size() > kMaxOpenedDataKeys) {
      opened_.erase(opened_order_.front());
      opened_order_.pop_front();
    }
  }
  return opened;
}

std::size_t Keyring::SealedHash::operator()(const crypto::SealedDataKey& sealed) const noexcept {
  std::size_t hash;
  std::memcpy(&hash, sealed.data(), sizeof hash);  // begins with a random public key
  return hash;
}

}  // namespace vgerfs::repo
