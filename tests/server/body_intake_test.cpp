#include "server/body_intake.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "server/error_reply.h"

namespace vgerfs::server {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class CollectedBody final : public RequestBody {
 public:
  void write(ByteView bytes) override {
    if (refuses) throw Error{ErrorCode::no_space, "full"};
    text += text_of(bytes);
  }
  Reply finish() override { return {}; }

  std::string text;
  bool refuses = false;
};

class BodyIntakeTest : public ::testing::Test {
 protected:
  BodyIntakeTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    client_ = Fd{ends[0]};
    server_ = Fd{ends[1]};
  }

  void send(std::string_view text) { write_all(client_.get(), bytes_of(text), "a socket"); }
  bool take() { return take_from_socket(server_.get(), unread_, body_); }
  int refused_with() {
    try {
      take();
    } catch (const HttpError& error) {
      return error.status();
    }
    return 0;
  }

  Fd client_;
  Fd server_;
  CollectedBody body_;
  std::uint64_t unread_ = 10;
};

TEST_F(BodyIntakeTest, TakesWhatIsThereAndWaitsForNothing) {
  EXPECT_TRUE(take());
  EXPECT_EQ(unread_, 10U);
  send("0123");
  EXPECT_TRUE(take());
  EXPECT_EQ(unread_, 6U);
  send("456789");
  take();
  EXPECT_EQ(unread_, 0U);
  EXPECT_EQ(body_.text, "0123456789");
}

TEST_F(BodyIntakeTest, LeavesTheNextRequestInTheSocket) {
  send("0123456789GET / HTTP/1.1");
  take();
  EXPECT_EQ(body_.text, "0123456789");
  std::string rest(100, ' ');
  EXPECT_EQ(::read(server_.get(), rest.data(), rest.size()), 14);
}

TEST_F(BodyIntakeTest, ABodyThatBreaksOffIsABadRequest) {
  send("0123");
  client_.reset();
  EXPECT_EQ(refused_with(), 400);
  EXPECT_EQ(unread_, 6U);
}

TEST_F(BodyIntakeTest, WhatABodyRefusesHasBeenReadNevertheless) {
  send("0123456789");
  body_.refuses = true;
  EXPECT_THROW(take(), Error);
  EXPECT_EQ(unread_, 0U);
}

TEST_F(BodyIntakeTest, EndsItsTurnBeforeALargeBodyEnds) {
  constexpr std::uint64_t kLength = 64 * kMiB;
  unread_ = kLength;
  const std::string bytes(kMiB, 'x');
  {
    const std::jthread sender{[&] {
      for (std::uint64_t sent = 0; sent < kLength; sent += bytes.size()) send(bytes);
    }};
    while (unread_ > 0) {
      const std::uint64_t before = unread_;
      take();
      EXPECT_LE(before - unread_, 9 * kMiB);
    }
  }
  EXPECT_EQ(body_.text.size(), kLength);
}

}  // namespace
}  // namespace vgerfs::server
