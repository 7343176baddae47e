#include "repo/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fixed_random.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using testing::FixedRandom;
using testing::random_bytes;

class JournalFile : public ::testing::Test {
 protected:
  std::unique_ptr<Journal> create() { return Journal::create(path_, keys()); }
  std::unique_ptr<Journal> open(std::vector<std::string>& payloads) {
    payloads.clear();
    return Journal::open(path_, keys(),
                         [&](ByteView payload) { payloads.emplace_back(text_of(payload)); });
  }
  JournalKeys keys() { return {key_, repository_, *random_}; }
  ErrorCode failure_of_open() {
    std::vector<std::string> payloads;
    try {
      open(payloads);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "opened a damaged journal";
    return ErrorCode::usage;
  }
  Bytes content() { return read_whole_file(path_, std::size_t{1} << 30); }
  void overwrite(ByteView bytes) {
    const Fd fd = open_file(path_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_all(fd.get(), bytes, path_);
  }

  testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "journal";
  crypto::Secret key_{ByteView{random_bytes(1, 32)}};
  RepositoryId repository_{};
  FixedRandom fixed_{2};
  crypto::Random* random_ = &fixed_;
};

TEST_F(JournalFile, GivesBackWholeTransactionsInOrder) {
  std::vector<std::string> payloads;
  EXPECT_EQ(open(payloads), nullptr);
  {
    auto journal = create();
    journal->add(bytes_of("one"));
    EXPECT_FALSE(Journal::exists(path_)) << "nothing is there before the first commit";
    journal->add(bytes_of("two"));
    journal->commit();
    journal->add(bytes_of("three"));
    journal->commit();
    journal->add(bytes_of("never committed"));
  }
  auto journal = open(payloads);
  ASSERT_TRUE(journal);
  EXPECT_EQ(payloads, (std::vector<std::string>{"one", "two", "", "three", ""}));
  journal->add(bytes_of("four"));
  journal->commit();
  journal = open(payloads);
  EXPECT_EQ(payloads, (std::vector<std::string>{"one", "two", "", "three", "", "four", ""}));
}

TEST_F(JournalFile, ReplacesAnOldOneOnlyWithItsFirstCommit) {
  auto old = create();
  old->add(bytes_of("old"));
  old->commit();
  std::vector<std::string> payloads;
  {
    auto next = create();
    next->add(bytes_of("new"));
  }
  open(payloads);
  EXPECT_EQ(payloads.front(), "old");
  auto next = create();
  next->add(bytes_of("new"));
  next->commit();
  open(payloads);
  EXPECT_EQ(payloads.front(), "new");
  Journal::remove(path_);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(JournalFile, RollsAFailedTransactionBack) {
  auto journal = create();
  journal->add(bytes_of("one"));
  journal->commit();
  journal->add(bytes_of("failed"));
  journal->rollback();
  journal->add(bytes_of("two"));
  journal->commit();
  std::vector<std::string> payloads;
  open(payloads);
  EXPECT_EQ(payloads, (std::vector<std::string>{"one", "", "two", ""}));
}

TEST_F(JournalFile, SurvivesTruncationAtEveryByte) {
  std::vector<std::uint64_t> ends;
  auto journal = create();
  for (int i = 0; i < 3; ++i) {
    journal->add(bytes_of("record " + std::to_string(i)));
    journal->add(bytes_of("and another"));
    journal->commit();
    ends.push_back(journal->bytes());
  }
  journal.reset();
  const Bytes whole = content();
  for (std::size_t size = ends[0]; size < whole.size(); ++size) {
    overwrite(ByteView{whole}.first(size));
    std::vector<std::string> payloads;
    const std::size_t expected = size >= ends[1] ? 2 : 1;
    auto again = open(payloads);
    ASSERT_TRUE(again);
    ASSERT_EQ(payloads.size(), 3 * expected) << "cut at " << size;
    again->add(bytes_of("more"));
    again->commit();
    open(payloads);
    ASSERT_EQ(payloads.size(), 3 * expected + 2) << "cut at " << size;
  }
  for (std::size_t size = 0; size < ends[0]; ++size) {
    overwrite(ByteView{whole}.first(size));
    ASSERT_EQ(failure_of_open(), ErrorCode::corrupt)
        << "cut at " << size << ": the first transaction was durable";
  }
}

TEST_F(JournalFile, RejectsAFlipAnywhere) {
  auto journal = create();
  std::uint64_t last_begins = 0;
  for (int i = 0; i < 3; ++i) {
    journal->add(bytes_of("record " + std::to_string(i)));
    last_begins = journal->bytes();
    journal->commit();
  }
  journal.reset();
  const Bytes whole = content();
  std::vector<std::string> payloads;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes flipped = whole;
    flipped[at] ^= std::byte{0x10};
    overwrite(flipped);
    bool accepted = false;
    try {
      open(payloads);
      accepted = true;
    } catch (const Error& error) {
      ASSERT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported);
    }
    if (!accepted) continue;
    // Padding is not content; and a last record whose length was hit looks like one that was never
    // finished.
    const bool in_last_length = at >= last_begins + 4 && at < last_begins + 8;
    ASSERT_TRUE(payloads.size() == 6 || in_last_length) << "flip at " << at;
  }
}

TEST_F(JournalFile, AcceptsAnEndOfBlocksThatWereNeverWritten) {
  auto journal = create();
  journal->add(bytes_of("one"));
  journal->commit();
  journal.reset();
  Bytes bytes = content();
  bytes.resize(bytes.size() + 8192);
  overwrite(bytes);
  std::vector<std::string> payloads;
  EXPECT_TRUE(open(payloads));
  EXPECT_EQ(payloads.size(), 2U);
}

TEST_F(JournalFile, BlocksThatWereNeverWrittenInsideTheLastTransactionAreItsEndOnly) {
  // A power cut while it was synced: the disk had taken its blocks in any order.
  auto journal = create();
  journal->add(bytes_of("durable"));
  journal->commit();
  const std::uint64_t begin = journal->bytes();
  for (std::uint64_t i = 0; i < 4; ++i) journal->add(random_bytes(i, 9000));
  journal->commit();
  const std::uint64_t end = journal->bytes();
  journal->add(bytes_of("of a later one"));
  journal->commit();
  journal.reset();
  const Bytes later = content();
  const Bytes last{later.begin(), later.begin() + static_cast<std::ptrdiff_t>(end)};
  constexpr std::uint64_t kBlock = 4096;
  std::vector<std::string> payloads;
  for (std::uint64_t at = begin; at < end; at = at / kBlock * kBlock + kBlock) {
    const auto hole = [&](Bytes bytes) {
      const std::uint64_t to = std::min(at / kBlock * kBlock + kBlock, end);
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                bytes.begin() + static_cast<std::ptrdiff_t>(to), std::byte{});
      return bytes;
    };
    overwrite(hole(last));
    ASSERT_TRUE(open(payloads)) << "at " << at;
    EXPECT_EQ(payloads, (std::vector<std::string>{"durable", ""}));
    overwrite(hole(later));
    EXPECT_EQ(failure_of_open(), ErrorCode::corrupt)
        << "at " << at << ": what came later says that it had been durable";
  }
}

TEST_F(JournalFile, RejectsRecordsOfAnotherJournalKeyOrRepository) {
  auto journal = create();
  journal->add(bytes_of("one"));
  journal->commit();
  journal.reset();
  const Bytes first = content();
  journal = create();
  journal->add(bytes_of("one"));
  journal->commit();
  journal.reset();
  Bytes spliced = content();
  std::copy(first.begin() + 32, first.end(), spliced.begin() + 32);
  overwrite(spliced);
  EXPECT_EQ(failure_of_open(), ErrorCode::corrupt);
  overwrite(first);
  std::array<std::byte, 32> other{};
  other[0] = std::byte{1};
  repository_ = RepositoryId{other};
  EXPECT_EQ(failure_of_open(), ErrorCode::corrupt);
}

TEST_F(JournalFile, NeverSealsTwoContentsUnderOneKey) {
  // The worst: a random source that repeats itself, and a journal that is copied back and continued
  // differently.
  auto constant = FixedRandom::constant(std::byte{9});
  random_ = &constant;
  std::set<Bytes> salts;
  auto journal = create();
  journal->add(bytes_of("the same beginning"));
  journal->commit();
  journal.reset();
  const Bytes begun = content();
  for (int i = 0; i < 10; ++i) {
    overwrite(begun);
    std::vector<std::string> payloads;
    journal = open(payloads);
    const std::uint64_t at = journal->bytes();
    journal->add(bytes_of("continued " + std::to_string(i)));
    journal->commit();
    journal.reset();
    const Bytes now = content();
    EXPECT_TRUE(salts
                    .insert({now.begin() + static_cast<std::ptrdiff_t>(at) + 16,
                             now.begin() + static_cast<std::ptrdiff_t>(at) + 48})
                    .second);
    EXPECT_EQ(text_of(now).find("continued"), std::string_view::npos) << "plaintext on disk";
  }
}

}  // namespace
}  // namespace vgerfs::repo
