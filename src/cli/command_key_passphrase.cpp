// key passphrase: another passphrase for the key in use.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/key_choice.h"
#include "cli/new_secret.h"
#include "repo/key_slots.h"
#include "repo/required_features.h"

namespace vgerfs::cli {
namespace {

ExitCode change_passphrase(Context& context, const SecretOptions& secret) {
  const auto repository = context.open_repository();
  repo::require_features(*repository, repo::Work::maintain);
  const repo::SlotList found = repo::read_slots(*repository);
  const repo::SlotDescription& slot = choose_slot(found, repository->slot().hex());
  if (slot.kind != repo::SlotKind::passphrase) {
    throw Error{ErrorCode::usage,
                fmt::format("the key in use is a {}: it has no passphrase", kind_name(slot.kind)),
                "vgerfs-admin key add lets a passphrase in"};
  }
  const repo::Credential credential = new_credential(context, secret, "the key, from now on");
  check_interrupted(context.io);
  const repo::SlotDescription made = repo::replace_slot(*repository, credential);
  context.output.line(fmt::format("key {} has a new passphrase; its id is now {}",
                                  slot.id.short_hex(), made.id.short_hex()));
  context.output.line("copies of the old key slot still open with the old passphrase");
  context.output.json(slot_json(made, true));
  return ExitCode::ok;
}

}  // namespace

Run add_key_passphrase(CLI::App& app) {
  auto secret = std::make_shared<SecretOptions>();
  declare_new_passphrase(app, *secret);
  return [secret](Context& context) { return change_passphrase(context, *secret); };
}

}  // namespace vgerfs::cli
