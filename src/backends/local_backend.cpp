#include "backends/local_backend.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bitset>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "backends/file_content.h"
#include "backends/local_directory.h"
#include "backends/local_sweep.h"
#include "backends/parallel.h"
#include "backends/turn.h"
#include "base/clock.h"
#include "base/error.h"

namespace vgerfs::backends {
namespace {

using format::ObjectName;
using format::ObjectType;

constexpr mode_t kDirectoryMode = 0700;

/// What may refer to something comes after it.
constexpr ObjectType kPublishOrder[] = {ObjectType::lock, ObjectType::pack,     ObjectType::index,
                                        ObjectType::key,  ObjectType::snapshot, ObjectType::config};

std::size_t first_byte(const ObjectName& name) {
  return std::to_integer<std::size_t>(name.id.bytes()[0]);
}

class LocalBackend final : public Backend {
 public:
  LocalBackend(const std::string& path, LocalOptions options)
      : directory_(path),
        max_open_files_(options.max_open_files),
        nameless_(options.temporary == Temporary::nameless) {}

  void read(const ObjectName& name, std::uint64_t offset, MutableBytes out) override;
  void write(const ObjectName& name, ByteView bytes) override;
  void barrier() override;
  std::optional<ObjectInfo> stat(const ObjectName& name) override;
  void list(ObjectType type, const std::function<void(const ObjectInfo&)>& each) override {
    directory_.list_objects(type, each);
  }
  void remove(const ObjectName& name) override;
  Capabilities capabilities() const override {
    return {.store_clock = true, .local_directory = true};
  }
  std::string location() const override { return directory_.path(); }

 private:
  using PendingPtr = std::shared_ptr<PendingFile>;
  using Batch = std::vector<PendingPtr>;
  using Directories = std::set<std::string>;

  PendingPtr find_pending(const ObjectName& name) const;
  bool is_written(const ObjectName& name, ByteView bytes);
  PendingPtr create_pending(const ObjectName& name, ByteView bytes);
  void make_pack_directory(const ObjectName& name);
  void mark_directories(const ObjectName& name);
  void make_room();
  void make_durable(const PendingPtr& file);
  void publish(const Batch& batch, ObjectType type);
  /// Drops an own write that is not visible yet. True if the name belongs to another object.
  bool give_up(const ObjectName& name);
  bool is_same(const PendingFile& file, int stored) const;
  void lose(const PendingPtr& file, const Error& error);
  Error conflict(const ObjectName& name) const;

  const LocalDirectory directory_;
  const std::size_t max_open_files_;
  std::atomic<bool> nameless_;

  /// Of those who sync, park, publish or drop pending files.
  TurnQueue turns_;
  mutable std::mutex mutex_;  // a leaf: guards all below; never held across I/O
  std::map<ObjectName, PendingPtr> pending_;
  std::uint64_t publications_ = 0;  // how often entries of `pending_` have become visible objects
  std::deque<std::weak_ptr<PendingFile>> open_files_;  // oldest first; expired ones count until met
  std::map<ObjectName, Error> lost_;
  /// Directories in which names are not durable yet, by the type that they hold.
  std::map<ObjectType, Directories> unsynced_;
  /// Those data/xx whose own name is durable, or will be once `unsynced_` is synced.
  std::bitset<256> synced_pack_directories_;
};

Error LocalBackend::conflict(const ObjectName& name) const {
  return Error{ErrorCode::exists, directory_.full_path(name.path()) + " exists with other content"};
}

LocalBackend::PendingPtr LocalBackend::find_pending(const ObjectName& name) const {
  const std::lock_guard lock{mutex_};
  const auto found = pending_.find(name);
  return found == pending_.end() ? nullptr : found->second;
}

void LocalBackend::read(const ObjectName& name, std::uint64_t offset, MutableBytes out) {
  const std::string what = directory_.full_path(name.path());
  std::shared_ptr<const Fd> pending;
  if (const PendingPtr file = find_pending(name)) pending = file->open_for_reading();
  Fd stored;
  if (!pending) {
    stored = directory_.open_object(name);
    if (!stored) throw Error{ErrorCode::not_found, what + " does not exist"};
  }
  const std::size_t got = read_at(pending ? pending->get() : stored.get(), out, offset, what);
  if (got < out.size()) {
    throw Error{ErrorCode::corrupt, fmt::format("{} ends at byte {}; {} bytes were expected at {}",
                                                what, offset + got, out.size(), offset)};
  }
}

std::optional<ObjectInfo> LocalBackend::stat(const ObjectName& name) {
  if (const PendingPtr file = find_pending(name)) return file->info();
  return directory_.stat_object(name);
}

void LocalBackend::write(const ObjectName& name, ByteView bytes) {
  // A session begins with a lease and writes others while it lasts: often enough, and nobody who
  // only reads deletes anything.
  if (name.type == ObjectType::lock) sweep_when_due(directory_, system_clock().now());
  make_room();
  for (PendingPtr file;;) {
    std::uint64_t publications = 0;
    {
      const std::lock_guard lock{mutex_};
      publications = publications_;
    }
    if (is_written(name, bytes)) return;
    if (!file) file = create_pending(name, bytes);
    const std::lock_guard lock{mutex_};
    // Another thread may have written this name, or even published it, since we looked.
    if (publications_ == publications && pending_.try_emplace(name, file).second) {
      open_files_.push_back(file);
      lost_.erase(name);
      return;
    }
  }
}

bool LocalBackend::is_written(const ObjectName& name, ByteView bytes) {
  const std::string what = directory_.full_path(name.path());
  if (const PendingPtr file = find_pending(name)) {
    if (const std::shared_ptr<const Fd> fd = file->open_for_reading()) {
      if (!file_has_content(fd->get(), bytes, what)) throw conflict(name);
      return true;
    }
  }
  const Fd stored = directory_.open_object(name);
  if (!stored) return false;
  if (!file_has_content(stored.get(), bytes, what)) throw conflict(name);
  // Its writer may be another process that has not come to its barrier, or a copy without one.
  if (::fdatasync(stored.get()) != 0) throw directory_.failure(errno, "syncing", name.path());
  mark_directories(name);
  const std::lock_guard lock{mutex_};
  lost_.erase(name);
  return true;
}

LocalBackend::PendingPtr LocalBackend::create_pending(const ObjectName& name, ByteView bytes) {
  if (name.type == ObjectType::pack) make_pack_directory(name);
  if (nameless_.load(std::memory_order_relaxed)) {
    try {
      return std::make_shared<PendingFile>(directory_, name, bytes, Temporary::nameless);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      nameless_.store(false, std::memory_order_relaxed);
    }
  }
  return std::make_shared<PendingFile>(directory_, name, bytes, Temporary::named);
}

void LocalBackend::make_pack_directory(const ObjectName& name) {
  const std::string path = directory_of(name);
  if (::mkdirat(directory_.root_fd(), path.c_str(), kDirectoryMode) == 0) {
    const std::lock_guard lock{mutex_};
    synced_pack_directories_[first_byte(name)] = false;
  } else if (errno != EEXIST) {
    const int error_number = errno;
    directory_.check_present(ObjectType::pack);
    throw directory_.failure(error_number, "creating", path);
  }
  mark_directories(name);
}

void LocalBackend::mark_directories(const ObjectName& name) {
  const std::lock_guard lock{mutex_};
  Directories& unsynced = unsynced_[name.type];
  unsynced.insert(directory_of(name));
  if (name.type != ObjectType::pack) return;
  // Also when somebody else made data/ab: he may not have synced data/ yet.
  auto synced = synced_pack_directories_[first_byte(name)];
  if (!synced) unsynced.insert(std::string{format::directory_name(ObjectType::pack)});
  synced = true;
}

void LocalBackend::make_room() {
  const auto is_full = [&] {
    const std::lock_guard lock{mutex_};
    while (!open_files_.empty() && open_files_.front().expired()) open_files_.pop_front();
    return !open_files_.empty() && open_files_.size() >= max_open_files_;
  };
  if (!is_full()) return;
  const TurnQueue::Turn turn{turns_};
  while (is_full()) {
    Batch oldest;  // several at once share their waits for the disk
    {
      const std::lock_guard lock{mutex_};
      const std::size_t wanted = max_open_files_ / 8 + 1;
      for (auto at = open_files_.begin(); at != open_files_.end() && oldest.size() < wanted; ++at) {
        if (PendingPtr file = at->lock()) oldest.push_back(std::move(file));
      }
    }
    for_each_in_parallel(oldest, [&](const PendingPtr& file) { make_durable(file); });
    for (const PendingPtr& file : oldest) file->park();
    const std::lock_guard lock{mutex_};
    std::erase_if(open_files_, [&](const std::weak_ptr<PendingFile>& entry) {
      return std::find(oldest.begin(), oldest.end(), entry.lock()) != oldest.end();
    });
  }
}

void LocalBackend::make_durable(const PendingPtr& file) {
  try {
    file->make_durable();
  } catch (const Error& error) {
    lose(file, error);
    throw;
  }
}

bool LocalBackend::is_same(const PendingFile& file, int stored) const {
  const std::shared_ptr<const Fd> fd = file.open_for_reading();
  return fd &&
         files_have_same_content(fd->get(), stored, directory_.full_path(file.info().name.path()));
}

void LocalBackend::lose(const PendingPtr& file, const Error& error) {
  const std::lock_guard lock{mutex_};
  pending_.erase(file->info().name);
  lost_.insert_or_assign(file->info().name, error);
  ++publications_;  // it may be visible all the same
}

void LocalBackend::barrier() {
  const TurnQueue::Turn turn{turns_};
  Batch batch;
  {
    const std::lock_guard lock{mutex_};
    if (!lost_.empty()) throw lost_.begin()->second;
    if (pending_.empty() && unsynced_.empty()) return;
    for (const auto& [name, file] : pending_) batch.push_back(file);
  }
  directory_.check_present(ObjectType::config);
  for_each_in_parallel(batch, [&](const PendingPtr& file) { make_durable(file); });
  for (const ObjectType type : kPublishOrder) publish(batch, type);
}

void LocalBackend::publish(const Batch& batch, ObjectType type) {
  Batch published;
  for (const PendingPtr& file : batch) {
    const ObjectName& name = file->info().name;
    if (name.type != type) continue;
    if (!file->publish()) {
      const Fd stored = directory_.open_object(name);
      if (!stored || !is_same(*file, stored.get())) {
        lose(file, conflict(name));
        throw conflict(name);
      }
      if (::fdatasync(stored.get()) != 0) throw directory_.failure(errno, "syncing", name.path());
    }
    mark_directories(name);
    published.push_back(file);
  }
  Directories unsynced;
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = unsynced_.find(type); found != unsynced_.end()) {
      unsynced = std::move(found->second);
      unsynced_.erase(found);
    }
  }
  try {
    for_each_in_parallel(std::vector<std::string>{unsynced.begin(), unsynced.end()},
                         [&](const std::string& path) { directory_.sync(path); });
  } catch (const Error& error) {
    for (const PendingPtr& file : published) lose(file, error);
    const std::lock_guard lock{mutex_};
    unsynced_[type].merge(unsynced);
    throw;
  }
  const std::lock_guard lock{mutex_};
  for (const PendingPtr& file : published) pending_.erase(file->info().name);
  ++publications_;
}

void LocalBackend::remove(const ObjectName& name) {
  if (!give_up(name)) directory_.remove_object(name);
}

bool LocalBackend::give_up(const ObjectName& name) {
  {
    const std::lock_guard lock{mutex_};
    if (!pending_.contains(name) && !lost_.contains(name)) return false;
  }
  const TurnQueue::Turn turn{turns_};
  PendingPtr dropped;
  {
    const std::lock_guard lock{mutex_};
    if (const auto lost = lost_.extract(name)) {
      if (lost.mapped().code() == ErrorCode::exists) return true;
    }
    if (const auto own = pending_.extract(name)) dropped = own.mapped();
  }
  if (!dropped || dropped->published()) return false;
  const Fd stored = directory_.open_object(name);
  return stored && !is_same(*dropped, stored.get());
}

}  // namespace

std::unique_ptr<Backend> open_local_backend(const std::string& path, LocalOptions options) {
  return std::make_unique<LocalBackend>(path, options);
}

}  // namespace vgerfs::backends
