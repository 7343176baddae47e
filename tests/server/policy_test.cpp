#include "server/policy.h"

#include <gtest/gtest.h>

namespace vgerfs::server {
namespace {

using format::ObjectType;

constexpr ObjectType kTypes[] = {ObjectType::config, ObjectType::key,      ObjectType::pack,
                                 ObjectType::index,  ObjectType::snapshot, ObjectType::lock};
constexpr Role kRoles[] = {Role::read, Role::append, Role::maintain, Role::admin};

Principal principal(Role role, std::string_view repositories = "repo") {
  return {.id = 1,
          .name = "somebody",
          .role = role,
          .repositories = *RepositoryPattern::parse(repositories)};
}

bool may(const Principal& who, const Deed& deed, bool append_only = false,
         std::string_view repository = "repo") {
  return !refusal(who, *RepositoryName::parse(repository), deed, append_only);
}

TEST(Policy, EveryRoleReadsEverythingInItsReachAndNothingElse) {
  for (const Role role : kRoles) {
    for (const ObjectType type : kTypes) {
      EXPECT_TRUE(may(principal(role), {.verb = Verb::read, .type = type}));
      for (const Verb verb : {Verb::read, Verb::create, Verb::add, Verb::remove}) {
        EXPECT_FALSE(
            may(principal(role), {.verb = verb, .type = type, .is_own = true}, false, "other"));
      }
    }
  }
}

TEST(Policy, AReaderChangesNothing) {
  for (const ObjectType type : kTypes) {
    for (const Verb verb : {Verb::create, Verb::add, Verb::remove}) {
      EXPECT_FALSE(may(principal(Role::read), {.verb = verb, .type = type, .is_own = true}));
    }
  }
}

TEST(Policy, OnlyMaintainersHavePacksCompacted) {
  const Deed deed{.verb = Verb::compact, .type = ObjectType::pack};
  for (const Role role : kRoles) {
    EXPECT_EQ(may(principal(role), deed), role >= Role::maintain) << to_string(role);
    EXPECT_EQ(may(principal(role), deed, true), role >= Role::maintain) << "it removes nothing";
    EXPECT_FALSE(may(principal(role), deed, false, "other"));
  }
}

TEST(Policy, AnAppenderRemovesItsOwnLocksAndNothingElse) {
  for (const ObjectType type : kTypes) {
    EXPECT_TRUE(may(principal(Role::append), {.verb = Verb::add, .type = type}));
    EXPECT_FALSE(may(principal(Role::append), {.verb = Verb::remove, .type = type}));
    EXPECT_EQ(may(principal(Role::append), {.verb = Verb::remove, .type = type, .is_own = true}),
              type == ObjectType::lock);
  }
}

TEST(Policy, AnAppenderCreatesOnlyWhatItsTokenNames) {
  EXPECT_TRUE(may(principal(Role::append), {.verb = Verb::create}));
  EXPECT_FALSE(may(principal(Role::append, "*"), {.verb = Verb::create}));
  EXPECT_TRUE(may(principal(Role::maintain, "*"), {.verb = Verb::create}));
}

TEST(Policy, MaintainersRemoveAllButTheConfig) {
  for (const ObjectType type : kTypes) {
    EXPECT_EQ(may(principal(Role::maintain), {.verb = Verb::remove, .type = type}),
              type != ObjectType::config);
    EXPECT_TRUE(may(principal(Role::admin), {.verb = Verb::remove, .type = type}));
  }
}

TEST(Policy, InAppendOnlyModeNobodyRemovesButHisOwnLocks) {
  for (const Role role : {Role::append, Role::maintain, Role::admin}) {
    for (const ObjectType type : kTypes) {
      EXPECT_TRUE(may(principal(role), {.verb = Verb::add, .type = type}, true));
      EXPECT_FALSE(may(principal(role), {.verb = Verb::remove, .type = type}, true));
      EXPECT_EQ(may(principal(role), {.verb = Verb::remove, .type = type, .is_own = true}, true),
                type == ObjectType::lock);
    }
  }
}

}  // namespace
}  // namespace vgerfs::server
