// key revoke: nothing counts any more that an ingest key signs; its slot goes.
#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/ids_json.h"
#include "cli/key_choice.h"
#include "repo/key_slots.h"
#include "repo/maintenance/revocation.h"

namespace vgerfs::cli {
namespace {

struct RevokeOptions {
  std::string key;
};

struct RevokedKey {
  repo::Certificate author;
  std::vector<SlotId> slots;
};

/// An author whose slot may be gone, by the first digits of its key; nullopt if no index record
/// names one.
std::optional<repo::Certificate> find_author(repo::Repository& repository,
                                             const std::string& prefix) {
  std::optional<repo::Certificate> author;
  for (const repo::IndexedRecord& record : repository.index().record_list()) {
    if (prefix.empty() || !to_hex(record.author).starts_with(prefix)) continue;
    if (author && author->author != record.author) {
      throw Error{ErrorCode::usage, fmt::format("'{}' names several authors", prefix),
                  "write more of it"};
    }
    author.emplace();
    author->author = record.author;
    author->role = record.role;
  }
  return author;
}

RevokedKey choose_revoked(repo::Repository& repository, const std::string& text) {
  const repo::SlotList found = repo::read_slots(repository);
  RevokedKey key;
  const bool is_slot = std::any_of(
      found.slots.begin(), found.slots.end(),
      [&](const repo::SlotDescription& slot) { return slot.id.hex().starts_with(text); });
  const auto author = is_slot ? std::nullopt : find_author(repository, text);
  key.author = author ? *author : choose_slot(found, text).certificate;
  for (const repo::SlotDescription& slot : found.slots) {
    if (slot.certificate.author == key.author.author) key.slots.push_back(slot.id);
  }
  return key;
}

ExitCode revoke_key(Context& context, const RevokeOptions& options) {
  const auto repository = context.open_readable_repository();
  const RevokedKey key = choose_revoked(*repository, options.key);
  check_interrupted(context.io);
  const repo::RevokedAuthor revoked = repo::revoke_author(*repository, key.author);
  // The slots last: until then the command can be said again.
  try {
    for (const SlotId& slot : key.slots) repository->backend().remove(format::slot_name(slot));
    repository->backend().barrier();
  } catch (Error& error) {
    error.add_context("the key is revoked, nothing that it writes counts any more; its slot stays");
    throw;
  }
  const std::string author = to_hex(key.author.author);
  context.output.line(
      fmt::format("{} {}; {} index records and {} snapshots that it had written still count",
                  author.substr(0, 12), revoked.was_revoked ? "was revoked already" : "revoked",
                  revoked.records, revoked.snapshots));
  context.output.line(
      "who has the key still knows what names chunks: it can test guesses at what is stored");
  context.output.json({{"author", author},
                       {"was_revoked", revoked.was_revoked},
                       {"records", revoked.records},
                       {"snapshots", revoked.snapshots},
                       {"removed_slots", ids_json(key.slots)}});
  return ExitCode::ok;
}

}  // namespace

Run add_key_revoke(CLI::App& app) {
  auto options = std::make_shared<RevokeOptions>();
  app.add_option("ID", options->key,
                 "The key, or if its slot is gone its author, as list --json shows them; the first "
                 "digits do")
      ->type_name("")
      ->required();
  return [options](Context& context) { return revoke_key(context, *options); };
}

}  // namespace vgerfs::cli
