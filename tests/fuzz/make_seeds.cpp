// Writes seeds for the fuzz targets from the golden repositories: make_seeds GOLDEN TARGET. Each
// object gives what is stored, and what lies beyond its seals.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "backends/rest_compaction.h"
#include "base/sha256.h"
#include "cli/configuration_example.h"
#include "format/index.pb.h"
#include "format/lease.pb.h"
#include "format/pack_layout.h"
#include "fs/ingest_journal.pb.h"
#include "repo/block.h"
#include "repo/config.h"
#include "repo/journal.h"
#include "repo/key_slot.h"
#include "repo/message.h"
#include "repo/pack.h"
#include "repo/signed_object.h"
#include "repo/tree.h"
#include "support/fixed_random.h"

namespace {

using namespace vgerfs;
using repo::EnvelopeKind;

constexpr std::size_t kMaxSeedBytes = 16 * 1024;
constexpr std::size_t kMaxTreeBytes = 2 * 1024;
constexpr std::size_t kMaxTrees = 40;  // large directories are many like nodes

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in.is_open()) throw Error{ErrorCode::not_found, "cannot read " + path.string()};
  const ByteView bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

/// Writes seeds named by their hash.
class Seeds {
 public:
  explicit Seeds(std::filesystem::path directory) : directory_(std::move(directory)) {}

  void add(const std::string& target, ByteView bytes) {
    if (bytes.size() > kMaxSeedBytes) return;
    std::filesystem::create_directories(directory_ / target);
    std::ofstream out{directory_ / target / to_hex(sha256(bytes)).substr(0, 16), std::ios::binary};
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw Error{ErrorCode::io, "cannot write a seed for " + target};
  }
  /// With the byte in front that tells the target what follows.
  void add(const std::string& target, unsigned form, ByteView bytes) {
    Bytes seed{static_cast<std::byte>(form)};
    append(seed, bytes);
    add(target, seed);
  }

 private:
  std::filesystem::path directory_;
};

class GoldenSeeds {
 public:
  GoldenSeeds(const std::filesystem::path& golden, Seeds& seeds)
      : repository_(golden / "repository"), seeds_(seeds) {
    open(read_file(golden / "key"));
    for (const auto& file : std::filesystem::recursive_directory_iterator{repository_}) {
      if (file.is_regular_file()) add_object(file.path());
    }
    add_trees();
  }

 private:
  void open(const Bytes& key_file) {
    const Bytes config = read_file(repository_ / "config");
    const repo::Credential credential = repo::parse_key_file(text_of(key_file));
    for (const auto& slot : std::filesystem::directory_iterator{repository_ / "keys"}) {
      auto opened = repo::open_slot(read_file(slot.path()), credential,
                                    repo::parse_config(config).repository);
      if (opened) keyring_ = std::move(opened);
    }
    if (!keyring_) throw Error{ErrorCode::wrong_key, repository_.string() + " does not open"};
    const crypto::Secret bundle = keyring_->bundle();  // of keys that are published with it
    seeds_.add("key_slot", 1, bundle.view());
    seeds_.add("key_slot", 3, bytes_of(keyring_->signed_certificate().certificate()));
    seeds_.add("key_slot", 4, key_file);
  }

  void add_object(const std::filesystem::path& path) {
    const Bytes stored = read_file(path);
    const std::string type = std::filesystem::relative(path, repository_).begin()->string();
    if (type == "config") seeds_.add("config", stored);
    if (type == "keys") add_slot(stored);
    if (type == "index") add_signed("record", EnvelopeKind::index_record, stored);
    if (type == "snapshots") add_signed("snapshot", EnvelopeKind::snapshot, stored);
    if (type == "locks") add_signed("lease", EnvelopeKind::lease, stored);
    if (type == "data") add_pack(stored);
  }

  void add_slot(const Bytes& stored) {
    seeds_.add("key_slot", 0, stored);
    constexpr std::size_t kInfoLengthOffset = 24;
    const auto info_bytes = ByteReader{ByteView{stored}.subspan(kInfoLengthOffset), "slot"}.u32();
    const ByteView info = ByteView{stored}.last(info_bytes);
    const auto header = repo::parse_envelope_header(info, EnvelopeKind::slot_info);
    Bytes payload(header.data_bytes);
    repo::EnvelopeOpener{header, info, keyring_->envelope_keys(), nullptr}.data(payload);
    seeds_.add("key_slot", 2, payload);
  }

  void add_signed(const std::string& target, EnvelopeKind kind, const Bytes& stored) {
    seeds_.add(target, 0, stored);
    std::shared_ptr<const repo::DataKey> key;
    if (repo::has_data_key(kind)) {
      key = keyring_->open_data_key(repo::parse_envelope_header(stored, kind).data_key.value());
    }
    seeds_.add(target, 1,
               repo::open_signed(kind, stored, keyring_->envelope_keys(), key ? &key->key : nullptr)
                   .payload);
  }

  void add_pack(const Bytes& pack) {
    seeds_.add("pack", pack);
    std::size_t offset = repo::kPackHeaderBytes;
    for (const std::uint32_t bytes : repo::parse_pack(pack).block_bytes) {
      add_block(ByteView{pack}.subspan(offset, bytes));
      offset += bytes;
    }
  }

  void add_block(ByteView stored) {
    seeds_.add("block", 0, stored);
    const auto header = repo::parse_envelope_header(stored, EnvelopeKind::block);
    const auto key = keyring_->open_data_key(header.data_key.value());
    const repo::EnvelopeOpener opener{header, stored, keyring_->envelope_keys(), &key->key};
    const repo::BlockEntry entry = repo::read_block_directory(stored, *keyring_);
    if (entry.chunks.size() <= 256) {
      Bytes seed{static_cast<std::byte>(1 + 2 * (static_cast<unsigned>(entry.chunk_kind) - 1) +
                                        (header.codec == repo::Codec::zstd ? 8 : 0)),
                 static_cast<std::byte>(entry.chunks.size() - 1)};
      append(seed, opener.directory());
      Bytes data(header.data_bytes);
      opener.data(data);
      append(seed, data);
      seeds_.add("block", seed);
    }
    const Bytes plain = repo::open_block(stored, entry, *keyring_);
    std::size_t offset = 0;
    for (const repo::ChunkEntry& chunk : entry.chunks) {
      if (entry.chunk_kind == repo::ChunkKind::tree || entry.chunk_kind == repo::ChunkKind::extents)
        nodes_[{entry.chunk_kind, chunk.id}] = {
            plain.begin() + static_cast<std::ptrdiff_t>(offset),
            plain.begin() + static_cast<std::ptrdiff_t>(offset + chunk.plain_bytes)};
      offset += chunk.plain_bytes;
    }
  }

  /// A tree by its root in the form that the target reads: children are named by position.
  template <class Node>
  void add_tree(repo::ChunkKind kind, const Bytes& root) {
    std::vector<Bytes> nodes{root};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Node node;
      repo::decode_message(node, nodes[i], "a golden node");
      for (auto& child : *node.mutable_children()) {
        const auto found = nodes_.find({kind, ChunkId::from_bytes(bytes_of(child.node()))});
        const bool taken = found != nodes_.end() && nodes.size() < 4;
        std::string name(32, '\0');
        name[0] = static_cast<char>(taken ? nodes.size() : 255);
        if (taken) nodes.push_back(found->second);
        child.set_node(name);
      }
      nodes[i] = repo::encode_message(node);
    }
    Bytes seed{std::byte{kind == repo::ChunkKind::extents}};
    ByteWriter writer{seed};
    for (const Bytes& node : nodes) {
      if (node.size() > 0xffff) return;
      writer.u16(static_cast<std::uint16_t>(node.size()));
      writer.bytes(node);
    }
    if (seed.size() <= kMaxTreeBytes && trees_++ < kMaxTrees) seeds_.add("tree", seed);
  }

  void add_trees() {
    for (const auto& [name, bytes] : nodes_) {
      if (name.first == repo::ChunkKind::tree) {
        add_tree<format::proto::TreeNode>(name.first, bytes);
      } else {
        add_tree<format::proto::ExtentNode>(name.first, bytes);
      }
    }
  }

  std::filesystem::path repository_;
  Seeds& seeds_;
  std::unique_ptr<repo::Keyring> keyring_;
  std::map<std::pair<repo::ChunkKind, ChunkId>, Bytes> nodes_;
  std::size_t trees_ = 0;
};

/// The keys that the targets have.
std::unique_ptr<repo::Keyring> open_worked_example(const std::filesystem::path& golden) {
  const Bytes key_file = read_file(golden / "worked_example/key");
  const std::filesystem::path repository = golden / "worked_example/repository";
  const Bytes config = read_file(repository / "config");
  const auto slot = std::filesystem::directory_iterator { repository / "keys" } -> path();
  return repo::open_slot(read_file(slot), repo::parse_key_file(text_of(key_file)),
                         repo::parse_config(config).repository);
}

/// The facts of maintenance, which no golden record states.
void add_facts(const repo::Keyring& keyring, Seeds& seeds) {
  using namespace format::proto;
  IndexRecord record;
  const std::string id(32, 'i');
  *record.mutable_author() = keyring.signed_certificate();
  record.set_session(std::string(16, 's'));
  record.set_domain(1);
  const auto fact = [&](auto change) {
    IndexRecord with = record;
    change(with);
    seeds.add("record", 1, repo::encode_message(with));
  };
  fact([&](auto& m) {
    auto& removal = *m.add_removals();
    removal.set_snapshot_id(id);
    removal.set_time_s(1);
    removal.set_origin(id);
  });
  fact([&](auto& m) {
    auto& vouch = *m.add_vouches();
    vouch.set_pack_id(id);
    vouch.add_blocks(0);
    vouch.add_blocks(7);
    vouch.set_entry(id);
  });
  fact([&](auto& m) { m.add_supersedes(id); });
  fact([&](auto& m) {
    auto& condemnation = *m.add_condemnations();
    condemnation.set_pack_id(id);
    condemnation.set_time_s(1);
  });
  fact([&](auto& m) { m.add_buried(id); });
  fact([&](auto& m) {
    auto& undo = *m.add_undoes();
    undo.set_record_id(id);
    undo.add_subjects(id);
  });
  fact([&](auto& m) {
    auto& revocation = *m.add_revocations();
    revocation.set_author(id);
    revocation.add_surviving(id);
    revocation.set_signature(std::string(64, 'g'));
  });
  fact([&](auto& m) {
    auto& annotation = *m.add_annotations();
    annotation.set_snapshot_id(id);
    annotation.set_time_s(1);
    annotation.mutable_tags()->add_tags("tag");
  });
  Lease lease;
  *lease.mutable_author() = keyring.signed_certificate();
  lease.set_kind(LEASE_SHARED);
  lease.set_session(std::string(16, 's'));
  lease.set_host("example");
  lease.set_ttl_s(3600);
  lease.add_condemnations(id);
  seeds.add("lease", 1, repo::encode_message(lease));
}

/// What a journal keeps of bytes that the store does not have yet.
vgerfs::fs::proto::JournalBlock journal_block(const repo::Keyring& keyring, ByteView bytes) {
  testing::FixedRandom random{1};
  BufferPool pool{std::size_t{1} << 20, 2};
  repo::PlainBlock plain{.kind = repo::ChunkKind::data, .chunks = {}, .bytes = pool.take()};
  plain.chunks.push_back(
      {keyring.chunk_id(plain.kind, bytes), static_cast<std::uint32_t>(bytes.size())});
  plain.bytes.append(bytes);
  const auto key = keyring.make_data_key(random);
  repo::Compressor compressor{1};
  Bytes directory;
  Buffer sealed = pool.take();
  const repo::BlockEntry entry = repo::seal_block(
      plain, {keyring.envelope_keys(), key.get(), crypto::Cipher::aes256gcm, &random}, compressor,
      directory, sealed);
  vgerfs::fs::proto::JournalBlock block;
  block.set_sealed(sealed.data(), sealed.size());
  block.set_tag(entry.tag.data(), entry.tag.size());
  block.set_chunk_ids(entry.chunks.front().id.raw());
  block.add_chunk_bytes(entry.chunks.front().plain_bytes);
  return block;
}

/// A session: a directory with a file that was changed, a link, and what is gone.
std::vector<vgerfs::fs::proto::JournalRecord> journal_records(const repo::Keyring& keyring) {
  using namespace format::proto;
  std::vector<vgerfs::fs::proto::JournalRecord> records(5);
  const auto node = [&](std::size_t record, std::uint64_t number, EntryType type) -> auto& {
    auto& added = *records[record].add_nodes();
    added.set_number(number);
    added.set_dirty(true);
    added.set_link_count(1);
    added.mutable_entry()->set_name("-");
    added.mutable_entry()->set_type(type);
    return added;
  };
  const auto link = [&](std::uint64_t number, const char* name) -> auto& {
    auto& added = *records[2].add_links();
    added.set_directory(1);
    added.set_node(number);
    added.set_name(name);
    return added;
  };
  const auto extent = [](auto& list, std::uint64_t bytes, bool is_hole) {
    auto& added = *list.add_extents();
    added.set_bytes(bytes);
    if (!is_hole) added.set_chunk(std::string(32, 'c'));
  };
  auto& header = *records[0].mutable_header();
  header.set_root(1);
  header.set_base_snapshot(std::string(32, 's'));
  header.mutable_base_root()->set_type(ENTRY_DIRECTORY);
  node(0, 1, ENTRY_DIRECTORY).mutable_entry()->set_subtree(std::string(32, 't'));
  auto& file = node(0, 2, ENTRY_FILE);
  file.set_whole(true);
  file.set_bytes(150);
  file.mutable_entry()->set_size(100);
  extent(*file.mutable_entry(), 60, false);
  extent(*file.mutable_entry(), 40, true);
  auto& xattr = *file.add_xattrs();
  xattr.set_name("user.long");
  xattr.set_value(std::string(2000, 'x'));
  auto& range = *file.add_ranges();
  range.set_start(50);
  extent(range, 20, false);
  extent(range, 30, true);
  auto& more = *records[1].add_nodes();
  more.set_number(2);
  more.set_ranges_only(true);
  more.add_ranges()->set_start(120);
  extent(*more.mutable_ranges(0), 30, false);
  node(2, 3, ENTRY_SYMLINK).mutable_entry()->set_symlink_target("target");
  auto& again = node(2, 2, ENTRY_FILE);
  again.set_bytes(70);
  again.add_ranges()->set_start(10);
  extent(*again.mutable_ranges(0), 5, true);
  link(2, "file").set_in_base(true);
  link(3, "link");
  link(0, "gone").set_gone(true);
  link(0, "as in the base");
  records[2].mutable_totals()->set_files(1);
  *records[3].mutable_block() = journal_block(keyring, bytes_of("only the journal has it"));
  *records[4].mutable_committing() = header.base_root();
  return records;
}

void add_journal(const repo::Keyring& keyring, const std::filesystem::path& target, Seeds& seeds) {
  testing::FixedRandom random{2};
  const crypto::Secret key = keyring.local_key("journal");
  const std::filesystem::path path = target / "journal.file";
  const auto journal = repo::Journal::create(path, {key, keyring.repository(), random});
  Bytes records;
  ByteWriter writer{records};
  for (const auto& record : journal_records(keyring)) {
    const Bytes payload = repo::encode_message(record);
    writer.u16(static_cast<std::uint16_t>(payload.size()));
    writer.bytes(payload);
    seeds.add("journal", 1, records);  // so far
    journal->add(payload);
    journal->commit();
  }
  seeds.add("journal", 0, read_file(path));
  std::filesystem::remove(path);
}

/// Target, range, credential, repository, pattern.
void add_requests(Seeds& seeds) {
  const std::string id(64, 'a');
  const std::string requests[] = {
      "/repo/data/" + id + "\nbytes=0-99\nBearer abc\nrepo\n*",
      "/team/repo/config\nbytes=5-\nBasic dXNlcjpwYXNz\nteam/repo\nteam/*",
      "/repo/locks/\nbytes=-7\nbasic OnBhc3M=\nrepo\nrepo",
      "/team/repo/?create=true\nbytes=9-3\nBearer\nteam/api\nteam",
      "/api/v1/health\nitems=0-1\nDigest x\n.x\n*/x",
      "/api/v1/changes/repo?since=3&wait=5\nbytes=--\n\nrepo/a\nrepo/*",
      "/api/v1/have/team/repo\nbytes=0-0\nBasic AAAA\na\n*"};
  for (const std::string& request : requests) {
    seeds.add("request", bytes_of(request));
  }
}

void add_calls(Seeds& seeds) {
  const std::string id(64, 'a');
  const Bytes header = format::pack_header(format::PackKind::data, Bytes(format::kPackRandomBytes));
  backends::CompactionPlan plan;
  backends::CompactedPack& pack = plan.packs.emplace_back();
  std::copy(header.begin(), header.end(), pack.header.begin());
  pack.sources.push_back({*PackId::parse(id), {{32, 300}, {400, 1000}}});
  seeds.add("plan", bytes_of(backends::compaction_plan_text(plan)));
  const std::string head = R"({"sequence":7,"hash":")" + id + R"("})";
  const std::string change = R"({"sequence":7,"change":"added","type":"data","name":")" + id +
                             R"(","bytes":9,"stored_at_ns":1,"at":1,"token":"t"})";
  seeds.add("answer", bytes_of(R"({"last":)" + head + R"(,"head":)" + head + R"(,"changes":[)" +
                               change + "]}"));
  seeds.add("answer", bytes_of(R"({"packs":[{"id":")" + id + R"(","bytes":9},null],"damaged":[")" +
                               id + R"("]})"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: make_seeds GOLDEN TARGET\n"), 2;
  try {
    const std::filesystem::path golden = argv[1];
    Seeds seeds{argv[2]};
    for (const auto& each : std::filesystem::directory_iterator{golden}) {
      if (each.is_directory()) GoldenSeeds{each.path(), seeds};
    }
    const auto keyring = open_worked_example(golden);
    add_facts(*keyring, seeds);
    add_journal(*keyring, argv[2], seeds);
    seeds.add("yaml", bytes_of(cli::kConfigurationExample));
    const std::string id(64, 'a');
    for (const std::string& list :
         {"[\"" + id + "\",\"tmp\"]", "[{\"name\":\"" + id + "\",\"size\":7}]",
          "[{\"name\":\"" + id + "\",\"size\":7,\"stored_at_ns\":1764353550123456789}]"}) {
      seeds.add("rest_list", bytes_of(list));
    }
    add_requests(seeds);
    add_calls(seeds);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "make_seeds: %s\n", error.what()), 1;
  }
  return 0;
}
