// Hard links of a restore: the first name of an inode is made, the others are linked to it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/sha256.h"
#include "repo/file_restorer.h"
#include "repo/restore_directories.h"
#include "repo/restore_report.h"

namespace vgerfs::repo {

/// One thread.
class RestoreLinks {
 public:
  /// All must outlive it. `make` is given what must be made after all, since the first name failed.
  RestoreLinks(RestoreDirectories& directories, const FileRestorer& restorer, RestoreReport& report,
               std::function<void(RestoreTask)> make)
      : directories_(directories), restorer_(restorer), report_(report), make_(std::move(make)) {}

  /// Of an entry with a link group: true if it is to be made. Else it was linked and is done, or
  /// waits for the first name.
  bool is_first_name(RestoreTask& task);

  enum class Outcome { made, skipped, failed };
  /// What is_first_name let be made is made, or not. `group`: its number.
  void finish(std::uint64_t group, Outcome outcome, const FileRestorer::Made& made);

 private:
  struct Group {
    enum class State { under_way, made, skipped, failed };
    State state = State::under_way;
    Sha256Digest digest{};  // of what the names must agree in
    std::string first_path;
    FileRestorer::Made first;
    std::optional<std::uint32_t> names_left;  // to come, if the entry says how many there are
    std::vector<RestoreTask> waiting;

    bool is_over() const { return state != State::under_way && names_left == 0U; }
  };
  void link(const RestoreTask& task, const Group& group);
  /// The next one that waited, after the first has failed.
  void make_instead(RestoreTask task, Group& group);

  RestoreDirectories& directories_;
  const FileRestorer& restorer_;
  RestoreReport& report_;
  const std::function<void(RestoreTask)> make_;
  std::unordered_map<std::uint64_t, Group> groups_;
};

}  // namespace vgerfs::repo
