// The ingest view against a plain tree in memory: random requests, commits, remounts and crashes.
#include <sys/stat.h>

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ingest_world.h"
#include "support/fixed_random.h"
#include "support/test_seed.h"

namespace vgerfs::fs {
namespace {

using testing::failure_of;
using testing::IngestClient;
using testing::IngestWorld;
using testing::SeenTree;

struct ModelInode {
  mode_t mode = 0;
  std::string content;         // files; symlinks: target
  std::vector<bool> received;  // files: bytes that this session got
  std::map<std::string, std::string> xattrs;
  std::optional<Timestamp> mtime;  // once set
};
using ModelPtr = std::shared_ptr<ModelInode>;

/// Paths below the source; "" is its root.
class Model {
 public:
  Model() { nodes_[""] = std::make_shared<ModelInode>(ModelInode{.mode = S_IFDIR | 0755}); }
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;

  Model clone() const {
    Model copy;
    std::map<ModelPtr, ModelPtr> same;
    for (const auto& [path, inode] : nodes_) {
      ModelPtr& other = same[inode];
      if (!other) other = std::make_shared<ModelInode>(*inode);
      copy.nodes_[path] = other;
    }
    return copy;
  }
  void forget_received() {
    for (auto& [path, inode] : nodes_)
      std::fill(inode->received.begin(), inode->received.end(), false);
  }

  std::map<std::string, ModelPtr>& nodes() { return nodes_; }
  const std::map<std::string, ModelPtr>& nodes() const { return nodes_; }
  std::size_t links_of(const ModelPtr& inode) const {
    return static_cast<std::size_t>(std::count_if(
        nodes_.begin(), nodes_.end(), [&](const auto& each) { return each.second == inode; }));
  }
  bool is_below(const std::string& path, const std::string& directory) const {
    return path.size() > directory.size() &&
           path.compare(0, directory.size() + 1, directory + "/") == 0;
  }
  bool is_empty(const std::string& directory) const {
    return std::none_of(nodes_.begin(), nodes_.end(),
                        [&](const auto& each) { return is_below(each.first, directory); });
  }
  void move(const std::string& from, const std::string& to) {
    std::map<std::string, ModelPtr> moved;
    for (auto at = nodes_.begin(); at != nodes_.end();) {
      if (at->first == from || is_below(at->first, from)) {
        moved[to + at->first.substr(from.size())] = at->second;
        at = nodes_.erase(at);
      } else {
        ++at;
      }
    }
    nodes_.merge(moved);
  }

 private:
  std::map<std::string, ModelPtr> nodes_;
};

class ModelRun {
 public:
  ModelRun(std::uint64_t seed, bool ingest_key) : world_(ingest_key), random_(seed), seed_(seed) {
    client_ = mount();
    client_->mkdir("x");
  }

  void run(int steps) {
    for (step_ = 0; step_ < steps && !::testing::Test::HasFailure(); ++step_) {
      SCOPED_TRACE(fmt::format("seed {} step {}", seed_, step_));
      const std::uint64_t what = below(100);
      if (what < 88) {
        request();
      } else if (what < 91) {
        check_view();
      } else if (what < 93) {
        client_->forget_all();
      } else if (what < 95) {
        sync();
      } else if (what < 96) {
        client_->view().tick();
      } else if (what < 98) {
        commit();
      } else if (what < 99) {
        crash();
      } else {
        remount();
      }
    }
    SCOPED_TRACE(fmt::format("seed {} at the end", seed_));
    if (!::testing::Test::HasFailure()) commit();
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::unique_ptr<IngestClient> mount() {
    IngestOptions options;
    options.autocommit_s = 0;
    options.checkpoint_interval_s =
        0;  // else a tick would make durable what the model does not know of
    options.spool_bytes = below(3) == 0 ? 64 * 1024 : 64 << 20;
    return world_.mount(options);
  }

  std::string any_directory() {
    std::vector<std::string> found;
    for (const auto& [path, inode] : model_.nodes()) {
      if (S_ISDIR(inode->mode) && std::count(path.begin(), path.end(), '/') < 3)
        found.push_back(path);
    }
    return found[below(found.size())];
  }
  std::string any_name() {
    const std::string directory = any_directory();
    const std::string name =
        std::string(1, "abcdef"[below(6)]) + (below(4) == 0 ? std::string(200, 'n') : "");
    return directory.empty() ? name : directory + "/" + name;
  }
  /// An existing path of this type, or nothing.
  std::optional<std::string> any(mode_t type) {
    std::vector<std::string> found;
    for (const auto& [path, inode] : model_.nodes()) {
      if ((inode->mode & S_IFMT) == type && !path.empty()) found.push_back(path);
    }
    if (found.empty()) return std::nullopt;
    return found[below(found.size())];
  }
  static std::string full(const std::string& path) { return path.empty() ? "x" : "x/" + path; }
  std::string some_text(std::uint64_t limit) {
    const std::uint64_t count = 1 + below(below(10) == 0 ? limit : 3000);
    if (below(12) == 0) return std::string(count, '\0');
    // A small alphabet of texts, so that contents repeat.
    const Bytes bytes = testing::random_bytes(below(30), count);
    return std::string{text_of(bytes)};
  }

  void request() {
    switch (below(16)) {
      case 0: {
        const std::string path = any_name();
        const int expected = model_.nodes().contains(path) ? EEXIST : 0;
        ASSERT_EQ(failure_of([&] { client_->mkdir(full(path)); }), expected);
        if (expected == 0)
          model_.nodes()[path] = std::make_shared<ModelInode>(ModelInode{.mode = S_IFDIR | 0755});
        break;
      }
      case 1:
      case 2:
      case 3: create(); break;
      case 4:
      case 5:
      case 6: write(); break;
      case 7: truncate(); break;
      case 8: remove(); break;
      case 9:
      case 10: rename(); break;
      case 11: link(); break;
      case 12: {
        const auto path = below(2) == 0 ? any(S_IFREG) : any(S_IFDIR);
        if (!path) break;
        const auto mode = static_cast<mode_t>(below(01000));
        client_->chmod(full(*path), mode);
        auto& inode = *model_.nodes()[*path];
        inode.mode = (inode.mode & S_IFMT) | mode;
        break;
      }
      case 13: {
        const auto path = below(2) == 0 ? any(S_IFREG) : any(S_IFDIR);
        if (!path) break;
        const std::string name = "user." + std::string(1, "pq"[below(2)]);
        auto& xattrs = model_.nodes()[*path]->xattrs;
        if (below(3) == 0 && xattrs.contains(name)) {
          client_->view().remove_xattr(client_->node(full(*path)), name, {});
          xattrs.erase(name);
        } else {
          xattrs[name] = some_text(2000);
          client_->set_xattr(full(*path), name, xattrs[name]);
        }
        break;
      }
      case 14: {
        const auto path = any(S_IFREG);
        if (!path) break;
        const Timestamp time{static_cast<std::int64_t>(below(2'000'000'000)) - 1'000'000'000,
                             static_cast<std::uint32_t>(below(1'000'000'000))};
        client_->set_mtime(full(*path), time);
        model_.nodes()[*path]->mtime = time;
        break;
      }
      case 15: {
        const std::string path = any_name();
        if (model_.nodes().contains(path)) break;
        client_->symlink("to " + path, full(path));
        model_.nodes()[path] = std::make_shared<ModelInode>(
            ModelInode{.mode = S_IFLNK | 0777, .content = "to " + path});
        break;
      }
    }
  }

  static void put(ModelInode& inode, std::uint64_t at, const std::string& text) {
    if (inode.content.size() < at + text.size()) inode.content.resize(at + text.size());
    inode.received.resize(inode.content.size());
    inode.content.replace(at, text.size(), text);
    std::fill_n(inode.received.begin() + static_cast<std::ptrdiff_t>(at), text.size(), true);
    inode.mtime.reset();
  }

  void create() {
    const std::string path = any_name();
    const int expected = model_.nodes().contains(path) ? EEXIST : 0;
    const std::string text = below(4) == 0 ? "" : some_text(400'000);
    ASSERT_EQ(failure_of([&] { client_->write_file(full(path), text); }), expected);
    if (expected != 0) return;
    auto inode = std::make_shared<ModelInode>(ModelInode{.mode = S_IFREG | 0644});
    if (!text.empty()) put(*inode, 0, text);
    model_.nodes()[path] = inode;
  }

  void write() {
    const auto path = any(S_IFREG);
    if (!path) return;
    ModelInode& inode = *model_.nodes()[*path];
    const NodeId node = client_->node(full(*path));
    const HandleId handle = client_->open(full(*path), below(2) == 0 ? O_RDWR : O_WRONLY);
    std::uint64_t at = below(inode.content.size() + 2000);
    for (std::uint64_t count = 1 + below(5); count > 0; --count) {
      if (below(6) == 0) {
        const std::uint64_t length = 1 + below(100'000);
        client_->view().preallocate(node, handle, PreallocateMode::punch_hole, at, length, {});
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + length, inode.content.size());
             ++i) {
          inode.content[i] = '\0';
        }
        inode.mtime.reset();
      } else {
        const std::string text = some_text(150'000);
        client_->write(node, handle, at, text);
        put(inode, at, text);
        at += below(2) == 0 ? text.size() : below(5000);
      }
    }
    client_->close(node, handle);
  }

  void truncate() {
    const auto path = any(S_IFREG);
    if (!path) return;
    ModelInode& inode = *model_.nodes()[*path];
    const std::uint64_t bytes = below(3) == 0 ? 0 : below(inode.content.size() + 10'000);
    client_->truncate(full(*path), bytes);
    inode.content.resize(bytes);
    inode.received.resize(bytes);
    inode.mtime.reset();
  }

  void remove() {
    if (below(3) == 0) {
      const auto path = any(S_IFDIR);
      if (!path) return;
      const int expected = model_.is_empty(*path) ? 0 : ENOTEMPTY;
      ASSERT_EQ(failure_of([&] { client_->rmdir(full(*path)); }), expected);
      if (expected == 0) model_.nodes().erase(*path);
      return;
    }
    const auto path = any(below(4) == 0 ? S_IFLNK : S_IFREG);
    if (!path) return;
    client_->unlink(full(*path));
    model_.nodes().erase(*path);
  }

  void rename() {
    const auto from = any(below(3) == 0 ? S_IFDIR : S_IFREG);
    if (!from) return;
    const std::string to = any_name();
    auto& nodes = model_.nodes();
    const ModelPtr inode = nodes[*from];
    const bool directory = S_ISDIR(inode->mode);
    const auto target = nodes.find(to);
    if (below(5) == 0 && target != nodes.end()) {
      // Not a directory with what is in it.
      if (model_.is_below(to, *from) || model_.is_below(*from, to)) return;
      client_->rename(full(*from), full(to), RenameMode::exchange);
      if (to == *from) return;
      model_.move(*from, "exchange");
      model_.move(to, *from);
      model_.move("exchange", to);
      return;
    }
    int expected = 0;
    if (to == *from) {
      expected = 0;
    } else if (model_.is_below(to, *from)) {
      expected = EINVAL;
    } else if (target != nodes.end() && target->second != inode) {
      if (directory && !S_ISDIR(target->second->mode)) {
        expected = ENOTDIR;
      } else if (!directory && S_ISDIR(target->second->mode)) {
        expected = EISDIR;
      } else if (directory && !model_.is_empty(to)) {
        expected = ENOTEMPTY;
      }
    }
    ASSERT_EQ(failure_of([&] { client_->rename(full(*from), full(to)); }), expected)
        << *from << " to " << to;
    if (expected != 0 || to == *from || (target != nodes.end() && target->second == inode)) return;
    nodes.erase(to);
    model_.move(*from, to);
  }

  void link() {
    const auto from = any(S_IFREG);
    if (!from) return;
    const std::string to = any_name();
    const int expected = model_.nodes().contains(to) ? EEXIST : 0;
    ASSERT_EQ(failure_of([&] { client_->link(full(*from), full(to)); }), expected);
    if (expected == 0) model_.nodes()[to] = model_.nodes()[*from];
  }

  /// Names, attributes and what may be read; `tree` of a snapshot holds contents.
  void compare(const SeenTree& tree, bool has_content) {
    ASSERT_EQ(tree.size(), model_.nodes().size());
    std::map<ModelPtr, std::uint64_t> groups;
    std::set<std::uint64_t> numbers;
    for (const auto& [path, inode] : model_.nodes()) {
      ASSERT_TRUE(tree.contains(path)) << path;
      const auto& seen = tree.at(path);
      ASSERT_EQ(seen.mode, inode->mode) << path;
      ASSERT_EQ(seen.xattrs, inode->xattrs) << path;
      if (inode->mtime) {
        ASSERT_EQ(seen.mtime, *inode->mtime) << path;
      }
      if (S_ISLNK(inode->mode)) {
        ASSERT_EQ(seen.content, inode->content) << path;
      }
      if (!S_ISREG(inode->mode)) continue;
      ASSERT_EQ(seen.links, model_.links_of(inode)) << path;
      if (has_content) {
        ASSERT_TRUE(seen.content == inode->content) << path;
      } else {
        ASSERT_EQ(seen.content, std::to_string(inode->content.size())) << path;
      }
      if (model_.links_of(inode) < 2) continue;
      const auto [group, added] = groups.emplace(inode, seen.group);
      ASSERT_EQ(group->second, seen.group) << path;
      if (added) {
        ASSERT_TRUE(numbers.insert(seen.group).second)
            << path << " shares the number of another file";
      }
    }
  }

  void check_view() {
    compare(client_->see("x"), false);
    for (const auto& [path, inode] : model_.nodes()) {
      if (!S_ISREG(inode->mode) || below(4) != 0) continue;
      const NodeId node = client_->node(full(path));
      const HandleId handle = client_->open(full(path), O_RDWR);
      for (int i = 0; i < 3; ++i) {
        const std::uint64_t at = below(inode->content.size() + 10);
        std::string out;
        const int failed = failure_of([&] { out = client_->read_at(node, handle, at, 50'000); });
        ASSERT_TRUE(failed == 0 || failed == EACCES) << failed;
        const std::size_t limit = at >= inode->content.size() ? 0 : inode->content.size() - at;
        ASSERT_LE(out.size(), limit);
        if (limit == 0) continue;
        ASSERT_TRUE(inode->content.compare(at, out.size(), out) == 0) << path;
        for (std::size_t k = 0; k < out.size(); ++k) {
          ASSERT_TRUE(inode->received[at + k] || out[k] == '\0')
              << path << ": an old byte was read";
        }
        // And all that was received is given back.
        if (failed == EACCES) {
          ASSERT_FALSE(inode->received[at]) << path;
        }
        const std::size_t next = at + out.size();
        if (out.size() < std::min<std::size_t>(limit, 50'000)) {
          ASSERT_FALSE(inode->received[next]) << path;
        }
      }
      client_->close(node, handle);
    }
  }

  void sync() {
    const auto path = any(S_IFREG);
    if (!path) {
      const auto directory = any(S_IFDIR);
      if (!directory) return;
      client_->sync(full(*directory));
    } else {
      const HandleId handle = client_->open(full(*path), O_RDWR);
      client_->view().sync_file(client_->node(full(*path)), handle);
      client_->close(client_->node(full(*path)), handle);
    }
    durable_ = model_.clone();
  }

  void commit() {
    client_->view().commit("x", "test");
    const auto tree = world_.latest("x");
    ASSERT_TRUE(tree);
    compare(*tree, true);
    model_.forget_received();
    durable_ = model_.clone();
    check_view();
  }

  void crash() {
    client_.reset();
    client_ = mount();
    if (!durable_) {
      // Not even the source was durable.
      EXPECT_FALSE(client_->exists("x"));
      model_ = Model{};
      client_->mkdir("x");
      return;
    }
    model_ = durable_->clone();
    model_.forget_received();
    check_view();
  }

  void remount() {
    client_->view().suspend();
    client_.reset();
    client_ = mount();
    model_.forget_received();
    durable_ = model_.clone();
    check_view();
  }

  IngestWorld world_;
  std::mt19937_64 random_;
  const std::uint64_t seed_;
  std::unique_ptr<IngestClient> client_;
  Model model_;
  std::optional<Model> durable_;
  int step_ = 0;
};

class IngestModel : public ::testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Keys, IngestModel, ::testing::Values(false, true),
                         [](const auto& key) { return key.param ? "IngestKey" : "FullKey"; });

TEST_P(IngestModel, AgreesWithAPlainTree) {
  const int rounds = testing::test_size(6, 2);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    ModelRun{testing::test_seed() + static_cast<std::uint64_t>(round), GetParam()}.run(
        testing::test_size(500, 200));
  }
}

}  // namespace
}  // namespace vgerfs::fs
