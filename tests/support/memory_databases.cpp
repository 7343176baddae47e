#include "support/memory_databases.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vgerfs::testing {
namespace {

constexpr int kMaxPathBytes = 1024;

/// One file: what all its connections share.
struct File {
  std::mutex mutex;
  std::vector<unsigned char> bytes;  // guarded by mutex, as all below
  int shared = 0;
  bool reserved = false;
  bool pending = false;
  bool exclusive = false;
  // The WAL's index: pieces that stay where they are, and how often each lock is held (-1: alone).
  std::vector<std::unique_ptr<unsigned char[]>> pieces;
  int users = 0;  // connections that hold pointers into them
  std::array<int, SQLITE_SHM_NLOCK> locks{};
};

struct Files {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<File>, std::less<>> by_path;  // guarded by mutex
};
Files& files() {
  static Files all;
  return all;
}

struct Connection {
  std::shared_ptr<File> file;
  int level = SQLITE_LOCK_NONE;
  unsigned shared_locks = 0;
  unsigned exclusive_locks = 0;
  bool uses_pieces = false;
};

/// What SQLite has room for: it calls through `base`.
struct Handle {
  sqlite3_file base;
  Connection* connection;
};
Connection& connection_of(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file)->connection;
}

void unlock_to(Connection& connection, int level) {
  File& file = *connection.file;
  if (connection.level <= level) return;
  if (connection.level == SQLITE_LOCK_EXCLUSIVE) file.exclusive = false;
  if (connection.level >= SQLITE_LOCK_PENDING) file.pending = false;
  if (connection.level >= SQLITE_LOCK_RESERVED) file.reserved = false;
  if (level == SQLITE_LOCK_NONE) --file.shared;
  connection.level = level;
}

int close_file(sqlite3_file* raw) {
  Connection& connection = connection_of(raw);
  {
    const std::lock_guard lock{connection.file->mutex};
    unlock_to(connection, SQLITE_LOCK_NONE);
  }
  delete &connection;
  return SQLITE_OK;
}

int read_file(sqlite3_file* raw, void* out, int count, sqlite3_int64 offset) {
  File& file = *connection_of(raw).file;
  const std::lock_guard lock{file.mutex};
  const auto at = std::min(static_cast<std::size_t>(offset), file.bytes.size());
  const auto wanted = static_cast<std::size_t>(count);
  const std::size_t found = std::min(wanted, file.bytes.size() - at);
  if (found > 0) std::memcpy(out, file.bytes.data() + at, found);
  if (found == wanted) return SQLITE_OK;
  std::memset(static_cast<unsigned char*>(out) + found, 0, wanted - found);
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* raw, const void* bytes, int count, sqlite3_int64 offset) {
  File& file = *connection_of(raw).file;
  const std::lock_guard lock{file.mutex};
  const auto end = static_cast<std::size_t>(offset) + static_cast<std::size_t>(count);
  if (file.bytes.size() < end) file.bytes.resize(end);
  std::memcpy(file.bytes.data() + offset, bytes, static_cast<std::size_t>(count));
  return SQLITE_OK;
}

int truncate_file(sqlite3_file* raw, sqlite3_int64 size) {
  File& file = *connection_of(raw).file;
  const std::lock_guard lock{file.mutex};
  file.bytes.resize(static_cast<std::size_t>(size));
  return SQLITE_OK;
}

int sync_file(sqlite3_file*, int) { return SQLITE_OK; }

int size_of_file(sqlite3_file* raw, sqlite3_int64* size) {
  File& file = *connection_of(raw).file;
  const std::lock_guard lock{file.mutex};
  *size = static_cast<sqlite3_int64>(file.bytes.size());
  return SQLITE_OK;
}

int lock_file(sqlite3_file* raw, int level) {
  Connection& connection = connection_of(raw);
  File& file = *connection.file;
  const std::lock_guard lock{file.mutex};
  if (connection.level >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (file.pending || file.exclusive) return SQLITE_BUSY;
    ++file.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (file.reserved) return SQLITE_BUSY;
    file.reserved = true;
  } else {
    const bool mine = connection.level >= SQLITE_LOCK_RESERVED;
    if (!mine && file.reserved) return SQLITE_BUSY;
    file.reserved = true;
    file.pending = true;
    connection.level = SQLITE_LOCK_PENDING;
    if (file.shared > 1) return SQLITE_BUSY;
    file.exclusive = true;
  }
  connection.level = level;
  return SQLITE_OK;
}

int unlock_file(sqlite3_file* raw, int level) {
  Connection& connection = connection_of(raw);
  const std::lock_guard lock{connection.file->mutex};
  unlock_to(connection, level);
  return SQLITE_OK;
}

int is_reserved(sqlite3_file* raw, int* reserved) {
  File& file = *connection_of(raw).file;
  const std::lock_guard lock{file.mutex};
  *reserved = file.reserved ? 1 : 0;
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int map_piece(sqlite3_file* raw, int number, int size, int extend, void volatile** out) {
  Connection& connection = connection_of(raw);
  File& file = *connection.file;
  const std::lock_guard lock{file.mutex};
  if (!std::exchange(connection.uses_pieces, true)) ++file.users;
  const auto at = static_cast<std::size_t>(number);
  if (file.pieces.size() <= at && extend == 0) {
    *out = nullptr;
    return SQLITE_OK;
  }
  while (file.pieces.size() <= at) {
    file.pieces.push_back(std::make_unique<unsigned char[]>(static_cast<std::size_t>(size)));
  }
  *out = file.pieces[at].get();
  return SQLITE_OK;
}

int lock_pieces(sqlite3_file* raw, int offset, int count, int flags) {
  Connection& connection = connection_of(raw);
  File& file = *connection.file;
  const std::lock_guard lock{file.mutex};
  const unsigned mask = ((1U << count) - 1U) << offset;
  const auto first = file.locks.begin() + offset;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (int i = offset; i < offset + count; ++i) {
      int& held = file.locks[static_cast<std::size_t>(i)];
      const unsigned bit = 1U << i;
      if ((connection.exclusive_locks & bit) != 0) held = 0;
      if ((connection.shared_locks & bit) != 0) --held;
    }
    connection.exclusive_locks &= ~mask;
    connection.shared_locks &= ~mask;
    return SQLITE_OK;
  }
  if ((flags & SQLITE_SHM_SHARED) != 0) {
    if ((connection.shared_locks & mask) != 0) return SQLITE_OK;
    if (*first < 0) return SQLITE_BUSY;
    ++*first;
    connection.shared_locks |= mask;
    return SQLITE_OK;
  }
  if ((connection.exclusive_locks & mask) == mask) return SQLITE_OK;
  if (std::any_of(first, first + count, [](int held) { return held != 0; })) return SQLITE_BUSY;
  std::fill(first, first + count, -1);
  connection.exclusive_locks |= mask;
  return SQLITE_OK;
}

void order_memory(sqlite3_file* raw) { const std::lock_guard lock{connection_of(raw).file->mutex}; }

int unmap_pieces(sqlite3_file* raw, int remove) {
  Connection& connection = connection_of(raw);
  File& file = *connection.file;
  const std::lock_guard lock{file.mutex};
  if (std::exchange(connection.uses_pieces, false)) --file.users;
  // Who closes takes himself for the last one; another may just have come.
  if (remove != 0 && file.users == 0) file.pieces.clear();
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {2,
                                         close_file,
                                         read_file,
                                         write_file,
                                         truncate_file,
                                         sync_file,
                                         size_of_file,
                                         lock_file,
                                         unlock_file,
                                         is_reserved,
                                         control_file,
                                         sector_size,
                                         characteristics,
                                         map_piece,
                                         lock_pieces,
                                         order_memory,
                                         unmap_pieces,
                                         nullptr,
                                         nullptr};

int open_file(sqlite3_vfs*, const char* path, sqlite3_file* raw, int flags, int* flags_out) {
  auto* handle = reinterpret_cast<Handle*>(raw);
  handle->base.pMethods = nullptr;
  std::shared_ptr<File> file;
  if (path == nullptr) {
    file = std::make_shared<File>();  // temporary
  } else {
    // The program makes the main file itself, with the mode that it wants; empty ones are no state.
    Files& all = files();
    const std::lock_guard lock{all.mutex};
    std::shared_ptr<File>& known = all.by_path[path];
    if (known == nullptr) known = std::make_shared<File>();
    file = known;
  }
  handle->connection = new Connection{std::move(file)};
  handle->base.pMethods = &kMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs*, const char* path, int) {
  Files& all = files();
  const std::lock_guard lock{all.mutex};
  all.by_path.erase(path);
  return SQLITE_OK;
}

int access_file(sqlite3_vfs*, const char* path, int, int* found) {
  Files& all = files();
  const std::lock_guard lock{all.mutex};
  *found = all.by_path.contains(path) ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", path);
  return SQLITE_OK;
}

sqlite3_vfs* system_vfs = nullptr;  // for time and chance

int fill_random(sqlite3_vfs*, int size, char* out) {
  return system_vfs->xRandomness(system_vfs, size, out);
}
int sleep_us(sqlite3_vfs*, int duration) { return system_vfs->xSleep(system_vfs, duration); }
int julian_day(sqlite3_vfs*, double* day) { return system_vfs->xCurrentTime(system_vfs, day); }
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

void keep_databases_in_memory() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Statistics would take a lock of the process for every piece of memory.
    VGERFS_CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    system_vfs = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs memory = {
        .iVersion = 1,
        .szOsFile = sizeof(Handle),
        .mxPathname = kMaxPathBytes,
        .pNext = nullptr,
        .zName = "vgerfs-test-memory",
        .pAppData = nullptr,
        .xOpen = open_file,
        .xDelete = delete_file,
        .xAccess = access_file,
        .xFullPathname = full_path,
        .xDlOpen = nullptr,
        .xDlError = nullptr,
        .xDlSym = nullptr,
        .xDlClose = nullptr,
        .xRandomness = fill_random,
        .xSleep = sleep_us,
        .xCurrentTime = julian_day,
        .xGetLastError = last_error,
        .xCurrentTimeInt64 = nullptr,
        .xSetSystemCall = nullptr,
        .xGetSystemCall = nullptr,
        .xNextSystemCall = nullptr,
    };
    VGERFS_CHECK(system_vfs != nullptr && sqlite3_vfs_register(&memory, 1) == SQLITE_OK);
  });
}

void copy_databases(const std::string& from, const std::string& to) {
  Files& all = files();
  const std::lock_guard lock{all.mutex};
  const std::string prefix = from + "/";
  std::map<std::string, std::shared_ptr<File>> copies;
  for (auto at = all.by_path.lower_bound(prefix);
       at != all.by_path.end() && at->first.starts_with(prefix); ++at) {
    auto copy = std::make_shared<File>();
    const std::lock_guard file_lock{at->second->mutex};
    VGERFS_CHECK(at->second->shared == 0);
    copy->bytes = at->second->bytes;
    copies.emplace(to + "/" + at->first.substr(prefix.size()), std::move(copy));
  }
  all.by_path.merge(copies);
}

void drop_databases(const std::string& directory) {
  Files& all = files();
  const std::lock_guard lock{all.mutex};
  const std::string prefix = directory + "/";
  std::erase_if(all.by_path, [&](const auto& file) { return file.first.starts_with(prefix); });
}

}  // namespace vgerfs::testing
