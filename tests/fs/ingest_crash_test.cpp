// Whatever call of the store fails while a mount receives and commits: what was committed stays,
// and a mount that goes on where it ended completes.
#include <gtest/gtest.h>

#include "ingest_world.h"
#include "repo/crash_world.h"

namespace vgerfs::fs {
namespace {

using testing::Files;
using testing::IngestClient;
using testing::TestRepository;

class IngestCrash : public testing::Crash {
 protected:
  void run(const repo::Credential& credential) {
    commit_once(*test.open(credential, "warm"), old_);
    clock.advance(kHour);
    at_every_call([&](repo::Repository& victim) { commit_once(victim, new_); }, 10,
                  [&](repo::Repository& client) {
                    // What the session that failed left must not be taken for stored.
                    clock.advance(kHour);
                    commit_once(client, old_);
                  },
                  credential);
  }

 private:
  /// One mount's life: some files are made durable in the session, all are committed, it is killed.
  void commit_once(repo::Repository& repository, const Files& files) {
    possible_new.push_back(files);
    try {
      IngestClient mount{{std::shared_ptr<void>{}, &repository}, {}};
      if (!mount.exists("home")) mount.mkdir("home");
      for (const std::string& name : mount.list("home"))
        if (!files.contains(name)) mount.unlink("home/" + name);
      for (const auto& [name, bytes] : files) write(mount, "home/" + name, text_of(bytes));
      const CommitReport report = mount.view().commit("home", "test");
      expected[SnapshotId::parse(report.snapshot).value()] = files;
    } catch (const FsError& error) {
      throw Error{ErrorCode::io, "the mount gave errno " + std::to_string(error.error_number())};
    }
  }
  static void write(IngestClient& mount, const std::string& path, std::string_view text) {
    NodeId node = 0;
    HandleId handle = 0;
    if (mount.exists(path)) {
      node = mount.node(path);
      handle = mount.open(path, O_WRONLY | O_TRUNC);
    } else {
      const auto created = mount.create(path, 0644, O_WRONLY);
      node = created.node.node;
      handle = created.opened.handle;
    }
    mount.write(node, handle, 0, text);
    mount.view().sync_file(node, handle);
    mount.close(node, handle);
  }

  const Files old_ = testing::random_files(1, 3, 3000);
  const Files new_ = testing::random_files(2, 3, 3000);  // two are the same, one goes, one comes
};

INSTANTIATE_TEST_SUITE_P(AtEveryCall, IngestCrash, ::testing::ValuesIn(testing::kWays),
                         [](const auto& way) { return way.param.name; });

TEST_P(IngestCrash, OfACommitWithAFullKey) { run(TestRepository::full_key()); }

TEST_P(IngestCrash, OfACommitWithAnIngestKey) {
  test.add_ingest_slot("host");
  run(TestRepository::ingest_key());
}

}  // namespace
}  // namespace vgerfs::fs
