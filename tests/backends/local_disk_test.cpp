// Disks that are full, read-only, forbidden or gone: real ones, in a mount namespace of the test's
// own.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "in_child.h"
#include "local_backend_test.h"

namespace vgerfs::testing {
namespace {

using backends::Temporary;
using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using ::testing::HasSubstr;

constexpr std::size_t kMiB = 1 << 20;

class LocalDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_private_mounts(); !why.empty()) GTEST_SKIP() << why;
  }

  /// Runs the body in a child where a small file system is mounted at `disk_`.
  void on_small_disk(const std::function<void()>& body) {
    EXPECT_EQ(run_in_child([&] {
                enter_private_mounts();
                mount_tmpfs(disk_.path(), 8 * kMiB);
                body();
              }),
              0);
  }

  TemporaryDirectory disk_;
  std::string path_ = disk_ / "repository";
};

TEST_F(LocalDisk, AFullDiskIsNoSpaceAndLeavesNothing) {
  on_small_disk([&] {
    backends::create_local_backend(path_);
    for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
      const auto backend = backends::open_local_backend(path_, {.temporary = temporary});
      const ObjectName small = write_object(*backend, ObjectType::pack, content(1, kMiB));
      const Bytes large = content(2, 9 * kMiB);
      const Error error = error_of([&] { write_object(*backend, ObjectType::pack, large); });
      EXPECT_EQ(error.code(), ErrorCode::no_space);
      EXPECT_THAT(error.message(), HasSubstr(name_of(ObjectType::pack, large).path()));
      EXPECT_EQ(backend->stat(name_of(ObjectType::pack, large)), std::nullopt);
      EXPECT_NO_THROW(backend->barrier()) << "what was written before is not affected";
      // The failed write has given its space back.
      const ObjectName next = write_object(*backend, ObjectType::pack, content(3, 6 * kMiB));
      backend->barrier();
      EXPECT_TRUE(backends::open_local_backend(path_)->stat(small));
      backend->remove(small);
      backend->remove(next);
    }
  });
}

TEST_F(LocalDisk, AReadOnlyDiskCanBeReadAndSaysWhyItCannotBeWritten) {
  on_small_disk([&] {
    const auto backend = backends::create_local_backend(path_);
    const ObjectName name = write_object(*backend, ObjectType::index, content(1));
    backend->barrier();
    const ObjectName pending = write_object(*backend, ObjectType::index, content(2));
    // Nameless files keep a file system from becoming read-only, as open ones do.
    backend->remove(pending);
    if (::mount(nullptr, disk_.path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY,
                nullptr) != 0) {
      throw system_error(errno, "remounting read-only");
    }
    const auto reader = backends::open_local_backend(path_);
    EXPECT_EQ(read_object(*reader, name, 1000), content(1));
    for (const ObjectType type : {ObjectType::pack, ObjectType::index, ObjectType::config}) {
      EXPECT_EQ(error_of([&] { write_object(*reader, type, content(3)); }).code(),
                ErrorCode::read_only);
    }
    EXPECT_EQ(error_of([&] { reader->remove(name); }).code(), ErrorCode::read_only);
    EXPECT_NO_THROW(reader->barrier());
    EXPECT_EQ(error_of([&] { backends::create_local_backend(disk_ / "new"); }).code(),
              ErrorCode::read_only);
  });
}

TEST_F(LocalDisk, AnUnmountedDiskIsUnavailableNotEmpty) {
  on_small_disk([&] {
    const auto backend = backends::create_local_backend(path_);
    write_object(*backend, ObjectType::index, content(1));
    if (::umount2(disk_.path().c_str(), MNT_DETACH) != 0) throw system_error(errno, "umount");
    const ObjectName absent = name_of(ObjectType::index, content(2));
    EXPECT_EQ(error_of([&] { backend->stat(absent); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { write_object(*backend, ObjectType::index, content(3)); }).code(),
              ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { backend->barrier(); }).code(), ErrorCode::unavailable)
        << "what was written before the disk went";
    EXPECT_EQ(error_of([&] { backends::open_local_backend(path_); }).code(),
              ErrorCode::no_repository);
  });
}

TEST_F(LocalDisk, AnUnmountedPartIsUnavailableNotEmpty) {
  const std::string data = path_ + "/data";
  backends::create_local_backend(path_);
  on_small_disk([&] {
    backends::create_local_backend(path_);
    mount_tmpfs(data, kMiB);
    const auto backend = backends::open_local_backend(path_);
    write_object(*backend, ObjectType::pack, content(1));
    backend->barrier();
    if (::umount2(data.c_str(), MNT_DETACH) != 0) throw system_error(errno, "umount");
    const ObjectName name = name_of(ObjectType::pack, content(1));
    EXPECT_EQ(error_of([&] { backend->stat(name); }).code(), ErrorCode::unavailable);
  });
}

TEST_F(LocalDisk, AnotherUserIsDenied) {
  EXPECT_EQ(run_in_child([&] {
              ASSERT_EQ(::chmod(disk_.path().c_str(), 0755), 0);
              const auto backend = backends::create_local_backend(path_);
              const ObjectName name = write_object(*backend, ObjectType::index, content(1));
              backend->barrier();
              ASSERT_EQ(::chmod(path_.c_str(), 0755), 0);
              for (const ObjectType type : format::kListedTypes) {
                const std::string part = path_ + '/' + std::string{format::directory_name(type)};
                ASSERT_EQ(::chmod(part.c_str(), 0755), 0);
              }
              ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
              const auto stranger = backends::open_local_backend(path_);
              Bytes out(1);
              EXPECT_EQ(error_of([&] { stranger->read(name, 0, out); }).code(), ErrorCode::denied);
              EXPECT_EQ(error_of([&] { stranger->remove(name); }).code(), ErrorCode::denied);
              for (const ObjectType type : {ObjectType::pack, ObjectType::lock}) {
                EXPECT_EQ(error_of([&] { write_object(*stranger, type, content(2)); }).code(),
                          ErrorCode::denied);
              }
            }),
            0);
}

TEST_F(LocalDisk, AClosedRepositoryIsDeniedNotAbsent) {
  EXPECT_EQ(run_in_child([&] {
              ASSERT_EQ(::chmod(disk_.path().c_str(), 0755), 0);
              backends::create_local_backend(path_);
              ASSERT_EQ(::setresuid(65534, 65534, 65534), 0);
              EXPECT_EQ(error_of([&] { backends::open_local_backend(path_); }).code(),
                        ErrorCode::denied);
            }),
            0);
}

}  // namespace
}  // namespace vgerfs::testing
