#include "repo/key_slots.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/repository_fixture.h"

namespace vgerfs::repo {
namespace {

using testing::Call;
using testing::Fault;
using testing::TestRepository;

Credential new_key() {
  crypto::Secret key{32};
  key.mutable_view()[0] = std::byte{9};
  return KeyFile{std::move(key)};
}

bool opens(TestRepository& world, const Credential& credential) {
  try {
    world.open(credential, "probe");
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::wrong_key) << error.what();
    return false;
  }
}

TEST(KeySlots, AReplacedSlotHasTheSameAuthorAndTheOldCredentialIsOut) {
  TestRepository world;
  const auto repository = world.open(TestRepository::full_key(), "client");
  const SlotDescription made = replace_slot(*repository, new_key());
  EXPECT_EQ(made.certificate.author, repository->keyring().certificate().author);
  EXPECT_TRUE(opens(world, new_key()));
  EXPECT_FALSE(opens(world, TestRepository::full_key()));
}

TEST(KeySlots, WhateverCallFailsOneCredentialOpensTheRepository) {
  for (const Fault fault : {Fault::fail, Fault::lose_reply, Fault::kill, Fault::kill_after}) {
    bool completed = false;
    for (std::uint64_t nth = 1; !completed; ++nth) {
      ASSERT_LT(nth, 20U);
      TestRepository world;
      const auto repository = world.open(TestRepository::full_key(), "client");
      world.faulty().order({.fault = fault, .call = {}, .nth = nth, .times = 1, .type = {}});
      try {
        replace_slot(*repository, new_key());
        completed = true;
      } catch (const Error&) {
      } catch (const testing::Killed&) {
      }
      EXPECT_TRUE(opens(world, new_key()) || opens(world, TestRepository::full_key())) << nth;
    }
  }
}

TEST(KeySlots, ASlotThatDoesNotReadBackReplacesNothing) {
  TestRepository world;
  const auto repository = world.open(TestRepository::full_key(), "client");
  world.faulty().before_next(Call::read, [&] {
    for (const format::ObjectName& name : world.store().names(format::ObjectType::key)) {
      if (name == format::slot_name(repository->slot())) continue;
      Bytes bytes = *world.store().find(name)->bytes;
      bytes[120] ^= std::byte{1};
      world.store().overwrite(name, std::move(bytes));
    }
  });
  EXPECT_THROW(replace_slot(*repository, new_key()), Error);
  world.faulty().clear();
  EXPECT_TRUE(opens(world, TestRepository::full_key()));
}

}  // namespace
}  // namespace vgerfs::repo
