// Journals of interrupted sessions: the file that a mount finds, and what its records say, as
// somebody could seal it who has a client's disk and key.
//
//   | form u8: 0 | file |
//   | form u8: 1 | record | record | …     record: | length u16 | payload |
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "fs/ingest_image.h"
#include "fuzz_support.h"
#include "repo/journal.h"
#include "repo/limits.h"

namespace {

using namespace vgerfs;

void check_content(const fs::FileContent& content) {
  std::uint64_t end = 0;
  std::uint64_t holes = 0;
  for (const fs::ContentPiece& piece : content.pieces(0, content.bytes())) {
    VGERFS_CHECK(piece.start == end && piece.segment.bytes > 0);
    end += piece.segment.bytes;
    if (piece.segment.kind == fs::SegmentKind::hole) holes += piece.segment.bytes;
  }
  VGERFS_CHECK(end == content.bytes() && holes == content.hole_bytes());
  const auto stored = content.at_rest(repo::kMaxInlineExtents, std::nullopt);
  VGERFS_CHECK(!stored || stored->bytes == content.bytes());
}

/// What of an image may get into the view, and with the next snapshot into the repository.
void check_image(fs::IngestImage& image) {
  image.visit([&](std::uint64_t number, const fs::Inode& inode) {
    const fs::ImageNode& node = image.node(number);
    for (const auto& [name, link] : node.links) {
      repo::Entry entry;
      entry.set_name(name);
      entry.set_type(repo::EntryType::ENTRY_FIFO);
      VGERFS_CHECK(repo::fault_of(entry) == nullptr);
    }
    if (inode.xattrs) {
      for (const auto& [name, slot] : *inode.xattrs)
        VGERFS_CHECK(!name.empty() && slot.value.size() <= repo::kMaxXattrValueBytes);
    }
    if (!inode.is_file()) return;
    VGERFS_CHECK(inode.bytes <= repo::kMaxFileBytes && inode.bytes == node.content->bytes());
    check_content(*node.content);
  });
}

void apply(fs::IngestImage& image, ByteView payload) {
  const auto record = fs::decode_journal_record(payload);
  image.apply(record);
  if (!record.has_block()) return;
  const repo::BlockEntry entry = fs::block_entry_of(record.block());
  VGERFS_CHECK(repo::open_block(bytes_of(record.block().sealed()), entry, fuzz::keyring()).size() ==
               repo::plain_bytes_of(entry));
}

void read_file(ByteView bytes) {
  static const Fd file{::memfd_create("journal", MFD_CLOEXEC)};
  static const crypto::Secret key = fuzz::keyring().local_key("journal");
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  VGERFS_CHECK(::ftruncate(file.get(), 0) == 0);
  write_all_at(file.get(), bytes, 0, path);
  testing::FixedRandom random{5};
  fs::IngestImage image;
  repo::Journal::open(path, {key, fuzz::keyring().repository(), random},
                      [&](ByteView payload) { apply(image, payload); });
  check_image(image);
}

void read_records(ByteReader reader) {
  fs::IngestImage image;
  while (reader.left() > 0) apply(image, reader.bytes(reader.u16()));
  check_image(image);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [form, bytes] = fuzz::formed_input(data, size);
  fuzz::decode([form = form, bytes = bytes] {
    form == fuzz::Form::stored ? read_file(bytes) : read_records(ByteReader{bytes, "the input"});
  });
  return 0;
}
