// Makes a repository of very many small chunks, to measure what maintenance needs for each of them.
// Two snapshots: `all` refers to every chunk, `half` to every second one, so that half of each pack
// is dead when `all` is deleted.
//
//   make_many_chunks DIRECTORY CHUNKS     its passphrase is "benchmark"
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "backends/open_backend.h"
#include "base/error.h"
#include "repo/extents.h"
#include "repo/repository.h"
#include "repo/session.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kChunkBytes = 4096;  // all but 16 of them zeros
constexpr std::uint64_t kChunksPerFile = 100'000;

/// Chunks 0, `step`, 2 · `step`, … of one sequence, in files of a directory.
void commit(Repository& repository, const std::string& source, std::uint64_t chunks,
            std::uint64_t step) {
  Session session{repository, {.host = "bench", .source = source}};
  DirectoryBuilder builder{session, repository.keyring().split_key()};
  std::mt19937_64 random{1};
  std::array<std::uint64_t, kChunkBytes / sizeof(std::uint64_t)> words{};
  for (std::uint64_t at = 0; at < chunks;) {
    Entry file;
    file.set_name(fmt::format("{:012}", at));
    file.set_type(EntryType::ENTRY_FILE);
    ExtentListBuilder extents{session};
    for (const std::uint64_t end = std::min(chunks, at + kChunksPerFile); at < end; ++at) {
      words[0] = random();
      words[1] = random();
      if (at % step != 0) continue;
      extents.add({.bytes = kChunkBytes,
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

void make(const std::string& directory, std::uint64_t chunks) {
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
  commit(*repository, "all", chunks, 1);
  commit(*repository, "half", chunks, 2);
}

}  // namespace
}  // namespace vgerfs::repo

int main(int argc, char** argv) {
  std::uint64_t chunks = 0;
  const auto parsed = argc == 3 ? std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), chunks)
                                : std::from_chars_result{nullptr, std::errc::invalid_argument};
  if (parsed.ec != std::errc{} || *parsed.ptr != '\0' || chunks == 0) {
    fmt::print(stderr, "usage: make_many_chunks DIRECTORY CHUNKS\n");
    return 2;
  }
  try {
    vgerfs::repo::make(argv[1], chunks);
    return 0;
  } catch (const vgerfs::Error& error) {
    fmt::print(stderr, "make_many_chunks: {}\n", error.what());
    return 1;
  }
}
