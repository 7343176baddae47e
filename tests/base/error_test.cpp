#include "base/error.h"

#include <cerrno>
#include <set>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

TEST(Error, GathersContextOnItsWay) {
  try {
    try {
      throw Error{ErrorCode::corrupt, "a block is damaged", "run check"};
    } catch (Error& error) {
      error.add_context("opening snapshot 3fa1");
      throw;
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_STREQ(error.what(), "opening snapshot 3fa1: a block is damaged");
    EXPECT_EQ(error.hint(), "run check");
  }
}

TEST(Error, NamesEveryCodeDifferently) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::io); ++code) {
    EXPECT_TRUE(names.insert(to_string(static_cast<ErrorCode>(code))).second) << code;
  }
  EXPECT_TRUE(names.contains("no_repository"));
}

TEST(SystemError, ChoosesTheCallersNextStep) {
  EXPECT_EQ(error_code_from_errno(ENOENT), ErrorCode::not_found);
  EXPECT_EQ(error_code_from_errno(EEXIST), ErrorCode::exists);
  EXPECT_EQ(error_code_from_errno(EACCES), ErrorCode::denied);
  EXPECT_EQ(error_code_from_errno(EPERM), ErrorCode::denied);
  EXPECT_EQ(error_code_from_errno(ENOSPC), ErrorCode::no_space);
  EXPECT_EQ(error_code_from_errno(EDQUOT), ErrorCode::no_space);
  EXPECT_EQ(error_code_from_errno(EROFS), ErrorCode::read_only);
  EXPECT_EQ(error_code_from_errno(EIO), ErrorCode::io);
  EXPECT_EQ(error_code_from_errno(ESTALE), ErrorCode::unavailable);
  EXPECT_EQ(error_code_from_errno(ENOTCONN), ErrorCode::unavailable);
  EXPECT_EQ(error_code_from_errno(99999), ErrorCode::io);
}

TEST(SystemError, SaysWhatFailedAndWhy) {
  EXPECT_EQ(system_error(ENOSPC, "writing data/ab").message(),
            "writing data/ab: No space left on device");
}

TEST(CheckDeathTest, AbortsWithThePlace) {
  EXPECT_DEATH(VGERFS_CHECK(1 == 2), "bug at .*error_test.cpp:[0-9]+.*1 == 2");
}

}  // namespace
}  // namespace vgerfs
