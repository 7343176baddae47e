#include "local_backend_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <fstream>

#include <gmock/gmock.h>

#include "base/fd.h"

namespace vgerfs::testing {
namespace {

using backends::ObjectInfo;
using backends::Temporary;
using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::size_t count_listed(backends::Backend& backend, ObjectType type) {
  std::size_t count = 0;
  backend.list(type, [&](const ObjectInfo&) { ++count; });
  return count;
}

void write_file(const std::string& path, std::string_view text = "x") {
  std::ofstream{path} << text;
}

TEST_F(LocalBackendTest, PutsObjectsWhereTheFormatSays) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  const ObjectName index = write_object(*backend_, ObjectType::index, content(2));
  write_object(*backend_, ObjectType::config, content(3));
  backend_->barrier();
  EXPECT_THAT(files(), ::testing::UnorderedElementsAre(
                           "config", "index/" + index.id.hex(),
                           "data/" + pack.id.hex().substr(0, 2) + "/" + pack.id.hex()));
}

TEST_F(LocalBackendTest, FilesAndDirectoriesAreForTheOwnerOnly) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  struct stat status {};
  ASSERT_EQ(::stat((path_ + '/' + pack.path()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  for (const std::string& part : {std::string{"."}, std::string{"index"}, std::string{"data"},
                                  "data/" + pack.id.hex().substr(0, 2)}) {
    ASSERT_EQ(::stat((path_ + '/' + part).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0700U) << part;
  }
}

TEST_F(LocalBackendTest, ShowsTheFilesTime) {
  const ObjectName name = write_object(*backend_, ObjectType::lock, content(1));
  backend_->barrier();
  const timespec times[2] = {{1'000'000, 5}, {1'234'567, 89}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (path_ + '/' + name.path()).c_str(), times, 0), 0);
  EXPECT_EQ(backend_->stat(name)->stored_at, (Timestamp{1'234'567, 89}));
}

TEST_F(LocalBackendTest, SkipsForeignNamesInListings) {
  const ObjectName pack = write_object(*backend_, ObjectType::pack, content(1));
  write_object(*backend_, ObjectType::index, content(2));
  backend_->barrier();
  const std::string hex = pack.id.hex();
  const std::string first = hex.substr(0, 2);
  const std::string other = first == "00" ? "01" : "00";
  std::filesystem::create_directory(path_ + "/data/" + other);
  const std::vector<std::string> foreign = {"index/.tmp-0123456789abcdef",
                                            "index/tmp-x",
                                            "index/README",
                                            "index/.gitkeep",
                                            "data/stray",
                                            "data/" + hex,
                                            "data/" + first + "/.tmp-0123456789abcdef",
                                            "data/" + other + "/" + hex,  // in the wrong directory
                                            "index/" + std::string(64, 'A'),
                                            "index/" + std::string(63, 'a'),
                                            "index/" + std::string(65, 'a')};
  for (const std::string& name : foreign) {
    write_file(path_ + '/' + name);
  }
  std::filesystem::create_directory(path_ + "/index/" + std::string(64, 'b'));
  std::filesystem::create_symlink("/etc/passwd", path_ + "/index/" + std::string(64, 'c'));
  EXPECT_EQ(count_listed(*backend_, ObjectType::pack), 1U);
  EXPECT_EQ(count_listed(*backend_, ObjectType::index), 1U);
}

TEST_F(LocalBackendTest, NeverFollowsOrWaitsForWhatIsNoRegularFile) {
  const ObjectName link = name_of(ObjectType::index, content(1));
  const ObjectName fifo = name_of(ObjectType::index, content(2));
  const ObjectName folder = name_of(ObjectType::index, content(3));
  std::filesystem::create_symlink("/etc/passwd", path_ + '/' + link.path());
  ASSERT_EQ(::mkfifo((path_ + '/' + fifo.path()).c_str(), 0600), 0);
  std::filesystem::create_directory(path_ + '/' + folder.path());
  Bytes out(1);
  for (const ObjectName& name : {link, fifo, folder}) {
    EXPECT_EQ(error_of([&] { backend_->stat(name); }).code(), ErrorCode::corrupt);
    EXPECT_EQ(error_of([&] { backend_->read(name, 0, out); }).code(), ErrorCode::io);
    EXPECT_NE(error_of([&] { backend_->write(name, content(1)); }).code(), ErrorCode::not_found);
  }
}

TEST_F(LocalBackendTest, NamesTheObjectInErrors) {
  const ObjectName name = name_of(ObjectType::index, content(1));
  Bytes out(1);
  EXPECT_THAT(error_of([&] { backend_->read(name, 0, out); }).message(),
              HasSubstr(path_ + "/index/" + name.id.hex()));
}

TEST_F(LocalBackendTest, ParksWritesWithoutPublishingThem) {
  for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
    const auto backend = open({.max_open_files = 4, .temporary = temporary});
    std::vector<ObjectName> names;
    for (std::uint64_t i = 0; i < 20; ++i) {
      names.push_back(
          write_object(*backend, i % 2 == 0 ? ObjectType::pack : ObjectType::index, content(i)));
    }
    EXPECT_EQ(count_listed(*open(), ObjectType::pack), 0U);
    EXPECT_EQ(count_listed(*open(), ObjectType::index), 0U);
    for (std::uint64_t i = 0; i < 20; ++i) {
      Bytes out(100);
      backend->read(names[i], 0, out);
      EXPECT_EQ(out, content(i));
      EXPECT_EQ(error_of([&] { backend->write(names[i], content(99)); }).code(), ErrorCode::exists);
    }
    backend->barrier();
    EXPECT_EQ(files().size(), 20U) << "a temporary file was left";
    for (const ObjectName& name : names) open()->remove(name);
  }
}

TEST_F(LocalBackendTest, LeavesNothingOfWritesThatNeverCameToABarrier) {
  for (const Temporary temporary : {Temporary::nameless, Temporary::named}) {
    const auto backend = open({.max_open_files = 2, .temporary = temporary});
    for (std::uint64_t i = 0; i < 10; ++i) write_object(*backend, ObjectType::pack, content(i));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(LocalBackendTest, HoldsFewDescriptors) {
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"},
                         std::filesystem::directory_iterator{});
  };
  const auto before = open_descriptors();
  const auto backend = open();
  for (std::uint64_t i = 0; i < 600; ++i) write_object(*backend, ObjectType::index, content(i));
  EXPECT_LE(open_descriptors() - before, 256 + 10);
  backend->barrier();
  EXPECT_LE(open_descriptors() - before, 10);
  EXPECT_EQ(count_listed(*backend, ObjectType::index), 600U);
}

TEST_F(LocalBackendTest, AVanishedRootIsUnavailableNotEmpty) {
  write_object(*backend_, ObjectType::index, content(1));
  backend_->barrier();
  const ObjectName pending = write_object(*backend_, ObjectType::index, content(2));
  std::filesystem::rename(path_, path_ + "-moved");
  const auto check = [&] {
    const ObjectName absent = name_of(ObjectType::index, content(3));
    Bytes out(1);
    const Error error = error_of([&] { backend_->stat(absent); });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.message(), HasSubstr("vanished"));
    EXPECT_EQ(error_of([&] { backend_->read(absent, 0, out); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { backend_->remove(absent); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { count_listed(*backend_, ObjectType::pack); }).code(),
              ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::unavailable);
  };
  check();
  std::filesystem::create_directory(path_);  // an empty mount point in its place
  check();
  std::filesystem::remove(path_);
  std::filesystem::rename(path_ + "-moved", path_);
  EXPECT_NO_THROW(backend_->barrier());
  EXPECT_TRUE(open()->stat(pending));
}

TEST_F(LocalBackendTest, ADeletedRepositoryIsUnavailable) {
  write_object(*backend_, ObjectType::index, content(1));
  std::filesystem::remove_all(path_);
  for (const ObjectType type : {ObjectType::pack, ObjectType::index, ObjectType::config}) {
    EXPECT_EQ(error_of([&] { write_object(*backend_, type, content(2)); }).code(),
              ErrorCode::unavailable);
  }
  EXPECT_EQ(error_of([&] { backend_->barrier(); }).code(), ErrorCode::unavailable);
}

TEST_F(LocalBackendTest, AVanishedPartIsUnavailableNotEmpty) {
  for (const ObjectType type : format::kListedTypes) {
    const std::string part = path_ + '/' + std::string{format::directory_name(type)};
    std::filesystem::rename(part, part + "-moved");
    const ObjectName absent = name_of(type, content(1));
    EXPECT_EQ(error_of([&] { backend_->stat(absent); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { count_listed(*backend_, type); }).code(), ErrorCode::unavailable);
    EXPECT_EQ(error_of([&] { backend_->write(absent, content(1)); }).code(),
              ErrorCode::unavailable);
    std::filesystem::create_directory(part);
    EXPECT_EQ(error_of([&] { backend_->stat(absent); }).code(), ErrorCode::unavailable);
    std::filesystem::remove(part);
    std::filesystem::rename(part + "-moved", part);
    EXPECT_EQ(backend_->stat(absent), std::nullopt);
  }
}

TEST_F(LocalBackendTest, MakesAPackDirectoryAgainThatSomebodyRemoved) {
  const ObjectName name = write_object(*backend_, ObjectType::pack, content(1));
  backend_->barrier();
  backend_->remove(name);
  std::filesystem::remove(path_ + "/data/" + name.id.hex().substr(0, 2));
  EXPECT_NO_THROW(backend_->remove(name));
  backend_->write(name, content(1));
  backend_->barrier();
  EXPECT_TRUE(open()->stat(name));
}

}  // namespace
}  // namespace vgerfs::testing
