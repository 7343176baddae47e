// The repositories under tests/golden were made once, by the programs, and are frozen
// (tests/golden/make.py tells how). Whatever becomes of vgerfs, they must open, hold together and
// give back what went in.

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include <gmock/gmock.h>

#include "backends/local_backend.h"
#include "base/error.h"
#include "base/sha256.h"
#include "golden_manifest.h"
#include "repo/block.h"
#include "repo/extents.h"
#include "repo/lease.h"
#include "repo/limits.h"
#include "repo/maintenance/check.h"
#include "repo/restore.h"
#include "repo/tree_walk.h"
#include "repository_fixture.h"
#include "support/read_text.h"
#include "support/test_seed.h"

namespace vgerfs::testing {
namespace {

using vgerfs::testing::read_text;
namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const fs::path kGolden = fs::path{VGERFS_TESTS} / "golden";

/// What a manifest says of one snapshot.
struct Expected {
  std::map<std::string, std::string> fields;
  std::vector<std::string> lines;
};

std::vector<Expected> read_manifest(const fs::path& path) {
  std::vector<Expected> snapshots;
  std::istringstream in{read_text(path)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("snapshot ")) {
      std::istringstream words{line};
      Expected& snapshot = snapshots.emplace_back();
      for (std::string word; words >> word;) {
        const std::size_t equals = word.find('=');
        if (equals != word.npos) snapshot.fields[word.substr(0, equals)] = word.substr(equals + 1);
      }
    } else if (!line.empty() && line.front() != '#') {
      snapshots.back().lines.push_back(line);
    }
  }
  return snapshots;
}

/// The first lines in which the two differ; empty if there are none.
std::string differences(const std::vector<std::string>& expected,
                        const std::vector<std::string>& found) {
  std::string text;
  int left = 5;
  for (std::size_t i = 0; i < std::max(expected.size(), found.size()) && left > 0; ++i) {
    const std::string none = "(none)";
    const std::string& a = i < expected.size() ? expected[i] : none;
    const std::string& b = i < found.size() ? found[i] : none;
    if (a == b) continue;
    text += "expected: " + a + "\nfound:    " + b + "\n";
    --left;
  }
  return text;
}

/// A copy of one golden repository; opened by each of its secrets.
class Golden {
 public:
  explicit Golden(const std::string& name) : path_(kGolden / name) {
    fs::copy(path_ / "repository", copy(), fs::copy_options::recursive);
    // Empty directories do not survive in a checkout.
    for (const format::ObjectType type : format::kListedTypes)
      fs::create_directories(copy() / format::directory_name(type));
  }

  std::unique_ptr<repo::Repository> open(const std::string& secret) const {
    const std::string text = read_text(path_ / secret);
    repo::OpenOptions options;
    options.directories = {.cache = work_ / secret + ".cache", .state = work_ / secret + ".state"};
    options.host = "testhost";
    return repo::Repository::open(backends::open_local_backend(copy()),
                                  secret.ends_with("passphrase")
                                      ? repo::Credential{repo::Passphrase{
                                            crypto::Secret{bytes_of(text).first(text.find('\n'))}}}
                                      : repo::Credential{repo::parse_key_file(text)},
                                  std::move(options));
  }
  std::vector<Expected> manifest() const { return read_manifest(path_ / "manifest.txt"); }
  fs::path copy() const { return work_ / "repository"; }
  std::string work(const std::string& name) const { return work_ / name; }

 private:
  fs::path path_;
  TemporaryDirectory work_;
};

std::map<std::string, const repo::Snapshot*> by_id(const repo::SnapshotList& list) {
  std::map<std::string, const repo::Snapshot*> found;
  for (const auto& listed : list.snapshots)
    found[listed.snapshot->id.hex()] = listed.snapshot.get();
  return found;
}

struct GoldenCase {
  const char* name;
  const char* secret;  // of role full
  friend void PrintTo(const GoldenCase& each, std::ostream* out) {
    *out << each.name << " by " << each.secret;
  }
};

class GoldenRepository : public ::testing::TestWithParam<GoldenCase> {
 protected:
  const Golden golden_{GetParam().name};
  const std::unique_ptr<repo::Repository> repository_ = golden_.open(GetParam().secret);
};

TEST_P(GoldenRepository, ListsWhatItDid) {
  const auto list = repository_->snapshots();
  EXPECT_THAT(list->unreadable, IsEmpty());
  EXPECT_THAT(repository_->warnings(),
              Contains(::testing::HasSubstr("no memory of the repository")));
  EXPECT_EQ(repository_->warnings().size(), 1U);
  const auto snapshots = by_id(*list);
  const std::vector<Expected> manifest = golden_.manifest();
  ASSERT_EQ(snapshots.size(), manifest.size());
  for (const Expected& expected : manifest) {
    const auto& fields = expected.fields;
    ASSERT_TRUE(snapshots.contains(fields.at("id"))) << fields.at("id");
    const repo::Snapshot& snapshot = *snapshots.at(fields.at("id"));
    EXPECT_EQ(snapshot.host, fields.at("host"));
    EXPECT_EQ(snapshot.source, fields.at("source"));
    EXPECT_EQ(snapshot.parent ? snapshot.parent->hex() : "", fields.at("parent"));
    EXPECT_EQ(repo::to_string(snapshot.author.role), fields.at("author"));
    EXPECT_EQ(fmt::format("{}", fmt::join(snapshot.tags, ",")), fields.at("tags"));
    EXPECT_TRUE(snapshot.belongs_to_line);
  }
}

TEST_P(GoldenRepository, PassesACheckOfAllItsData) {
  const repo::CheckResult result = repo::run_check(*repository_, {.level = repo::CheckLevel::data},
                                                   [](const repo::CheckProgress&) {});
  for (const repo::Finding& finding : result.findings) {
    EXPECT_EQ(finding.severity, repo::Severity::note) << finding.object << ": " << finding.what;
  }
  EXPECT_EQ(result.snapshots, golden_.manifest().size());
  EXPECT_GT(result.read_bytes, 0U);
}

TEST_P(GoldenRepository, HoldsWhatWentIn) {
  const auto list = repository_->snapshots();
  const auto snapshots = by_id(*list);
  for (const Expected& expected : golden_.manifest()) {
    const repo::Snapshot& snapshot = *snapshots.at(expected.fields.at("id"));
    EXPECT_EQ(differences(expected.lines, snapshot_lines(repository_->reader(), snapshot.root)), "")
        << snapshot.source;
  }
}

TEST_P(GoldenRepository, RestoresWhatWentIn) {
  if (::geteuid() != 0) GTEST_SKIP() << "owners and devices need root";
  const auto list = repository_->snapshots();
  const auto snapshots = by_id(*list);
  for (const Expected& expected : golden_.manifest()) {
    const repo::Snapshot& snapshot = *snapshots.at(expected.fields.at("id"));
    repo::RestoreOptions options;
    options.target = golden_.work("out-" + snapshot.id.short_hex());
    repo::NoProgress progress;
    const repo::RestoreResult result =
        repo::run_restore(repository_->reader(), snapshot.root, options, progress);
    EXPECT_EQ(result.failures.count, 0U);
    EXPECT_THAT(result.limits, IsEmpty());
    EXPECT_EQ(differences(expected.lines, directory_lines(options.target)), "") << snapshot.source;
  }
}

TEST_P(GoldenRepository, TakesAnotherSnapshot) {
  repo::Session session{*repository_, {.host = "testhost", .source = "new"}};
  const std::string text = "written by a later version";
  const ChunkId id = session.put(repo::ChunkKind::data, bytes_of(text));
  const repo::ListedSnapshot made = session.commit({.root = plain_root()});
  const auto again = golden_.open(GetParam().secret);
  EXPECT_EQ(text_of(again->reader().get(repo::ChunkKind::data, id)), text);
  EXPECT_EQ(again->snapshots()->snapshots.size(), golden_.manifest().size() + 1);
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases{{"everything", "passphrase"}, {"chacha20poly1305", "key"}};
  if (!testing::test_size_small()) cases.push_back({"everything", "key"});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenRepository, ::testing::ValuesIn(golden_cases()),
                         [](const auto& each) {
                           return std::string{each.param.name} + "_" + each.param.secret;
                         });

TEST(GoldenEverything, OpensWithAnIngestKey) {
  const Golden golden{"everything"};
  const auto repository = golden.open("ingest.passphrase");
  EXPECT_FALSE(repository->can_read());
  EXPECT_THAT(repository->snapshots()->snapshots, IsEmpty());
  EXPECT_THAT(repository->keyring().certificate().hosts, ElementsAre("testhost"));
  repo::Session session{*repository, {.host = "testhost", .source = "web"}};
  session.commit({.root = plain_root()});
}

TEST(GoldenEverything, HasALeaseOfASessionThatDied) {
  const Golden golden{"everything"};
  const auto repository = golden.open("passphrase");
  std::vector<format::ObjectName> leases;
  repository->backend().list(format::ObjectType::lock, [&](const backends::ObjectInfo& info) {
    leases.push_back(info.name);
  });
  ASSERT_EQ(leases.size(), 1U);
  const repo::Lease lease = repo::open_lease(
      backends::read_object(repository->backend(), leases.front(), repo::kMaxLeaseBytes),
      repository->keyring());
  EXPECT_EQ(lease.kind, repo::LeaseKind::shared);
  EXPECT_EQ(lease.author.role, repo::Role::ingest);
  EXPECT_EQ(lease.host, "testhost");
  EXPECT_EQ(lease.ttl_s, 3600U);
}

// The freeze is worth what it covers: these say that it is all there.

TEST(GoldenEverything, HasARemovedSnapshot) {
  const Golden golden{"everything"};
  const auto repository = golden.open("passphrase");
  const auto list = repository->snapshots();
  ASSERT_EQ(list->ids.size(), list->snapshots.size() + 1);
  EXPECT_EQ(repository->index().removed_snapshots().size(), 1U);
}

TEST(GoldenEverything, HasAllShapesOfTrees) {
  const Golden golden{"everything"};
  const auto repository = golden.open("passphrase");
  repo::ChunkReader& reader = repository->reader();
  std::uint32_t tree_level = 0;
  std::uint32_t extent_level = 0;
  int most_inline = 0;
  bool has_slice = false;
  bool has_blob = false;
  std::set<repo::EntryType> types;
  const auto list = repository->snapshots();
  for (const auto& listed : list->snapshots) {
    repo::for_each_entry(
        reader, listed.snapshot->root, {}, [&](const std::string&, const repo::Entry& entry) {
          types.insert(entry.type());
          if (const auto subtree = repo::subtree_of(entry)) {
            const auto node = repo::decode_tree_node(reader.get(repo::ChunkKind::tree, *subtree));
            tree_level = std::max(tree_level, node.level());
          }
          most_inline = std::max(most_inline, entry.extents_size());
          for (const auto& extent : entry.extents()) has_slice |= extent.chunk_offset() > 0;
          if (!entry.extents_root().empty()) {
            const auto root = ChunkId::from_bytes(entry.extents_root());
            const auto node = repo::decode_extent_node(reader.get(repo::ChunkKind::extents, root));
            extent_level = std::max(extent_level, node.level());
          }
          for (const auto& xattr : entry.xattrs()) has_blob |= !xattr.value_chunk().empty();
          return repo::WalkStep::go_on;
        });
  }
  EXPECT_EQ(tree_level, 2U);
  EXPECT_EQ(extent_level, 1U);
  EXPECT_GT(most_inline, 2);
  EXPECT_TRUE(has_slice);
  EXPECT_TRUE(has_blob);
  EXPECT_EQ(types.size(), 7U);
}

TEST(GoldenEverything, HasAllShapesOfBlocks) {
  const Golden golden{"everything"};
  const auto repository = golden.open("passphrase");
  std::set<repo::ChunkKind> kinds;
  std::set<repo::Codec> codecs;
  std::size_t most_chunks = 0;
  repository->index().for_each_pack(true, [&](const repo::IndexedPack& indexed) {
    for (const repo::BlockEntry& block : indexed.description.blocks) {
      kinds.insert(block.chunk_kind);
      if (block.chunk_kind == repo::ChunkKind::data)
        most_chunks = std::max(most_chunks, block.chunks.size());
      Bytes stored(block.stored_bytes);
      repository->backend().read(format::pack_name(indexed.description.id), block.offset, stored);
      const auto header = repo::parse_envelope_header(stored, repo::EnvelopeKind::block);
      codecs.insert(header.codec);
      EXPECT_EQ(header.cipher, crypto::Cipher::aes256gcm);
    }
  });
  EXPECT_EQ(kinds.size(), 4U);
  EXPECT_EQ(codecs.size(), 2U);
  EXPECT_GT(most_chunks, 10U);
}

TEST(GoldenFiles, AreAsTheyWereFrozen) {
  // SHA256SUMS has a line for each: hash, two blanks, path, as sha256sum(1) writes it.
  std::map<std::string, std::string> frozen;
  std::istringstream sums{read_text(kGolden / "SHA256SUMS")};
  for (std::string line; std::getline(sums, line);) frozen[line.substr(66)] = line.substr(0, 64);
  std::map<std::string, std::string> found;
  for (const auto& each : fs::recursive_directory_iterator{kGolden}) {
    const std::string name = each.path().lexically_relative(kGolden).string();
    // Beside the directories of repositories lie the sums, and what made them.
    if (!each.is_regular_file() || name.find('/') == name.npos || name.starts_with("__pycache__"))
      continue;
    found[name] = to_hex(sha256(bytes_of(read_text(each.path()))));
  }
  EXPECT_FALSE(frozen.empty());
  EXPECT_EQ(found, frozen) << "golden files are never rewritten: docs/TESTING.md";
}

}  // namespace
}  // namespace vgerfs::testing
