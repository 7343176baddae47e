#include "backends/open_backend.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_directory.h"

namespace vgerfs::testing {
namespace {

using backends::create_backend;
using backends::is_location;
using backends::local_path;
using backends::open_backend;
using backends::redacted_location;
using backends::RemoteOptions;
using ::testing::HasSubstr;
using ::testing::Not;

Error error_of_open(const std::string& location) {
  try {
    open_backend(location);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << location << " could be opened";
  return Error{ErrorCode::io, ""};
}

TEST(OpenBackend, OpensLocalLocations) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a repository";
  create_backend(path);
  for (const std::string& location :
       {path, path + "/", "file:" + path, "file://" + path, "file://localhost" + path,
        "file://" + (directory / "a%20repository"), "file:" + (directory / "./a repository")}) {
    EXPECT_EQ(open_backend(location)->location(), path) << location;
  }
  const std::string before = std::filesystem::current_path().string();
  std::filesystem::current_path(directory.path());
  const std::string name = std::filesystem::path{directory.path()}.filename().string();
  for (const std::string& location :
       {std::string{"./a repository"}, std::string{"file:a repository"},
        "../" + name + "/a repository"}) {
    EXPECT_EQ(open_backend(location)->location(), path) << location;
  }
  std::filesystem::current_path(before);
}

TEST(OpenBackend, SaysWhatThisVersionDoesNotHave) {
  for (const char* location : {"http:host/repo", "rest:/path", "s3:https://endpoint/bucket/prefix",
                               "sftp://user@host/path", "sftp:user@host:path", "gopher://host/x"}) {
    const Error error = error_of_open(location);
    EXPECT_EQ(error.code(), ErrorCode::unsupported) << location;
    EXPECT_THAT(error.message(), HasSubstr("not in this version"));
  }
}

TEST(OpenBackend, OpensRestServers) {
  RemoteOptions options;
  options.allow_insecure = true;
  for (const char* location : {"http://host/repo", "https://host/repo/", "rest:https://joe@host/r",
                               "http+unix:///run/socket:/repo"}) {
    EXPECT_NO_THROW(open_backend(location, options)) << location;
  }
  EXPECT_EQ(open_backend("rest:https://host:1/repo/")->location(), "https://host:1/repo");
  EXPECT_EQ(error_of_open("http://host/repo").code(), ErrorCode::usage) << "without encryption";
}

TEST(OpenBackend, RefusesWhatIsNoLocation) {
  for (const char* location :
       {"", "label", "~/backup", "~user/backup", "file:", "file://", "file://otherhost/path",
        "file:///a%2", "file:///a%zz", "file:///a%00b"}) {
    EXPECT_EQ(error_of_open(location).code(), ErrorCode::usage) << location;
  }
}

TEST(OpenBackend, KeepsPasswordsOutOfMessages) {
  EXPECT_THAT(error_of_open("https://user:secret@host/repo").message(), Not(HasSubstr("secret")));
}

TEST(IsLocation, TellsLocationsFromLabels) {
  for (const char* text : {"/a", "./a", "a/b", "file:a", "s3:x", "sftp://h/x"}) {
    EXPECT_TRUE(is_location(text)) << text;
  }
  for (const char* text : {"home", "my-backup", "a:b", ""}) EXPECT_FALSE(is_location(text)) << text;
}

TEST(LocalPath, IsEmptyForOthers) {
  EXPECT_EQ(local_path("file:///a/b"), "/a/b");
  EXPECT_EQ(local_path("/a:b@c"), "/a:b@c");
  EXPECT_EQ(local_path("s3:https://h/b"), "");
  EXPECT_EQ(local_path("label"), "");
}

TEST(RedactedLocation, HidesPasswordsQueriesAndFragments) {
  EXPECT_EQ(redacted_location("https://user:secret@host:8000/repo?token=1#x"),
            "https://user:***@host:8000/repo");
  EXPECT_EQ(redacted_location("https://user:p@ss:word@host/repo"), "https://user:***@host/repo");
  EXPECT_EQ(redacted_location("sftp://user@host/path"), "sftp://user@host/path");
  EXPECT_EQ(redacted_location("rest:https://u:secret@host/r"), "rest:https://u:***@host/r");
  EXPECT_EQ(redacted_location("sftp:u:secret@host/r"), "sftp:u:***@host/r");
  EXPECT_EQ(redacted_location("https://host:8000/a@b:c"), "https://host:8000/a@b:c");
  EXPECT_EQ(redacted_location("unknown://u:secret@h/"), "unknown://u:***@h/");
}

TEST(RedactedLocation, LeavesPathsAlone) {
  for (const char* path : {"/srv/a:b@c?d#e", "./x:y@z", "file:/a:b@c"}) {
    EXPECT_EQ(redacted_location(path), path);
  }
}

}  // namespace
}  // namespace vgerfs::testing
