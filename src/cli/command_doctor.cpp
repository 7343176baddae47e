// doctor: looks at everything that has to be right for backups, and gives advice.
#include <sys/utsname.h>

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/diagnosis.h"

namespace vgerfs::cli {
namespace {

using Grade = Diagnosis::Grade;

std::string version_text() {
  struct ::utsname system {};
  if (::uname(&system) != 0) return VGERFS_VERSION;
  return fmt::format("{} on {} {} {}", VGERFS_VERSION, system.sysname, system.release,
                     system.machine);
}

std::string advice_of(const Error& error) {
  if (error.code() == ErrorCode::rollback)
    return "find out why before anything else: an old copy of the store, or a removal by hand. " +
           error.hint();
  return error.hint();
}

void diagnose(Diagnoses& found, Context& context) {
  found.push_back({"program", Grade::ok, version_text(), ""});
  try {
    // Else options and defaults count.
    const Configuration& configuration = context.configuration();
    found.push_back({"configuration", Grade::ok,
                     fmt::format("{} repositories, {} sources", configuration.repositories.size(),
                                 configuration.sources.size()),
                     ""});
    diagnose_machine(found, context.io, context.directories());
  } catch (const Error& error) {
    found.push_back({"configuration", Grade::error, error.message(), error.hint()});
    return;
  }
  try {
    context.repository_choice();
  } catch (const Error& error) {
    const bool chosen = context.options.repository.has_value();
    found.push_back(
        {"repository", chosen ? Grade::error : Grade::note, error.message(), error.hint()});
    return;
  }
  try {
    const auto repository = context.open_repository();
    found.push_back({"repository", Grade::ok,
                     fmt::format("opens with key {} ({})", repository->slot().short_hex(),
                                 repo::to_string(repository->keyring().role())),
                     ""});
    for (const std::string& warning : repository->warnings()) {
      found.push_back({"repository", Grade::warning, warning, ""});
    }
    diagnose_store(found, *repository);
    diagnose_repository(found, *repository, context.io);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) throw;
    const bool rollback = error.code() == ErrorCode::rollback;
    found.push_back(
        {rollback ? "rollback" : "repository", Grade::error, error.message(), advice_of(error)});
  }
}

ExitCode doctor(Context& context) {
  Diagnoses found;
  diagnose(found, context);
  Json diagnoses = Json::array();
  std::string text;
  Grade worst = Grade::ok;
  for (const Diagnosis& each : found) {
    worst = std::max(worst, each.grade);
    text +=
        fmt::format("{:<8} {:<14} {}\n", to_string(each.grade), each.subject, printable(each.text));
    if (!each.advice.empty()) text += fmt::format("{:24}{}\n", "", printable(each.advice));
    diagnoses.push_back({{"subject", each.subject},
                         {"grade", to_string(each.grade)},
                         {"what", each.text},
                         {"advice", each.advice}});
  }
  context.output.result(text);
  context.output.json(diagnoses);
  switch (worst) {
    case Grade::ok:
    case Grade::note: return ExitCode::ok;
    case Grade::warning: return ExitCode::partial;
    case Grade::error: return ExitCode::failed;
  }
  return ExitCode::failed;
}

}  // namespace

Run add_doctor(CLI::App&) {
  return [](Context& context) { return doctor(context); };
}

}  // namespace vgerfs::cli
