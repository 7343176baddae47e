// Commands on a repository in a directory, with a key file that opens in no time.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/open_backend.h"
#include "cli/cli_run.h"
#include "cli/repository_access.h"
#include "repo/extents.h"
#include "repo/session.h"
#include "repo/tree.h"

namespace vgerfs::cli {

/// Shows one time.
class FixedClock final : public Clock {
 public:
  explicit FixedClock(Timestamp time) : time_(time) {}
  Timestamp now() const override { return time_; }
  std::int64_t boot_ns() const override { return 0; }

 private:
  const Timestamp time_;
};

/// The repository, and clients of it.
class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    const RunResult made = admin({"init", "--new-key-file", key_});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  /// A run with the full key, as host "here".
  RunResult admin(std::vector<std::string> arguments) {
    return with_key(key_, std::move(arguments));
  }
  RunResult with_key(const std::string& key, std::vector<std::string> arguments) {
    TestIo surroundings;
    prepare(surroundings);
    if (arguments.at(0) != "init" || arguments.size() < 3)
      arguments.insert(arguments.begin(), {"--host", "here"});
    if (std::find(arguments.begin(), arguments.end(), "init") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--key-file", key});
    }
    return run(arguments, surroundings);
  }
  void prepare(TestIo& surroundings) {
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / (client_ + "cache");
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / (client_ + "state");
  }

  struct Made {
    std::string host = "here";
    std::string source = "home";
    std::vector<std::string> tags;
    std::optional<Timestamp> time;  ///< what the snapshot says, and the store; default: now
    std::string key;                ///< default: the full one
  };
  /// A snapshot of one directory: d/file ("hello", a hole of 100 bytes, "world"), link -> d/file,
  /// empty.
  std::string add_snapshot(const std::string& host = "here", const std::string& source = "home",
                           const std::vector<std::string>& tags = {}) {
    return add_snapshot({.host = host, .source = source, .tags = tags, .time = {}, .key = {}});
  }
  std::string add_snapshot(const Made& made) {
    const FixedClock clock{made.time.value_or(Timestamp{})};
    repo::OpenOptions options;
    options.directories = {.cache = directory_ / "writer-cache",
                           .state = directory_ / "writer-state"};
    options.host = made.host;
    if (made.time) options.clock = &clock;
    TestIo surroundings;
    const std::string& key = made.key.empty() ? key_ : made.key;
    const auto repository =
        repo::Repository::open(backends::open_backend(repository_),
                               to_credential(read_key_file(key, surroundings.io)), options);
    repo::SessionOptions session_options;
    session_options.host = made.host;
    session_options.source = made.source;
    repo::Session session{*repository, session_options};
    repo::Entry file;
    file.set_name("file");
    file.set_type(repo::EntryType::ENTRY_FILE);
    file.set_mode(0640);
    file.set_user("ann");
    file.set_mtime_s(1'700'000'000);
    repo::ExtentListBuilder extents{session};
    extents.add({.bytes = 5,
                 .chunk = session.put(repo::ChunkKind::data, bytes_of("hello")),
                 .chunk_offset = 0});
    extents.add({.bytes = 100, .chunk = {}, .chunk_offset = 0});
    extents.add({.bytes = 5,
                 .chunk = session.put(repo::ChunkKind::data, bytes_of("old world")),
                 .chunk_offset = 4});
    extents.finish(file);
    repo::Entry directory;
    directory.set_name("d");
    directory.set_type(repo::EntryType::ENTRY_DIRECTORY);
    directory.set_mode(0755);
    directory.set_subtree(tree(session, {file}));
    repo::Entry odd;
    odd.set_name("caf\xe9\n");
    odd.set_type(repo::EntryType::ENTRY_FIFO);
    repo::Entry link;
    link.set_name("link");
    link.set_type(repo::EntryType::ENTRY_SYMLINK);
    link.set_mode(0777);
    link.set_symlink_target("d/file");
    repo::SnapshotDraft draft;
    draft.root.set_type(repo::EntryType::ENTRY_DIRECTORY);
    draft.root.set_mode(0755);
    draft.root.set_subtree(tree(session, {odd, directory, link}));
    draft.paths = {"/home"};
    draft.tags = made.tags;
    draft.statistics.set_files(1);
    draft.statistics.set_logical_bytes(110);
    draft.trigger = "test";
    std::string id = session.commit(draft).snapshot->id.hex();
    if (made.time) set_stored_at(id, *made.time);
    return id;
  }

  /// When the store received a snapshot.
  void set_stored_at(const std::string& id, Timestamp time) {
    const timespec at{time.s, static_cast<long>(time.ns)};
    const timespec times[] = {at, at};
    ASSERT_EQ(::utimensat(AT_FDCWD, snapshot_path(id).c_str(), times, 0), 0);
  }

  std::string snapshot_path(const std::string& id) const {
    return repository_ + "/snapshots/" + id;
  }
  void damage_snapshot(const std::string& id) {
    std::filesystem::permissions(snapshot_path(id), std::filesystem::perms::owner_all);
    std::filesystem::resize_file(snapshot_path(id), 100);
  }

  TemporaryDirectory directory_;
  std::string client_;  ///< whose cache and state; another one knows nothing
  std::string key_ = directory_ / "key";
  std::string repository_ = directory_ / "repository";

 private:
  static std::string tree(repo::Session& session, const std::vector<repo::Entry>& entries) {
    repo::DirectoryBuilder builder{session, {}};
    for (const repo::Entry& entry : entries) builder.add(entry);
    return builder.finish().value().raw();
  }
};

}  // namespace vgerfs::cli
