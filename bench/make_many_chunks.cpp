// Makes a repository of very many small chunks, to measure what maintenance needs for each of them.
// Two snapshots: `all` refers to every chunk, `half` to every second one, so that half of each pack
// is dead when `all` is deleted.
//
//   make_many_chunks DIRECTORY CHUNKS [BYTES]     its passphrase is "benchmark"
//
// BYTES is a chunk's size, a multiple of 8, by default 4096: of 64 bytes a block holds 16384.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "backends/open_backend.h"
#include "base/error.h"
#include "repo/extents.h"
#include "repo/repository.h"
#include "repo/session.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

constexpr std::uint64_t kChunksPerFile = 100'000;

struct Size {
  std::uint64_t chunks = 0;
  std::uint64_t chunk_bytes = 4096;  // all but 16 of them zeros
};

/// Chunks 0, `step`, 2 · `step`, … of one sequence, in files of a directory.
void commit(Repository& repository, const std::string& source, const Size& size,
            std::uint64_t step) {
  Session session{repository, {.host = "bench", .source = source}};
  DirectoryBuilder builder{session, repository.keyring().split_key()};
  std::mt19937_64 random{1};
  std::vector<std::uint64_t> words(size.chunk_bytes / sizeof(std::uint64_t));
  for (std::uint64_t at = 0; at < size.chunks;) {
    Entry file;
    file.set_name(fmt::format("{:012}", at));
    file.set_type(EntryType::ENTRY_FILE);
    ExtentListBuilder extents{session};
    for (const std::uint64_t end = std::min(size.chunks, at + kChunksPerFile); at < end; ++at) {
      words[0] = random();
      words[1] = random();
      if (at % step != 0) continue;
      extents.add({.bytes = size.chunk_bytes,
                   .chunk = session.put(ChunkKind::data, std::as_bytes(std::span{words})),
                   .chunk_offset = 0});
    }
    extents.finish(file);
    builder.add(file);
  }
  SnapshotDraft draft;
  draft.root.set_type(EntryType::ENTRY_DIRECTORY);
  draft.root.set_mode(0755);
  draft.root.set_subtree(builder.finish().value().raw());
  draft.trigger = "make_many_chunks";
  session.commit(draft);
}

void make(const std::string& directory, const Size& size) {
  constexpr std::string_view kPassphrase = "benchmark";
  const Credential credential = Passphrase{crypto::Secret{bytes_of(kPassphrase)}};
  std::shared_ptr<backends::Backend> store = backends::create_backend(directory);
  Repository::init(*store, credential, {}, crypto::system_random(), system_clock());
  OpenOptions options;
  options.directories = default_directories([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>{value};
  });
  const auto repository = Repository::open(store, credential, std::move(options));
  commit(*repository, "all", size, 1);
  commit(*repository, "half", size, 2);
}

bool parse(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace
}  // namespace vgerfs::repo

int main(int argc, char** argv) {
  vgerfs::repo::Size size;
  const bool good = (argc == 3 || argc == 4) && vgerfs::repo::parse(argv[2], size.chunks) &&
                    (argc == 3 || vgerfs::repo::parse(argv[3], size.chunk_bytes));
  if (!good || size.chunks == 0 || size.chunk_bytes < 16 ||
      size.chunk_bytes % sizeof(std::uint64_t) != 0) {
    fmt::print(stderr, "usage: make_many_chunks DIRECTORY CHUNKS [BYTES]\n");
    return 2;
  }
  try {
    vgerfs::repo::make(argv[1], size);
    return 0;
  } catch (const vgerfs::Error& error) {
    fmt::print(stderr, "make_many_chunks: {}\n", error.what());
    return 1;
  }
}
