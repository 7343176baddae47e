#include "repo/tree_assembler.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vgerfs::repo {

class TreeAssembler::Directory {
 public:
  Directory(ChunkSink& sink, const std::array<std::byte, 16>& split_key)
      : builder(sink, split_key) {}

  Place* place = nullptr;  // in the parent
  Entry entry;
  std::string path;
  Times times = Times::own;
  Timestamp newest;
  bool closed = false;
  DirectoryBuilder builder;
  std::deque<Place> places;  // elements stay where they are while others come and go at the ends
};

TreeAssembler::Place::Place(Directory& in) : directory(in) {}
TreeAssembler::Place::~Place() = default;

TreeAssembler::TreeAssembler(ChunkSink& sink, const std::array<std::byte, 16>& split_key,
                             Rejected rejected)
    : sink_(sink), split_key_(split_key), rejected_(std::move(rejected)) {}

TreeAssembler::~TreeAssembler() {
  // Not by recursion: an abandoned tree may be as deep as directories can be nested.
  std::vector<std::unique_ptr<Directory>> doomed;
  doomed.push_back(std::move(root_));
  while (!doomed.empty()) {
    const std::unique_ptr<Directory> directory = std::move(doomed.back());
    doomed.pop_back();
    if (!directory) continue;
    for (Place& place : directory->places) doomed.push_back(std::move(place.child));
  }
}

const std::string& TreeAssembler::path_of(const Directory& directory) { return directory.path; }

TreeAssembler::Directory& TreeAssembler::open(Directory* parent, Entry entry, std::string path,
                                              Times times) {
  auto directory = std::make_unique<Directory>(sink_, split_key_);
  directory->entry = std::move(entry);
  directory->path = std::move(path);
  directory->times = times;
  Directory& result = *directory;
  if (parent == nullptr) {
    VGERFS_CHECK(!root_ && !finished_);
    root_ = std::move(directory);
  } else {
    Place& place = take_place(*parent);
    result.place = &place;
    place.child = std::move(directory);
  }
  return result;
}

TreeAssembler::Place& TreeAssembler::take_place(Directory& directory) {
  VGERFS_CHECK(!directory.closed);
  ++pending_;
  return directory.places.emplace_back(directory);
}

void TreeAssembler::fill(Place& place, Entry entry) {
  VGERFS_CHECK(place.empty);
  place.entry = std::move(entry);
  place.empty = false;
  settle(&place.directory);
}

void TreeAssembler::drop(Place& place) {
  VGERFS_CHECK(place.empty);
  place.empty = false;
  place.dropped = true;
  settle(&place.directory);
}

void TreeAssembler::add(Directory& directory, Entry entry) {
  if (directory.places.empty()) {
    insert(directory, entry);
  } else {
    fill(take_place(directory), std::move(entry));
  }
}

void TreeAssembler::close(Directory& directory) {
  directory.closed = true;
  settle(&directory);
}

void TreeAssembler::insert(Directory& directory, const Entry& entry) {
  try {
    directory.builder.add(entry);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::usage) throw;
    rejected_(directory, entry.name(), error.message());
    return;
  }
  directory.newest = std::max(directory.newest, mtime_of(entry));
}

void TreeAssembler::settle(Directory* directory) {
  for (;;) {
    auto& places = directory->places;
    while (!places.empty() && !places.front().empty) {
      if (!places.front().dropped) insert(*directory, places.front().entry);
      places.pop_front();
      --pending_;
    }
    if (!directory->closed || !places.empty()) return;
    if (const auto subtree = directory->builder.finish())
      directory->entry.set_subtree(subtree->raw());
    if (directory->times == Times::newest_inside) {
      directory->entry.set_mtime_s(directory->newest.s);
      directory->entry.set_mtime_ns(directory->newest.ns);
      directory->entry.set_ctime_s(directory->newest.s);
      directory->entry.set_ctime_ns(directory->newest.ns);
    }
    Place* place = directory->place;
    if (place == nullptr) {
      finished_root_ = std::move(directory->entry);
      finished_ = true;
      return;
    }
    place->entry = std::move(directory->entry);
    place->empty = false;
    place->child.reset();  // `directory` is gone
    directory = &place->directory;
  }
}

Entry TreeAssembler::take_root() {
  VGERFS_CHECK(finished_ && pending_ == 0);
  return std::move(finished_root_);
}

}  // namespace vgerfs::repo
