#include "cli/exit_code.h"

#include <gtest/gtest.h>

namespace vgerfs::cli {
namespace {

int status(ErrorCode code) { return static_cast<int>(exit_code(code)); }
int mount_status(ErrorCode code) { return static_cast<int>(mount_exit_code(code)); }

// Scripts rely on these numbers: they are written out here, not taken from the enum.
TEST(ExitCode, IsWhatTheManualSays) {
  EXPECT_EQ(status(ErrorCode::not_found), 1);
  EXPECT_EQ(status(ErrorCode::exists), 1);
  EXPECT_EQ(status(ErrorCode::denied), 1);
  EXPECT_EQ(status(ErrorCode::io), 1);
  EXPECT_EQ(status(ErrorCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::partial), 3);
  EXPECT_EQ(status(ErrorCode::no_repository), 10);
  EXPECT_EQ(status(ErrorCode::busy), 11);
  EXPECT_EQ(status(ErrorCode::wrong_key), 12);
  EXPECT_EQ(status(ErrorCode::unsupported), 13);
  EXPECT_EQ(status(ErrorCode::corrupt), 14);
  EXPECT_EQ(status(ErrorCode::rollback), 15);
  EXPECT_EQ(status(ErrorCode::no_space), 16);
  EXPECT_EQ(status(ErrorCode::read_only), 17);
  EXPECT_EQ(status(ErrorCode::unavailable), 17);
  EXPECT_EQ(status(ErrorCode::interrupted), 130);
}

TEST(ExitCode, OfTheMountHelpersIsOneThatMountKnows) {
  EXPECT_EQ(mount_status(ErrorCode::usage), 1);
  EXPECT_EQ(mount_status(ErrorCode::denied), 1);
  EXPECT_EQ(mount_status(ErrorCode::no_space), 2);
  EXPECT_EQ(mount_status(ErrorCode::busy), 16);
  EXPECT_EQ(mount_status(ErrorCode::wrong_key), 32);
  EXPECT_EQ(mount_status(ErrorCode::no_repository), 32);
  EXPECT_EQ(mount_status(ErrorCode::rollback), 32);
}

}  // namespace
}  // namespace vgerfs::cli
