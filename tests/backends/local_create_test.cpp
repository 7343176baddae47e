#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include <gmock/gmock.h>

#include "backends/open_backend.h"
#include "local_backend_test.h"

namespace vgerfs::testing {
namespace {

using backends::create_local_backend;
using backends::open_local_backend;
using backends::write_object;
using format::ObjectType;
using ::testing::HasSubstr;

ErrorCode code_of_open(const std::string& path) {
  return error_of([&] { open_local_backend(path); }).code();
}
ErrorCode code_of_create(const std::string& path) {
  return error_of([&] { create_local_backend(path); }).code();
}

TEST(CreateLocalBackend, MakesTheDirectoryItsParentsAndTheLayout) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a/b/repository";
  const auto backend = create_local_backend(path + '/');
  EXPECT_EQ(backend->location(), path);
  for (const char* part : {"keys", "data", "index", "snapshots", "locks"}) {
    EXPECT_TRUE(std::filesystem::is_directory(path + '/' + part)) << part;
  }
  EXPECT_FALSE(std::filesystem::exists(path + "/config"));
  EXPECT_NO_THROW(open_local_backend(path));
}

TEST(CreateLocalBackend, AcceptsEmptyDirectories) {
  const TemporaryDirectory directory;
  EXPECT_NO_THROW(create_local_backend(directory.path()));
  EXPECT_NO_THROW(create_local_backend(directory.path())) << "after an interrupted creation";
  std::filesystem::remove(directory / "locks");
  EXPECT_NO_THROW(create_local_backend(directory.path())) << "after an interrupted creation";
  const TemporaryDirectory disk;
  std::filesystem::create_directory(disk / "lost+found");
  EXPECT_NO_THROW(create_local_backend(disk.path())) << "the root of a fresh file system";
}

TEST(CreateLocalBackend, RefusesAForeignDirectory) {
  const TemporaryDirectory directory;
  std::ofstream{directory / "thesis.tex"} << "x";
  const Error error = error_of([&] { create_local_backend(directory.path()); });
  EXPECT_EQ(error.code(), ErrorCode::exists);
  EXPECT_THAT(error.message(), HasSubstr("thesis.tex"));
  EXPECT_FALSE(std::filesystem::exists(directory / "keys"));
  EXPECT_EQ(code_of_create(directory / "thesis.tex"), ErrorCode::exists);
  EXPECT_NE(code_of_create(directory / "thesis.tex/repository"), ErrorCode::io);
}

TEST(CreateLocalBackend, RefusesARepository) {
  const TemporaryDirectory directory;
  for (const ObjectType type : {ObjectType::key, ObjectType::pack, ObjectType::config}) {
    const std::string path = directory / std::string{format::directory_name(type)};
    const auto backend = create_local_backend(path);
    write_object(*backend, type, content(1));
    backend->barrier();
    EXPECT_EQ(code_of_create(path), ErrorCode::exists) << path;
  }
}

TEST(OpenLocalBackend, SaysThatThereIsNoRepository) {
  const TemporaryDirectory directory;
  EXPECT_EQ(code_of_open(directory / "nothing"), ErrorCode::no_repository);
  EXPECT_EQ(code_of_open(directory.path()), ErrorCode::no_repository);
  std::ofstream{directory / "file"} << "x";
  EXPECT_EQ(code_of_open(directory / "file"), ErrorCode::no_repository);
  EXPECT_EQ(code_of_open(directory.path()), ErrorCode::no_repository);
}

TEST(OpenLocalBackend, NeverReplacesAMissingPartByAnEmptyOne) {
  const TemporaryDirectory directory;
  for (const char* part : {"keys", "data", "index", "snapshots", "locks"}) {
    const std::string path = directory / ("without-" + std::string{part});
    create_local_backend(path);
    std::filesystem::remove(path + '/' + part);
    const Error error = error_of([&] { open_local_backend(path); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_THAT(error.message(), HasSubstr(part));
    EXPECT_FALSE(std::filesystem::exists(path + '/' + part));
  }
}

TEST(OpenLocalBackend, AConfigAloneIsADamagedRepository) {
  const TemporaryDirectory directory;
  std::ofstream{directory / "config"} << "x";
  EXPECT_EQ(code_of_open(directory.path()), ErrorCode::corrupt);
}

TEST(OpenLocalBackend, FollowsARelativePathWhateverTheDirectoryIsLater) {
  const TemporaryDirectory directory;
  create_local_backend(directory / "repository");
  const std::string before = std::filesystem::current_path().string();
  std::filesystem::current_path(directory.path());
  const auto backend = open_local_backend("./repository/");
  std::filesystem::current_path(before);
  EXPECT_EQ(backend->stat(format::config_name()), std::nullopt);
  EXPECT_EQ(backend->location(), directory / "repository");
}

}  // namespace
}  // namespace vgerfs::testing
