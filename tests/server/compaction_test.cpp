#include "server/compaction.h"

#include <fcntl.h>

#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "compaction_world.h"
#include "server/pack_file.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

using format::PackKind;

class CompactionTest : public ::testing::Test {
 protected:
  CompactionTest() {
    for (const TestPack* pack : {&one_, &two_}) put(repository_, *pack);
    put(repository_, meta_);
  }

  /// Directory, database, quota and uploads agree.
  void expect_consistent(const Repository& repository) {
    const auto there = world_.in_directory(repository);
    EXPECT_EQ(world_.listed(repository), there);
    std::uint64_t bytes = 0;
    for (const auto& [name, size] : there) bytes += size;
    EXPECT_EQ(world_.ledger->used_by_repository(repository.id), bytes);
    EXPECT_EQ(world_.ledger->reserved(), 0U);
    EXPECT_EQ(world_.files_in(world_.directory.uploads()), 0U);
  }

  /// Neither by this plan nor by a part of it anything comes to be.
  void expect_refused(const std::string& plan, int status) {
    const auto before = world_.in_directory(repository_);
    EXPECT_EQ(status_of(repository_, plan), status) << plan.substr(0, 300);
    EXPECT_EQ(world_.in_directory(repository_), before);
    expect_consistent(repository_);
  }
  /// A plan of a good pack and one of these sources.
  std::string with(std::vector<json> sources) {
    return plan_of({new_pack_of(test_header(90), {source_of(two_, {run_of(two_, 0)})}),
                    new_pack_of(test_header(91), std::move(sources))});
  }

  /// Writes into the file behind the server's back.
  void damage(const TestPack& pack, std::uint64_t offset, std::byte change = std::byte{1}) {
    const std::string path = directory_ / "data/repo/" + format::pack_name(pack.id()).path();
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    const Fd file = open_file(path, O_WRONLY);
    const Bytes bytes{pack.bytes[offset] ^ change};
    write_all_at(file.get(), bytes, offset, path);
  }

  Reply compact(const Repository& repository, const std::string& text) {
    return compactor_.compact({.repository = repository,
                               .principal = world_.principal,
                               .limits = world_.limits,
                               .max_pack_bytes = max_pack_bytes_},
                              text);
  }
  /// 200, or the status of the refusal.
  int status_of(const Repository& repository, const std::string& text) {
    try {
      return compact(repository, text).status;
    } catch (const HttpError& refused) {
      return refused.status();
    } catch (const Error& error) {
      return http_status(error.code());
    }
  }
  void put(const Repository& repository, const TestPack& pack) {
    world_.put(repository, text_of(pack.bytes));
  }

  vgerfs::testing::TemporaryDirectory directory_;
  StoreWorld world_{directory_ / "data"};
  EventLog log_{-1, LogFormat::json_lines, world_.clock};
  Compactor compactor_{
      {.store = *world_.store, .ledger = *world_.ledger, .log = log_, .clock = world_.clock}};
  std::uint64_t max_pack_bytes_ = format::kMaxPackBytes;
  Repository repository_ = world_.repository();
  // Larger than what is read at a time, and not a multiple of it.
  const TestPack one_ = random_pack(1, {300, 400, 3'000'001, 300, 2'000'000, 500});
  const TestPack two_ = random_pack(2, {1000, 700});
  const TestPack meta_ = random_pack(3, {600}, PackKind::metadata);
  const std::string good_ =
      plan_of({new_pack_of(test_header(50), {source_of(one_, {run_of(one_, 1, 2), run_of(one_, 4)}),
                                             source_of(two_, {run_of(two_, 1)})}),
               new_pack_of(test_header(51), {source_of(two_, {run_of(two_, 0)})})});
  const TestPack made_one_ =
      pack_of(test_header(50), {one_.block(1), one_.block(2), one_.block(4), two_.block(1)});
  const TestPack made_two_ = pack_of(test_header(51), {two_.block(0)});
};

TEST_F(CompactionTest, MakesPacksOfTheBlocksThatThePlanNames) {
  const Reply reply = compact(repository_, good_);
  EXPECT_EQ(reply.status, 200);
  const json answer = json::parse(reply.text);
  EXPECT_EQ(answer, (json{{"packs",
                           {{{"id", made_one_.id().hex()}, {"bytes", made_one_.bytes.size()}},
                            {{"id", made_two_.id().hex()}, {"bytes", made_two_.bytes.size()}}}},
                          {"damaged", json::array()}}));
  EXPECT_EQ(stored(world_, repository_, made_one_.id()), made_one_.bytes);
  EXPECT_EQ(stored(world_, repository_, made_two_.id()), made_two_.bytes);
  EXPECT_EQ(stored(world_, repository_, one_.id()), one_.bytes) << "sources stay";
  EXPECT_TRUE(
      world_.store->is_own(repository_, format::pack_name(made_one_.id()), world_.principal));
  expect_consistent(repository_);
}

TEST_F(CompactionTest, TheSameOperationAgainGetsTheSameAnswerAndMakesNothing) {
  const std::string first = compact(repository_, good_).text;
  world_.store->remove(repository_, format::pack_name(made_one_.id()), world_.principal);
  EXPECT_EQ(compact(repository_, good_).text, first);
  EXPECT_TRUE(stored(world_, repository_, made_one_.id()).empty())
      << "a replayed request brings nothing back";
  expect_consistent(repository_);
}

TEST_F(CompactionTest, AnotherPlanUnderAnOldOperationIsRefused) {
  ASSERT_EQ(status_of(repository_, good_), 200);
  expect_refused(plan_of({new_pack_of(test_header(60), {source_of(two_, {run_of(two_, 1)})})}),
                 409);
}

TEST_F(CompactionTest, AnOperationOfAnotherRepositoryIsAnotherOne) {
  const Repository other = world_.repository("other");
  put(other, two_);
  ASSERT_EQ(status_of(repository_, good_), 200);
  EXPECT_EQ(
      status_of(other,
                plan_of({new_pack_of(test_header(60), {source_of(two_, {run_of(two_, 1)})})})),
      200);
}

TEST_F(CompactionTest, AnOperationThatWasCutShortMakesTheSamePacks) {
  // As after a crash: one pack was made, and no answer is kept.
  put(repository_, made_one_);
  EXPECT_EQ(status_of(repository_, good_), 200);
  EXPECT_EQ(world_.in_directory(repository_).size(), 5U);
  expect_consistent(repository_);
}

TEST_F(CompactionTest, AnswersAreForgottenAfterAWhile) {
  const std::int64_t now = world_.clock.now().s;
  ASSERT_EQ(status_of(repository_, good_), 200);
  const std::string other =
      plan_of({new_pack_of(test_header(60), {source_of(two_, {run_of(two_, 1)})})});
  world_.store->forget_operations_before(now);
  EXPECT_EQ(status_of(repository_, other), 409);
  world_.store->forget_operations_before(now + 1);
  EXPECT_EQ(status_of(repository_, other), 200);
}

TEST_F(CompactionTest, RefusesRangesThatAreNotWholeBlocks) {
  const auto run = [&](std::int64_t from, std::int64_t to) {
    const auto begin = static_cast<std::int64_t>(one_.offset(1)) + from;
    return json::array({begin, static_cast<std::int64_t>(one_.offset(3)) + to - begin});
  };
  EXPECT_EQ(status_of(repository_, with({source_of(one_, {run(0, 0)})})), 200);
  for (const auto& [from, to] : {std::pair{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {300, 0}, {0, 299}}) {
    expect_refused(with({source_of(one_, {run(from, to)})}).replace(14, 32, std::string(32, 'b')),
                   422);
  }
}

TEST_F(CompactionTest, RefusesWhatLiesBehindTheBlocks) {
  const std::uint64_t table = one_.offset(6);
  expect_refused(with({source_of(one_, {json::array({table, 300})})}), 422);
  expect_refused(with({source_of(one_, {json::array({one_.offset(5), 500 + 6 * 4})})}), 422);
  expect_refused(with({source_of(one_, {json::array({one_.bytes.size() + 10, 300})})}), 422);
  expect_refused(with({source_of(one_, {json::array({0, 32 + 300})})}), 400);
}

TEST_F(CompactionTest, RefusesABlockThatIsTakenTwice) {
  const json block = source_of(one_, {run_of(one_, 1)});
  expect_refused(with({block, block}), 422);
  expect_refused(with({source_of(one_, {run_of(one_, 0, 2)}), block}), 422);
  expect_refused(with({source_of(two_, {run_of(two_, 0)})}), 422);  // in two packs
  expect_refused(with({source_of(one_, {run_of(one_, 1), run_of(one_, 1)})}), 400);
  expect_refused(with({source_of(one_, {run_of(one_, 1), run_of(one_, 0)})}), 400);
}

TEST_F(CompactionTest, RefusesSourcesThatAreNotInTheRepository) {
  const Repository other = world_.repository("other");
  const TestPack foreign = random_pack(70, {500});
  put(other, foreign);
  expect_refused(with({source_of(foreign, {run_of(foreign, 0)})}), 422);
}

TEST_F(CompactionTest, RefusesBlocksOfAnotherKind) {
  expect_refused(with({source_of(meta_, {run_of(meta_, 0)})}), 422);
}

TEST_F(CompactionTest, RefusesPacksThatAreTooLarge) {
  max_pack_bytes_ = made_one_.bytes.size() - 1;
  expect_refused(good_, 422);
  max_pack_bytes_ = made_one_.bytes.size();
  EXPECT_EQ(status_of(repository_, good_), 200);
}

TEST_F(CompactionTest, ADamagedSourceIsNamedAndWhatNeedsItIsNotMade) {
  const std::map<std::string, std::uint64_t> places{
      {"a block that is taken", one_.offset(2) + 2'000'000},
      {"a block that is not", one_.offset(0) + 1},
      {"the table", one_.offset(6) + 5},
      {"the trailer", one_.bytes.size() - 1},
      {"the header", 3},
      {"the header's random part", 20}};
  char operation = 'a';
  for (const auto& [place, offset] : places) {
    SCOPED_TRACE(place);
    damage(one_, offset);
    std::string plan = good_;
    plan.replace(plan.find(std::string(32, 'a')), 32, 32, operation++);
    const json answer = json::parse(compact(repository_, plan).text);
    EXPECT_EQ(answer["packs"][0], nullptr);
    EXPECT_EQ(answer["packs"][1]["id"], made_two_.id().hex());
    EXPECT_EQ(answer["damaged"], json::array({one_.id().hex()}));
    EXPECT_TRUE(stored(world_, repository_, made_one_.id()).empty());
    expect_consistent(repository_);
    damage(one_, offset, std::byte{0});
  }
}

TEST_F(CompactionTest, ATruncatedSourceIsDamaged) {
  std::filesystem::resize_file(directory_ / "data/repo/" + format::pack_name(one_.id()).path(),
                               one_.bytes.size() - 10);
  const json answer = json::parse(compact(repository_, good_).text);
  EXPECT_EQ(answer["packs"][0], nullptr);
  EXPECT_EQ(answer["damaged"], json::array({one_.id().hex()}));
}

TEST_F(CompactionTest, TheQuotaHoldsForAllOfThePlanBeforeAnythingIsMade) {
  std::uint64_t used = world_.ledger->used_by_repository(repository_.id);
  const std::uint64_t needed = made_one_.bytes.size() + made_two_.bytes.size();
  world_.limits.repository_bytes = used + needed - 1;
  expect_refused(good_, 507);
  world_.limits.repository_bytes = used + needed;
  EXPECT_EQ(status_of(repository_, good_), 200);
  expect_consistent(repository_);
}

TEST_F(CompactionTest, OneAtATimeOfARepositoryAndAFewOfAll) {
  // The ledger asks for the free space in the middle of the work.
  const Repository other = world_.repository("other");
  const Repository third = world_.repository("third");
  for (const Repository& repository : {other, third}) put(repository, two_);
  const std::string plan =
      plan_of({new_pack_of(test_header(60), {source_of(two_, {run_of(two_, 1)})})});
  int same = 0;
  int another = 0;
  int too_many = 0;
  world_.limits.min_free_bytes = 1;
  world_.on_free_bytes = [&] {
    world_.on_free_bytes = [&] {
      world_.on_free_bytes = nullptr;
      too_many = status_of(third, plan);
    };
    same = status_of(repository_, good_);
    another = status_of(other, plan);
  };
  EXPECT_EQ(status_of(repository_, good_), 200);
  EXPECT_EQ(same, 503);
  EXPECT_EQ(another, 200);
  EXPECT_EQ(too_many, 503);
  EXPECT_EQ(status_of(third, plan), 200) << "a turn that is over is given back";
}

TEST_F(CompactionTest, APackFileTellsWholeBlocks) {
  const auto object = world_.store->open(repository_, format::pack_name(two_.id()));
  const PackFile file{*object};
  EXPECT_EQ(file.block_bytes({{32, 1000}, {1032, 700}}), (std::vector<std::uint32_t>{1000, 700}));
  EXPECT_EQ(file.block_bytes({{32, 1700}}), (std::vector<std::uint32_t>{1000, 700}));
  EXPECT_EQ(file.block_bytes({{1032, 701}}), std::nullopt);
  EXPECT_EQ(file.block_bytes({{1732, 300}}), std::nullopt);
}

}  // namespace
}  // namespace vgerfs::server
