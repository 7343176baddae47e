// Trees of entries and of extents, read from a source that answers with any nodes: shared ones,
// cycles, none.
//
//   | form u8: 0 a directory, 1 a file | node | node | …     node: | length u16 | bytes |
//
// A node is named by its position, the first byte of the id that it is asked for by.
#include <string>
#include <vector>

#include "fuzz_support.h"
#include "repo/extents.h"
#include "repo/tree.h"

namespace {

using namespace vgerfs;

constexpr int kMaxFailures = 50;  // a reader goes on behind what cannot be read

class Nodes final : public repo::ChunkSource {
 public:
  explicit Nodes(ByteReader& reader) {
    while (reader.left() > 0 && nodes_.size() < 256) nodes_.push_back(reader.bytes(reader.u16()));
  }
  Bytes get(repo::ChunkKind, const ChunkId& id) override {
    const auto position = std::to_integer<std::size_t>(id.bytes()[0]);
    if (position >= nodes_.size()) throw Error{ErrorCode::not_found, "no such node"};
    return {nodes_[position].begin(), nodes_[position].end()};
  }

 private:
  std::vector<ByteView> nodes_;
};

void check_entry(const repo::Entry& entry) {
  VGERFS_CHECK(repo::fault_of(entry) == nullptr);
  const std::string& name = entry.name();
  VGERFS_CHECK(!name.empty() && name.size() <= 255 && name != "." && name != "..");
  VGERFS_CHECK(name.find('/') == name.npos && name.find('\0') == name.npos);
}

void read_directory(Nodes& nodes) {
  repo::DirectoryReader reader{nodes, ChunkId{}};
  std::string last;
  bool first = true;
  int failures = 0;
  for (bool more = true; more && failures < kMaxFailures;) {
    fuzz::decode(
        [&] {
          ++failures;
          const repo::Entry* const entry = reader.next();
          --failures;
          if (entry == nullptr) {
            more = false;
            return;
          }
          check_entry(*entry);
          VGERFS_CHECK(first || last < entry->name());
          last = entry->name();
          first = false;
        },
        {ErrorCode::not_found});
  }
  fuzz::decode([&] { repo::count_entries(nodes, ChunkId{}); }, {ErrorCode::not_found});
  fuzz::decode(
      [&] {
        if (const auto found = repo::find_entry(nodes, ChunkId{}, last)) check_entry(*found);
      },
      {ErrorCode::not_found});
}

void read_file(Nodes& nodes) {
  repo::Entry entry;
  entry.set_name("file");
  entry.set_type(repo::EntryType::ENTRY_FILE);
  entry.set_extents_root(ChunkId{}.raw());
  std::uint64_t bytes = 0;
  fuzz::decode(
      [&] {
        bytes =
            repo::bytes_of_node(repo::decode_extent_node(nodes.get(repo::ChunkKind::extents, {})));
      },
      {ErrorCode::not_found});
  entry.set_size(bytes);
  repo::ExtentReader reader{nodes, entry};
  for (const std::uint64_t offset :
       {std::uint64_t{0}, bytes / 3, bytes / 2, bytes - 1, bytes, std::uint64_t{1} << 62}) {
    fuzz::decode(
        [&] {
          if (const auto found = reader.at(offset)) {
            VGERFS_CHECK(found->start <= offset && offset - found->start < found->extent.bytes);
          }
        },
        {ErrorCode::not_found});
  }
  repo::ExtentNodeShapes good;
  fuzz::decode(
      [&] { repo::for_each_new_extent(nodes, entry, good, [](const auto&) { return true; }); },
      {ErrorCode::not_found});
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::decode([&] {
    ByteReader reader{{reinterpret_cast<const std::byte*>(data), size}, "the input"};
    const bool is_file = (reader.u8() & 1U) != 0;
    Nodes nodes{reader};
    is_file ? read_file(nodes) : read_directory(nodes);
  });
  return 0;
}
