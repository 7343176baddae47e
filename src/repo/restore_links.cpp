#include "repo/restore_links.h"

#include <utility>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

Sha256Digest digest_of(Entry entry) {
  entry.clear_name();
  return sha256(bytes_of(entry.SerializeAsString()));
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? std::string{} : path.substr(0, slash);
}

}  // namespace

bool RestoreLinks::is_first_name(RestoreTask& task) {
  const Sha256Digest digest = digest_of(task.entry);
  const auto [place, is_new] = groups_.try_emplace(task.entry.link_group());
  Group& group = place->second;
  if (!is_new && group.digest != digest) {
    // Not what the other names are: numbers may collide. It is restored by itself.
    task.entry.clear_link_group();
    return true;
  }
  if (is_new) {
    group.digest = digest;
    if (task.entry.link_count() > 0) group.names_left = task.entry.link_count() - 1;
  } else if (group.names_left.value_or(0) > 0) {
    --*group.names_left;
  }
  switch (is_new ? Group::State::failed : group.state) {
    case Group::State::under_way:
      task.directory.reset();  // many may wait
      group.waiting.push_back(std::move(task));
      return false;
    case Group::State::failed:
      group.state = Group::State::under_way;
      group.first_path = task.path;
      return true;
    case Group::State::made: link(task, group); break;
    case Group::State::skipped: directories_.done(task); break;
  }
  if (group.is_over()) groups_.erase(place);
  return false;
}

void RestoreLinks::link(const RestoreTask& task, const Group& group) {
  try {
    const auto first = directories_.find(parent_of(group.first_path));
    const auto directory = directories_.find(parent_of(task.path));
    const std::string first_name = group.first_path.substr(group.first_path.rfind('/') + 1);
    RestoreAction action = RestoreAction::create;
    if (first && directory) {
      action = restorer_.link(directory->get(), task.entry.name(), first->get(), first_name,
                              group.first);
    }
    report_.made(action, task.path, task.entry);
  } catch (const FileError& error) {
    report_.failed(task.path, error);
  }
  directories_.done(task);
}

void RestoreLinks::finish(std::uint64_t number, Outcome outcome, const FileRestorer::Made& made) {
  const auto place = groups_.find(number);
  VGERFS_CHECK(place != groups_.end());
  Group& group = place->second;
  group.first = made;
  switch (outcome) {
    case Outcome::made: group.state = Group::State::made; break;
    case Outcome::skipped: group.state = Group::State::skipped; break;
    case Outcome::failed: group.state = Group::State::failed; break;
  }
  std::vector<RestoreTask> waiting = std::exchange(group.waiting, {});
  for (RestoreTask& task : waiting) {
    switch (group.state) {
      case Group::State::made: link(task, group); break;
      case Group::State::skipped: directories_.done(task); break;
      case Group::State::under_way: group.waiting.push_back(std::move(task)); break;
      case Group::State::failed: make_instead(std::move(task), group); break;
    }
  }
  if (group.is_over()) groups_.erase(place);
}

void RestoreLinks::make_instead(RestoreTask task, Group& group) {
  try {
    task.directory = directories_.find(parent_of(task.path));
  } catch (const FileError& error) {
    report_.failed(task.path, error);
    directories_.done(task);
    return;
  }
  group.state = Group::State::under_way;
  group.first_path = task.path;
  make_(std::move(task));
}

}  // namespace vgerfs::repo
