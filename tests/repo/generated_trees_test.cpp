// Trees that chance makes and changes between one backup and the next: each snapshot restores to
// what was there, also after all the others.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backup_run.h"
#include "file_tree.h"
#include "support/fixed_random.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

namespace fs = std::filesystem;
using testing::TestRepository;

/// A directory that is changed at random, in ways that people and programs do.
class ChangingTree {
 public:
  ChangingTree(std::string root, std::uint64_t seed) : root_(std::move(root)), random_(seed) {
    fs::create_directory(root_);
  }

  void change(int times) {
    for (int i = 0; i < times; ++i) change_once();
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  /// All paths below the root, directories or not, in an order that the seed decides.
  std::vector<fs::path> all(bool directories) const {
    std::vector<fs::path> found;
    if (directories) found.emplace_back(root_);
    for (const auto& each : fs::recursive_directory_iterator{root_}) {
      const bool is_directory = !each.is_symlink() && each.is_directory();
      if (is_directory == directories) found.push_back(each.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  fs::path any_directory() {
    const auto found = all(true);
    return found[below(found.size())];
  }
  /// Empty if there is none.
  fs::path any_file() {
    const auto found = all(false);
    return found.empty() ? fs::path{} : found[below(found.size())];
  }

  std::string some_name() {
    static const char* const kNames[] = {"a", "b.txt", "Ünï", " x ", "-rf", "c\nd", "e\xff", "z"};
    return std::string{kNames[below(std::size(kNames))]} + std::to_string(below(30));
  }
  /// A path that is not taken.
  fs::path fresh_path() {
    fs::path path;
    do {
      path = any_directory() / some_name();
    } while (fs::exists(fs::symlink_status(path)));
    return path;
  }

  std::string some_content() {
    std::string content;
    for (std::size_t parts = below(4); parts > 0; --parts) {
      switch (below(4)) {
        case 0: content += std::string(below(40'000), '\0'); break;
        case 1: content += std::string(below(3'000), 'x'); break;
        default:
          // Few seeds: files share pieces.
          content += text_of(testing::random_bytes(below(6), below(150'000)));
      }
    }
    return content;
  }

  void write(const fs::path& path, std::size_t offset, const std::string& content, int flags) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | flags, 0644);
    if (fd < 0) return;  // a link, or a fifo
    ASSERT_EQ(::pwrite(fd, content.data(), content.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(content.size()));
    ::close(fd);
  }

  void change_once() {
    const fs::path file = any_file();
    switch (below(12)) {
      case 0:
      case 1:
      case 2: write(fresh_path(), 0, some_content(), 0); break;
      case 3: fs::create_directory(fresh_path()); break;
      case 4: fs::create_symlink(some_name() + "/../" + some_name(), fresh_path()); break;
      case 5:
        if (!file.empty()) fs::create_hard_link(file, fresh_path());
        break;
      case 6:
        if (!file.empty()) fs::rename(file, fresh_path());
        break;
      case 7:
        if (!file.empty()) fs::remove(file);
        break;
      case 8:
        if (!file.empty() && fs::is_regular_file(fs::symlink_status(file)))
          fs::resize_file(file, below(200'000));
        break;
      case 9:
        if (!file.empty() && fs::is_regular_file(fs::symlink_status(file)))
          write(file, below(200'000), some_content(), 0);
        break;
      case 10: {
        const fs::path directory = any_directory();
        if (directory == root_) break;
        if (below(3) == 0) {
          fs::remove_all(directory);
        } else {
          ASSERT_EQ(::chmod(directory.c_str(), 0700 | static_cast<mode_t>(below(64))), 0);
        }
        break;
      }
      default:
        if (file.empty()) break;
        testing::set_mtime(file, static_cast<std::int64_t>(below(1U << 31U)) - (1 << 20),
                           static_cast<std::int64_t>(below(1'000'000'000)));
        if (fs::is_regular_file(fs::symlink_status(file))) {
          ASSERT_EQ(::chmod(file.c_str(), 0600 | static_cast<mode_t>(below(64))), 0);
        }
    }
  }

  const std::string root_;
  std::mt19937_64 random_;
};

TEST(GeneratedTrees, EverySnapshotRestoresToWhatWasThere) {
  const int trees = testing::test_size(12, 3);
  for (int tree = 0; tree < trees; ++tree) {
    const std::uint64_t seed = testing::test_seed() + static_cast<std::uint64_t>(tree);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const testing::TemporaryDirectory files;
    const std::string root = files / "root";
    ChangingTree changing{root, seed};
    TestRepository test;
    const auto repository = test.open(TestRepository::full_key(), "client");

    std::map<SnapshotId, std::map<std::string, std::string>> was_there;
    for (int backups = 0; backups < 4; ++backups) {
      changing.change(backups == 0 ? 80 : 12);
      auto options = testing::backup_options({root});
      options.force_snapshot = true;
      const auto result = testing::backup(*repository, options);
      ASSERT_EQ(result.failures.count, 0U) << result.failures.first.front().reason;
      was_there[result.snapshot.value()] = testing::describe_tree(root);
    }
    ASSERT_EQ(was_there.size(), 4U);

    // Another client, which knows nothing but the store.
    const auto other = test.open(TestRepository::full_key(), "other");
    for (const auto list = other->snapshots(); const auto& listed : list->snapshots) {
      const std::string target = files / listed.snapshot->id.hex();
      const auto result = testing::restore(*other, listed.snapshot->root, {.target = target});
      EXPECT_EQ(result.failures.count, 0U);
      ASSERT_EQ(
          testing::differences(was_there.at(listed.snapshot->id), testing::describe_tree(target)),
          "");
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo
