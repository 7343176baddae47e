#include "repo/worked_example.h"

#include <algorithm>
#include <utility>

#include "crypto/mac.h"
#include "crypto/public_key.h"
#include "format/keys.pb.h"
#include "format/object_name.h"
#include "format/tree.pb.h"
#include "repo/certificate.h"
#include "repo/config.h"
#include "repo/key_slot.h"
#include "repo/message.h"
#include "repo/snapshot.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::int64_t kTime = 1'800'000'000;
constexpr std::string_view kHost = "example";
// The data key below, sealed to the public key below: a sealed box holds an ephemeral key that
// nobody can choose, so that it cannot be computed here.
constexpr std::string_view kSealedDataKey =
    "4d27bcee3135c4944b28d27dd809b07be10c35160d20131caa7e85575498d07c"
    "74fee1aba0ba4885cbcd80b6cbf05384bc7d444d3c688949eb00828182f07867"
    "7e2dc7acb1b2d7b398c51d99ce93afeb";

Bytes counting(unsigned first, std::size_t count = 32) {
  Bytes bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(first + i));
  return bytes;
}

/// e0 e1 e2 … in every draw.
class CountingRandom final : public crypto::Random {
 public:
  void fill(MutableBytes out) override {
    const Bytes bytes = counting(0xe0, out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
  }
};

CountingRandom counting_random;

Bytes concatenated(std::initializer_list<ByteView> parts) {
  Bytes bytes;
  for (const ByteView part : parts) append(bytes, part);
  return bytes;
}

}  // namespace

WorkedExample::WorkedExample() {
  make_keys();
  make_config_and_slot();
  make_contents();
}

void WorkedExample::add_step(std::string name, ByteView bytes) {
  steps_.push_back({std::move(name), {bytes.begin(), bytes.end()}});
}

Sha256Digest WorkedExample::add_object(const std::string& directory, const Bytes& stored) {
  const Sha256Digest name = sha256(stored);
  objects_[directory + "/" + to_hex(name)] = stored;
  return name;
}

void WorkedExample::make_keys() {
  const RepositoryId repository = RepositoryId::from_bytes(counting(0x00));
  const Bytes id_key = counting(0x20);
  const Bytes meta_key = counting(0x40);
  const crypto::Secret box_secret{ByteView{counting(0x60)}};
  const crypto::Secret author_seed{ByteView{counting(0x80)}};
  const crypto::Secret root_seed{ByteView{counting(0xa0)}};
  const crypto::SigningKey root{root_seed};
  const Certificate certificate{.author = crypto::SigningKey{author_seed}.public_key(),
                                .role = Role::full,
                                .label = "worked example",
                                .hosts = {},
                                .created_s = kTime};

  proto::KeyBundle bundle;
  bundle.set_repository_id(repository.raw());
  bundle.set_root_public_key(raw_string(root.public_key()));
  bundle.set_id_key(raw_string(id_key));
  bundle.set_meta_key(raw_string(meta_key));
  bundle.set_data_public_key(raw_string(crypto::box_public_key(box_secret)));
  bundle.set_data_secret_key(raw_string(box_secret.view()));
  bundle.set_author_seed(raw_string(author_seed.view()));
  *bundle.mutable_certificate() = sign_certificate(certificate, repository, root);
  bundle.set_root_seed(raw_string(root_seed.view()));
  bundle.set_key_epoch(1);
  const Bytes encoded = encode_message(bundle);
  keyring_ = Keyring::from_bundle(encoded);

  auto data_key = std::make_shared<DataKey>();
  data_key->key = crypto::Secret{ByteView{counting(0xc0)}};
  const Bytes sealed = parse_hex(kSealedDataKey).value();
  data_key->sealed = ByteReader{sealed, "sealed data key"}.array<crypto::kSealedDataKeyBytes>();
  data_key_ = std::move(data_key);

  add_step("root public key", root.public_key());
  add_step("author public key", keyring_->author().public_key());
  add_step("pk", bytes_of(bundle.data_public_key()));
  add_step("sealed data key", data_key_->sealed);
  add_step("certificate", bytes_of(bundle.certificate().certificate()));
  add_step("certificate signature", bytes_of(bundle.certificate().signature()));
  add_step("bundle", encoded);
  add_step("chunk id subkey", crypto::hmac_sha256(id_key, bytes_of("vgerfs/1 chunk id")));
  add_step("gear subkey", crypto::hmac_sha256(id_key, bytes_of("vgerfs/1 gear")));
  add_step("split subkey", keyring_->split_key());
  Bytes gear_head;
  ByteWriter writer{gear_head};
  const GearTable gear = keyring_->gear_table();
  for (std::size_t i = 0; i < 4; ++i) writer.u64(gear[i]);
  add_step("G[0..3]", gear_head);
}

void WorkedExample::make_config_and_slot() {
  const Config config{.repository = keyring_->repository(),
                      .root_public_key = keyring_->root_public_key(),
                      .created_s = kTime,
                      .chunker = {},
                      .cipher = crypto::Cipher::aes256gcm};
  objects_["config"] = encode_config(config, keyring_->root());
  add_step("config", objects_["config"]);

  KeyFile file{crypto::Secret{ByteView{counting(0x0f)}}};
  key_file_ = format_key_file(file.key);
  const Bytes slot =
      make_slot(keyring_->bundle(), Credential{std::move(file)}, {}, keyring_->envelope_keys(),
                crypto::Cipher::aes256gcm, kTime, counting_random);
  add_step("slot header", ByteView{slot}.first(112));
  add_step("slot", slot);
  add_object("keys", slot);
}

PackDescription WorkedExample::make_pack(ChunkKind kind, const Bytes& chunk,
                                         const std::string& name) {
  const ChunkId id = keyring_->chunk_id(kind, chunk);
  Bytes directory;
  ByteWriter directory_writer{directory};
  directory_writer.u32(1);
  directory_writer.bytes(id.view());
  directory_writer.u32(static_cast<std::uint32_t>(chunk.size()));

  Bytes block(sealed_size(EnvelopeKind::block, directory.size(), chunk.size()));
  std::copy(chunk.begin(), chunk.end(),
            block.begin() +
                static_cast<std::ptrdiff_t>(data_offset(EnvelopeKind::block, directory.size())));
  const crypto::AeadTag tag =
      seal_in_place({.kind = EnvelopeKind::block,
                     .cipher = crypto::Cipher::aes256gcm,
                     .codec = Codec::raw,
                     .chunk_kind = kind,
                     .data_key = data_key_.get()},
                    keyring_->envelope_keys(), counting_random, directory, block);

  const PackKind pack_kind = pack_kind_of(kind);
  Bytes pack;
  ByteWriter writer{pack};
  writer.bytes(bytes_of("VGERPACK"));
  writer.u16(1);
  writer.u8(static_cast<std::uint8_t>(pack_kind));
  writer.zeros(5);
  writer.bytes(counting(0xe0, 16));
  writer.bytes(block);
  writer.u32(static_cast<std::uint32_t>(block.size()));
  writer.u32(1);
  writer.u32(0);
  writer.bytes(bytes_of("VGERPEND"));
  const Sha256Digest pack_id = sha256(pack);
  objects_["data/" + to_hex(pack_id).substr(0, 2) + "/" + to_hex(pack_id)] = pack;

  // Section 3.2 step by step, beside what made the block.
  const ByteView salt = ByteView{block}.subspan(24, 32);
  const Bytes input_key = concatenated({data_key_->key.view(), keyring_->envelope_keys().meta_key});
  const std::byte block_kind{1};
  const Bytes info = concatenated(
      {bytes_of("vgerfs/1"), Bytes(1), keyring_->repository().view(), {&block_kind, 1}});
  const crypto::Mac prk = crypto::hmac_sha256(salt, input_key);
  const std::byte one{1};
  const std::byte two{2};
  const crypto::Mac first = crypto::hmac_sha256(prk, info, {&one, 1});
  add_step(name + " chunk", chunk);
  add_step(name + " chunk id", id.view());
  add_step(name + " directory", directory);
  add_step(name + " salt", salt);
  add_step(name + " prk", prk);
  add_step(name + " T1, AEAD key", first);
  add_step(name + " T2, commitment", crypto::hmac_sha256(prk, first, info, {&two, 1}));
  add_step(name + " block", block);
  add_step(name + " pack id", pack_id);

  return {.id = PackId{pack_id},
          .kind = pack_kind,
          .stored_bytes = pack.size(),
          .blocks = {
              {.offset = 32,
               .stored_bytes = static_cast<std::uint32_t>(block.size()),
               .tag = tag,
               .chunk_kind = kind,
               .chunks = {{.id = id, .plain_bytes = static_cast<std::uint32_t>(chunk.size())}}}}};
}

void WorkedExample::make_contents() {
  const ByteView text = bytes_of("hello, world\n");
  const Bytes content{text.begin(), text.end()};
  proto::TreeNode node;
  proto::Entry& file = *node.add_entries();
  file.set_name("hello.txt");
  file.set_type(proto::ENTRY_FILE);
  file.set_mode(0644);
  file.set_mtime_s(kTime);
  file.set_size(content.size());
  proto::Extent& extent = *file.add_extents();
  extent.set_bytes(content.size());
  extent.set_chunk(keyring_->chunk_id(ChunkKind::data, content).raw());
  const Bytes encoded_node = encode_message(node);

  IndexRecord record;
  record.time = {kTime, 0};
  std::fill(record.session.begin(), record.session.end(), std::byte{0x5e});
  record.packs = {make_pack(ChunkKind::data, content, "data"),
                  make_pack(ChunkKind::tree, encoded_node, "tree")};
  const Bytes stored_record =
      seal_record(record, *keyring_, crypto::Cipher::aes256gcm, counting_random);
  add_step("record", stored_record);
  const RecordId record_id{add_object("index", stored_record)};
  add_step("record id", record_id.view());

  Snapshot snapshot;
  snapshot.host = kHost;
  snapshot.source = "home";
  snapshot.time = {kTime, 123'456'789};
  snapshot.paths = {"/home"};
  snapshot.root.set_type(proto::ENTRY_DIRECTORY);
  snapshot.root.set_mode(0755);
  snapshot.root.set_mtime_s(kTime);
  snapshot.root.set_subtree(keyring_->chunk_id(ChunkKind::tree, encoded_node).raw());
  snapshot.program = "vgerfs";
  snapshot.trigger = "backup";
  snapshot.session = record.session;
  snapshot.after_records = {record_id};
  const Bytes stored_snapshot =
      seal_snapshot(snapshot, *keyring_, *data_key_, crypto::Cipher::aes256gcm, counting_random);
  add_step("snapshot", stored_snapshot);
  add_step("snapshot id", add_object("snapshots", stored_snapshot));
}

}  // namespace vgerfs::repo
