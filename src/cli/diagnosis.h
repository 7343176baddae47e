// What doctor looks at, and what it says of it.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace vgerfs::cli {

struct Diagnosis {
  enum class Grade {
    ok,
    note,     ///< worth knowing
    warning,  ///< something does not work, or not safely
    error,    ///< backups or restores do not work
  };
  std::string subject;  // "clock", "fuse", … stable, for --json
  Grade grade = Grade::ok;
  std::string text;
  std::string advice;
};
std::string_view to_string(Diagnosis::Grade grade) noexcept;

using Diagnoses = std::vector<Diagnosis>;

/// Clock, limits, the client's directories, FUSE and its helpers. `directories`: cache and state.
void diagnose_machine(Diagnoses& found, const Io& io, const repo::ClientDirectories& directories);
/// The store: its file system, space, who may write there.
void diagnose_store(Diagnoses& found, repo::Repository& repository);
/// What the repository shows: leases, records and snapshots that cannot be read, times.
void diagnose_repository(Diagnoses& found, repo::Repository& repository, const Io& io);

}  // namespace vgerfs::cli
