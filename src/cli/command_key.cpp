// key list, key add, key remove
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/key_choice.h"
#include "cli/location.h"
#include "cli/new_secret.h"
#include "cli/repository_access.h"
#include "repo/key_slots.h"
#include "repo/required_features.h"

namespace vgerfs::cli {
namespace {

using repo::Role;
using repo::SlotDescription;

struct AddOptions {
  std::string role = "full";
  std::vector<std::string> hosts;
  std::string label;
  SecretOptions secret;
  std::optional<std::string> new_key_file;
};

struct RemoveOptions {
  std::string slot;
  bool force = false;
};

ExitCode list_keys(Context& context) {
  const auto repository = context.open_repository();
  const repo::SlotList found = repo::read_slots(*repository);
  Table table{{{"ID"}, {"KIND"}, {"ROLE"}, {"LABEL"}, {"HOSTS"}, {"CREATED"}}};
  Json document = Json::array();
  for (const SlotDescription& slot : found.slots) {
    const bool current = slot.id == repository->slot();
    document.push_back(slot_json(slot, current));
    const bool any_host = slot.certificate.role == Role::full;
    table.add({slot.id.short_hex() + (current ? " *" : ""), std::string{kind_name(slot.kind)},
               std::string{repo::to_string(slot.certificate.role)},
               printable(slot.certificate.label),
               any_host ? "any" : fmt::format("{}", fmt::join(slot.certificate.hosts, ",")),
               iso_time({slot.created_s, 0})});
  }
  context.output.result(table.text());
  context.output.json(document);
  for (const auto& [id, reason] : found.unreadable) {
    context.output.warning(fmt::format("key slot {}: {}", id.short_hex(), reason));
  }
  return found.unreadable.empty() ? ExitCode::ok : ExitCode::corrupt;
}

ExitCode add_key(Context& context, const AddOptions& options) {
  const Role role = options.role == "ingest" ? Role::ingest : Role::full;
  if (role == Role::full && !options.hosts.empty()) {
    throw Error{ErrorCode::usage,
                "a key of role full may write for every host: --host is for --role ingest"};
  }
  if (options.new_key_file && options.secret.any()) {
    throw Error{ErrorCode::usage, "--new-key-file makes the new secret: give no other one"};
  }
  const auto repository = context.open_repository();
  if (repository->keyring().role() != Role::full) {
    throw Error{ErrorCode::denied, "this key may not add keys",
                "use a passphrase or key file of role full"};
  }
  repo::require_features(*repository, repo::Work::maintain);
  repo::Certificate wanted;
  wanted.role = role;
  wanted.created_s = context.io.clock->now().s;
  if (role == Role::ingest) {
    wanted.hosts = options.hosts.empty() ? std::vector<std::string>{context.host()} : options.hosts;
  }
  wanted.label = !options.label.empty() ? options.label
                 : role == Role::ingest ? wanted.hosts.front()
                                        : "added";
  crypto::Random& random = *repository->options().random;
  const crypto::Secret bundle = repository->keyring().make_bundle(wanted, random);
  // The bundle first: it refuses what may not be, before a file is made or a question asked.
  const repo::Credential credential =
      options.new_key_file
          ? create_key_file(absolute_path(*options.new_key_file, working_directory()), random)
          : new_credential(context, options.secret, "the new key");
  const SlotDescription made = repo::add_slot(*repository, bundle, credential);
  context.output.line(fmt::format("key {} of role {} added", made.id.short_hex(), options.role));
  context.output.json(slot_json(made, false));
  return ExitCode::ok;
}

ExitCode remove_key(Context& context, const RemoveOptions& options) {
  const auto repository = context.open_repository();
  if (repository->keyring().role() != Role::full) {
    throw Error{ErrorCode::denied, "this key may not remove keys",
                "use a passphrase or key file of role full"};
  }
  repo::require_features(*repository, repo::Work::maintain);
  const repo::SlotList found = repo::read_slots(*repository);
  const SlotDescription& slot = choose_slot(found, options.slot);
  const auto full =
      std::count_if(found.slots.begin(), found.slots.end(),
                    [](const SlotDescription& s) { return s.certificate.role == Role::full; });
  if (slot.certificate.role == Role::full && full == 1) {
    throw Error{ErrorCode::usage,
                "this is the last key of role full: without it nobody can read the repository",
                "add another one first: vgerfs-admin key add"};
  }
  if (slot.id == repository->slot() && !options.force) {
    throw Error{ErrorCode::usage, "this is the key that you are using",
                "use another one, or --force"};
  }
  repository->backend().remove(format::slot_name(slot.id));
  context.output.line(
      fmt::format("key {} ({}) removed", slot.id.short_hex(), printable(slot.certificate.label)));
  context.output.line(
      slot.certificate.role == Role::full
          ? "who has copied its slot and knows its secret still has all keys of the repository: if "
            "it leaked, make a new "
            "repository and back up into that"
          : "who has copied its slot and knows its secret can still write, unless it is revoked; "
            "it never could read");
  context.output.json(slot_json(slot, slot.id == repository->slot()));
  return ExitCode::ok;
}

}  // namespace

Run add_key_list(CLI::App&) { return list_keys; }

Run add_key_add(CLI::App& app) {
  auto options = std::make_shared<AddOptions>();
  app.add_option("--role", options->role, "full: everything; ingest: add snapshots, read nothing")
      ->capture_default_str()
      ->type_name("ROLE")
      ->check(CLI::IsMember({"full", "ingest"}));
  app.add_option("--host", options->hosts,
                 "Hosts that an ingest key may write for (default: this one)")
      ->type_name("NAME...");
  app.add_option("--label", options->label, "Name of the key (default: its first host)")
      ->type_name("TEXT");
  declare_new_passphrase(app, options->secret);
  app.add_option("--new-key-file", options->new_key_file, "Make a key file instead of a passphrase")
      ->type_name("FILE");
  return [options](Context& context) { return add_key(context, *options); };
}

Run add_key_remove(CLI::App& app) {
  auto options = std::make_shared<RemoveOptions>();
  app.add_option("ID", options->slot, "The key, as list shows it; the first digits do")
      ->type_name("")
      ->required();
  app.add_flag("--force", options->force, "Also the key in use");
  return [options](Context& context) { return remove_key(context, *options); };
}

}  // namespace vgerfs::cli
