#include "backends/local_sweep.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "local_backend_test.h"

namespace vgerfs::testing {
namespace {

using backends::LocalDirectory;
using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kDay = 24 * 60 * 60;
const std::string kSwept = ".tmp-swept";
const std::string kLeft = "index/.tmp-0123456789abcdef";

class LocalSweep : public LocalBackendTest {
 protected:
  void make(const std::string& name, std::int64_t age) const {
    const int fd = ::open((path_ + '/' + name).c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_GE(fd, 0) << name;
    const timespec times[2] = {{now_.s - age, 0}, {now_.s - age, 0}};
    ASSERT_EQ(::futimens(fd, times), 0);
    ::close(fd);
  }
  bool exists(const std::string& name) const { return std::filesystem::exists(path_ + '/' + name); }
  /// What a session does first.
  void take_lease() const { write_object(*open(), ObjectType::lock, content(1)); }

  const Timestamp now_ = system_clock().now();
};

TEST_F(LocalSweep, TakesOnlyOldTemporaryFilesOfOurs) {
  const ObjectName object = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  const std::string pack_directory = "data/" + object.id.hex().substr(0, 2);
  const std::vector<std::string> swept = {".tmp-0123456789abcdef", kLeft,
                                          pack_directory + "/.tmp-fedcba9876543210"};
  const std::vector<std::string> kept = {
      "index/.tmp-0123456789abcde", "index/.tmp-0123456789abcdeF",
      "index/tmp-0123456789abcdef", "index/.tmp-0123456789abcdef0",
      "data/.tmp-0123456789abcdef", "index/" + std::string(64, 'a')};
  for (const std::string& name : swept) make(name, kDay + 10);
  for (const std::string& name : kept) make(name, 10 * kDay);
  make("index/.tmp-1111111111111111", kDay - 10);
  make(object.path(), 10 * kDay);
  std::filesystem::create_directory(path_ + "/keys/.tmp-0123456789abcdef");

  const LocalDirectory directory{path_};
  EXPECT_EQ(backends::sweep_temporary_files(directory, {now_.s, 0}), swept.size());
  for (const std::string& name : swept) EXPECT_FALSE(exists(name)) << name;
  for (const std::string& name : kept) EXPECT_TRUE(exists(name)) << name;
  EXPECT_TRUE(exists("index/.tmp-1111111111111111"));
  EXPECT_TRUE(exists(object.path()));
  EXPECT_EQ(backends::sweep_temporary_files(directory, {now_.s, 0}), 0U);
}

TEST_F(LocalSweep, ComesWithASessionsLease) {
  make(kLeft, kDay + 10);
  write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  EXPECT_TRUE(exists(kLeft));
  take_lease();
  EXPECT_FALSE(exists(kLeft));
  EXPECT_TRUE(exists(kSwept));
}

TEST_F(LocalSweep, IsDoneOnceADay) {
  make(kLeft, 10 * kDay);
  make(kSwept, kDay - 10);
  take_lease();
  EXPECT_TRUE(exists(kLeft));
  make(kSwept, kDay + 10);
  take_lease();
  EXPECT_FALSE(exists(kLeft));
  make(kLeft, 10 * kDay);
  take_lease();
  EXPECT_TRUE(exists(kLeft)) << "the sweep before was not noted";
}

TEST_F(LocalSweep, OneOfTomorrowDoesNotCount) {
  make(kLeft, 10 * kDay);
  make(kSwept, -kDay);
  take_lease();
  EXPECT_FALSE(exists(kLeft));
}

TEST_F(LocalSweep, SparesWhatOthersWriteThoughThisClientsClockIsWrong) {
  make(kLeft, 10);
  backends::sweep_when_due(LocalDirectory{path_}, {now_.s + 1000 * kDay, 0});
  EXPECT_TRUE(exists(kSwept));
  EXPECT_TRUE(exists(kLeft));
}

TEST_F(LocalSweep, ThatFailsFailsNobody) {
  make(kLeft, 10 * kDay);
  // Nobody can remove this, root neither.
  std::filesystem::create_directory(path_ + '/' + kSwept);
  const timespec times[2] = {{0, 0}, {0, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (path_ + '/' + kSwept).c_str(), times, 0), 0);
  EXPECT_NO_THROW(take_lease());
  EXPECT_TRUE(exists(kLeft));
}

}  // namespace
}  // namespace vgerfs::testing
