// The worked example of docs/FORMAT.md section 15 must come out byte for byte, for ever. The
// objects and the hex of each step lie in tests/golden/worked_example and are never written anew.

#include <filesystem>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/config.h"
#include "repo/key_slot.h"
#include "repo/snapshot.h"
#include "repo/worked_example.h"
#include "support/read_text.h"

namespace vgerfs::repo {
namespace {

using vgerfs::testing::read_text;
namespace fs = std::filesystem;

fs::path golden() { return fs::path{VGERFS_TESTS} / "golden/worked_example"; }
fs::path format_document() { return fs::path{VGERFS_TESTS} / "../docs/FORMAT.md"; }

class GoldenTest : public ::testing::Test {
 protected:
  const WorkedExample example_;
};

TEST_F(GoldenTest, EveryStepComesOutAsItDid) {
  const std::string golden_text = read_text(golden() / "steps.txt");
  std::istringstream expected{golden_text};
  std::string line;
  for (const auto& [name, bytes] : example_.steps()) {
    ASSERT_TRUE(std::getline(expected, line)) << name;
    EXPECT_EQ(line, name + " = " + to_hex(bytes));
  }
  EXPECT_FALSE(std::getline(expected, line)) << line;
}

TEST_F(GoldenTest, EveryObjectComesOutAsItDid) {
  std::map<std::string, Bytes> stored;
  const fs::path repository = golden() / "repository";
  for (const auto& entry : fs::recursive_directory_iterator{repository}) {
    if (!entry.is_regular_file()) continue;
    const std::string text = read_text(entry.path());
    const ByteView bytes = bytes_of(text);
    stored[entry.path().lexically_relative(repository).string()] = {bytes.begin(), bytes.end()};
  }
  EXPECT_EQ(stored, example_.objects());
  EXPECT_EQ(read_text(golden() / "key"), example_.key_file());
}

TEST_F(GoldenTest, TheStoredObjectsOpen) {
  // As the client goes: config, slot, record, snapshot; all from the files.
  const fs::path repository = golden() / "repository";
  const auto only_file = [&](const std::string& directory) {
    const fs::path path = fs::directory_iterator { repository / directory } -> path();
    return std::pair{path.filename().string(), read_text(path)};
  };
  const std::string stored_config = read_text(repository / "config");
  const Config config = parse_config(bytes_of(stored_config));
  const auto [slot_name, slot] = only_file("keys");
  const auto keyring =
      open_slot(bytes_of(slot), parse_key_file(read_text(golden() / "key")), config.repository);
  ASSERT_TRUE(keyring);
  EXPECT_TRUE(verify_config(bytes_of(stored_config), keyring->root_public_key()));
  EXPECT_EQ(
      describe_slot(SlotId::parse(slot_name).value(), bytes_of(slot), *keyring).certificate.label,
      "worked example");

  const auto [record_name, stored_record] = only_file("index");
  const IndexRecord record = open_record(bytes_of(stored_record), *keyring);
  ASSERT_EQ(record.packs.size(), 2U);
  const PackDescription& pack = record.packs[0];
  const std::string stored_pack =
      read_text(repository / "data" / pack.id.hex().substr(0, 2) / pack.id.hex());
  const BlockEntry& entry = pack.blocks.at(0);
  const ByteView block = bytes_of(stored_pack).subspan(entry.offset, entry.stored_bytes);
  const EnvelopeHeader header = parse_envelope_header(block, EnvelopeKind::block);
  const auto data_key = keyring->open_data_key(header.data_key.value());
  Bytes content(header.data_bytes);
  EnvelopeOpener{header, block, keyring->envelope_keys(), &data_key->key}.data(content, &entry.tag);
  EXPECT_EQ(text_of(content), "hello, world\n");
  EXPECT_EQ(keyring->chunk_id(ChunkKind::data, content), entry.chunks.at(0).id);

  const auto [snapshot_name, stored_snapshot] = only_file("snapshots");
  const Snapshot snapshot =
      open_snapshot(SnapshotId::parse(snapshot_name).value(), bytes_of(stored_snapshot), *keyring);
  EXPECT_EQ(snapshot.after_records, std::vector{RecordId::parse(record_name).value()});
  EXPECT_EQ(snapshot.root.subtree(), record.packs[1].blocks.at(0).chunks.at(0).id.raw());
}

TEST_F(GoldenTest, TheDocumentShowsTheSame) {
  // Section 15 has lines "    name = hex", wrapped: a continuation is indented further.
  std::istringstream document{read_text(format_document())};
  std::map<std::string, std::string> shown;
  std::string line;
  while (std::getline(document, line) && line.rfind("## 15", 0) != 0) {
  }
  std::string name;
  while (std::getline(document, line) && line.rfind("## ", 0) != 0) {
    if (line.rfind("    ", 0) != 0) continue;
    if (const auto equals = line.find(" = "); equals != std::string::npos) {
      name = line.substr(4, equals - 4);
      name.erase(name.find_last_not_of(' ') + 1);
      shown[name] = line.substr(equals + 3);
    } else {
      shown[name] += line.substr(line.find_first_not_of(' '));
    }
  }
  EXPECT_GE(shown.size(), 10U) << "section 15 was not found";
  std::map<std::string, std::string> known;
  for (const auto& step : example_.steps()) known[step.name] = to_hex(step.bytes);
  for (const auto& [step, hex] : shown) EXPECT_EQ(known[step], hex) << step;
}

}  // namespace
}  // namespace vgerfs::repo
