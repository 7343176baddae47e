// Keyrings for tests: one repository, keys that are the same in every run.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "repo/keyring.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {

inline constexpr std::int64_t kTestTime = 1'800'000'000;

inline std::unique_ptr<Keyring> full_keyring(std::uint64_t seed = 1) {
  testing::FixedRandom random{seed};
  return Keyring::generate(random, "full", kTestTime);
}

/// Another keyring of the same repository; its author is made from `seed`.
inline std::unique_ptr<Keyring> other_keyring(const Keyring& full, Role role,
                                              std::vector<std::string> hosts, std::uint64_t seed) {
  testing::FixedRandom random{seed};
  const Certificate wanted{.author = {},
                           .role = role,
                           .label = "other",
                           .hosts = std::move(hosts),
                           .created_s = kTestTime};
  return Keyring::from_bundle(full.make_bundle(wanted, random).view());
}

inline std::unique_ptr<Keyring> ingest_keyring(const Keyring& full, std::string host = "alpha",
                                               std::uint64_t seed = 2) {
  return other_keyring(full, Role::ingest, {std::move(host)}, seed);
}

}  // namespace vgerfs::repo
