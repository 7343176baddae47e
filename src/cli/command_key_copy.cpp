// key export, key import: the stored bytes of a key slot in a file, in case the repository loses
// them. They are as secret there as in the repository: the passphrase or key file opens them.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/key_choice.h"
#include "cli/location.h"
#include "cli/repository_access.h"
#include "repo/key_slots.h"
#include "repo/limits.h"

namespace vgerfs::cli {
namespace {

ExitCode export_key(Context& context, const std::string& file) {
  const auto repository = context.open_repository();
  const Bytes slot = backends::read_object(
      repository->backend(), format::slot_name(repository->slot()), repo::kMaxSlotBytes);
  const repo::SlotDescription described =
      repo::describe_slot(repository->slot(), slot, repository->keyring());
  const std::string path = absolute_path(file, working_directory());
  create_private_file(path, slot);
  context.output.line(
      fmt::format("key {} written to {}", described.id.short_hex(), printable(path)));
  context.output.line(described.kind == repo::SlotKind::passphrase
                          ? "it opens with the passphrase in use, also when that is changed later"
                          : "it opens with the key file in use: keep a copy of that, too");
  Json document = slot_json(described, true);
  set_bytes(document, "path", path);
  context.output.json(document);
  return ExitCode::ok;
}

ExitCode import_key(Context& context, const std::string& file) {
  const RepositoryChoice choice = context.repository_choice();
  const auto backend = open_store(choice.location, context.remote_options(choice));
  const std::string path = absolute_path(file, working_directory());
  const Bytes slot = read_whole_file(path, repo::kMaxSlotBytes);
  const repo::Credential credential = to_credential(find_secret(
      context.options.secret, choice.encryption, Prompt::once, "the key in " + path, context.io));
  try {
    const SlotId id = repo::restore_slot(*backend, slot, credential);
    context.output.line(fmt::format("key {} is in the repository", id.short_hex()));
    context.output.json({{"id", id.hex()}});
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
  return ExitCode::ok;
}

}  // namespace

Run add_key_export(CLI::App& app) {
  auto file = std::make_shared<std::string>();
  app.add_option("FILE", *file, "A new file")->type_name("")->required();
  return [file](Context& context) { return export_key(context, *file); };
}

Run add_key_import(CLI::App& app) {
  auto file = std::make_shared<std::string>();
  app.add_option("FILE", *file, "What export wrote")->type_name("")->required();
  return [file](Context& context) { return import_key(context, *file); };
}

}  // namespace vgerfs::cli
