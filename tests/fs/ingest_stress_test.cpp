// Many threads at once: what each of them wrote is in the snapshot, whatever the others did.
#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "ingest_world.h"
#include "support/fixed_random.h"
#include "support/test_seed.h"

namespace vgerfs::fs {
namespace {

using testing::failure_of;
using testing::IngestClient;
using testing::IngestWorld;

/// A thread's own directory and what has to be in it.
class Worker {
 public:
  Worker(IngestFs& view, NodeId directory, std::uint64_t seed)
      : view_(view), directory_(directory), random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::string name = "f" + std::to_string(random_() % 12);
      switch (random_() % 8) {
        case 0:
        case 1:
        case 2: replace(name); break;
        case 3:
        case 4: append(name); break;
        case 5: remove(name); break;
        case 6: read(name); break;
        case 7: list(); break;
      }
    }
  }
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  std::string text() {
    return std::string{text_of(testing::random_bytes(
        random_() % 20, 1 + random_() % (random_() % 5 == 0 ? 300'000 : 3000)))};
  }
  /// A temporary file that takes the name's place, as rsync does.
  void replace(const std::string& name) {
    const auto file = view_.create(directory_, ".tmp", 0644, O_WRONLY, {});
    const std::string content = text();
    view_.write(file.node.node, file.opened.handle, 0, bytes_of(content), {});
    view_.flush(file.node.node, file.opened.handle);
    view_.release(file.node.node, file.opened.handle);
    view_.rename(directory_, ".tmp", directory_, name, RenameMode::replace);
    view_.forget(file.node.node, 1);
    files_[name] = content;
  }
  void append(const std::string& name) {
    if (!files_.contains(name)) return;
    const NodeId node = view_.lookup(directory_, name).node;
    const HandleId handle = view_.open_file(node, O_WRONLY | O_APPEND, {}).handle;
    const std::string content = text();
    view_.write(node, handle, 0, bytes_of(content), {});
    files_[name] += content;
    if (random_() % 4 == 0) view_.sync_file(node, handle);
    view_.flush(node, handle);
    view_.release(node, handle);
    view_.forget(node, 1);
  }
  void remove(const std::string& name) {
    if (files_.erase(name) == 0) return;
    const NodeId node = view_.lookup(directory_, name).node;
    view_.remove_file(directory_, name);
    view_.forget(node, 1);
  }
  void read(const std::string& name) {
    const auto found = files_.find(name);
    if (found == files_.end()) return;
    const NodeId node = view_.lookup(directory_, name).node;
    const HandleId handle = view_.open_file(node, O_RDWR, {}).handle;
    std::string out(1000, '\0');
    const int failed = failure_of([&] {
      out.resize(
          view_.read(node, handle, 0, {reinterpret_cast<std::byte*>(out.data()), out.size()}));
    });
    EXPECT_TRUE(failed == 0 || failed == EACCES);
    if (failed == 0) {
      EXPECT_EQ(found->second.substr(0, out.size()), out);
    }
    EXPECT_EQ(view_.get_attributes(node).size, found->second.size());
    view_.flush(node, handle);
    view_.release(node, handle);
    view_.forget(node, 1);
  }
  void list() {
    const HandleId handle = view_.open_directory(directory_);
    std::size_t count = 0;
    view_.read_directory(directory_, handle, 0, false, [&](const DirectoryItem& item) {
      if (item.name != "." && item.name != "..") ++count;
      return true;
    });
    view_.release_directory(directory_, handle);
    EXPECT_EQ(count, files_.size());
  }

  IngestFs& view_;
  const NodeId directory_;
  std::mt19937_64 random_;
  std::map<std::string, std::string> files_;
};

class IngestStress : public ::testing::TestWithParam<bool> {};

constexpr int kMaxRounds = 20;

INSTANTIATE_TEST_SUITE_P(Keys, IngestStress, ::testing::Values(false, true),
                         [](const auto& key) { return key.param ? "IngestKey" : "FullKey"; });

TEST_P(IngestStress, WritersCommitsAndCheckpointsDoNotDisturbEachOther) {
  IngestWorld world{GetParam()};
  IngestOptions options;
  options.checkpoint_interval_s = 1;
  const auto client = world.mount(options);
  client->mkdir("x");
  IngestFs& view = client->view();
  const std::uint64_t seed = testing::test_seed();
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::string path = "x/d" + std::to_string(i);
    client->mkdir(path);
    workers.push_back(std::make_unique<Worker>(view, client->node(path), seed + i));
  }
  std::atomic<bool> done = false;
  std::atomic<int> commits = 0;
  {
    std::vector<std::jthread> threads;
    for (const auto& worker : workers) {
      threads.emplace_back([&] {
        // A commit finds a moment without an open file sooner or later.
        for (int round = 0; round == 0 || (commits == 0 && round < kMaxRounds); ++round) {
          worker->run(testing::test_size(400, 100));
        }
      });
    }
    std::jthread committing{[&] {
      const NodeId root = client->node("x");
      while (!done) {
        const int failed = failure_of([&] { view.sync_directory(root, [] { return false; }); });
        EXPECT_TRUE(failed == 0 || failed == EBUSY) << failed;
        if (failed == 0) ++commits;
        view.tick();
        view.status();
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
      }
    }};
    threads.clear();
    done = true;
  }
  view.commit("x", "test");
  EXPECT_GT(commits, 0);
  const auto tree = world.latest("x");
  std::size_t files = 0;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    for (const auto& [name, content] : workers[i]->files()) {
      const std::string path = "d" + std::to_string(i) + "/" + name;
      ASSERT_TRUE(tree->contains(path)) << path;
      EXPECT_TRUE(tree->at(path).content == content) << path;
      ++files;
    }
  }
  EXPECT_EQ(tree->size(), files + workers.size() + 1);
}

}  // namespace
}  // namespace vgerfs::fs
