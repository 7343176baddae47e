#include "server/verifier.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "server/pack_file.h"
#include "server/repository_files.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

constexpr std::size_t kReadBytes = 1 << 20;
/// What was read is remembered after so many objects or bytes.
constexpr std::size_t kBatchObjects = 256;
constexpr std::uint64_t kBatchBytes = 256ULL << 20;
constexpr std::string_view kOurConfig = "VGERCONF";

std::string begin_of(const OpenObject& object, std::size_t bytes) {
  std::string begin(std::min<std::uint64_t>(bytes, object.bytes), '\0');
  const MutableBytes out{reinterpret_cast<std::byte*>(begin.data()), begin.size()};
  begin.resize(read_at(object.fd->get(), out, 0, "an object"));
  return begin;
}

void expect_turn(const RepositoryTurns::Turn& turn) {
  if (!turn.is_ours()) throw Error{ErrorCode::busy, "another check of this repository runs"};
}

}  // namespace

struct Verifier::Reading {
  ObjectRow object;
  std::string problem;  ///< empty: it is whole
};

/// Sleeps so that reading does not go faster than the limit.
class Verifier::Pacer {
 public:
  explicit Pacer(std::uint64_t bytes_per_second) : limit_(bytes_per_second) {}
  void count(std::uint64_t bytes) {
    if (limit_ == 0) return;
    bytes_ += bytes;
    std::this_thread::sleep_until(started_ + std::chrono::microseconds{static_cast<std::int64_t>(
                                                 bytes_ * 1'000'000 / limit_)});
  }

 private:
  const std::uint64_t limit_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::uint64_t bytes_ = 0;
};

HashCheckResult Verifier::check_hashes(const Repository& repository, const HashCheckLimits& limits,
                                       const std::stop_token& stop) {
  const RepositoryTurns::Turn turn{turns_, repository.id};
  expect_turn(turn);
  HashCheckResult result;
  ScrubRow scrub;
  {
    const auto connection = store_.reader();
    scrub = Catalog{*connection}.scrub(repository.id);
  }
  Pacer pacer{limits.bytes_per_second};
  const auto until = std::chrono::steady_clock::now() + limits.max_time;
  const auto is_over = [&](std::uint64_t bytes) {
    return bytes >= limits.max_bytes || std::chrono::steady_clock::now() >= until;
  };
  if (!scrub.began_at) scrub.began_at = clock_.now().s;
  while (!is_over(result.bytes) && !result.is_pass_complete && !result.was_stopped) {
    std::vector<ObjectRow> objects;
    {
      const auto connection = store_.reader();
      objects = Catalog{*connection}.objects_after(repository.id, scrub.last, kBatchObjects);
    }
    std::vector<Reading> readings;
    std::uint64_t batch_bytes = 0;
    for (const ObjectRow& object : objects) {
      if (batch_bytes >= kBatchBytes || is_over(result.bytes + batch_bytes)) break;
      Reading reading = read(repository, object, pacer, stop);
      if (stop.stop_requested()) {
        result.was_stopped = true;
        break;
      }
      scrub.last = object.name;
      batch_bytes += object.bytes;
      readings.push_back(std::move(reading));
    }
    result.objects += readings.size();
    result.bytes += batch_bytes;
    if (objects.empty()) {
      result.is_pass_complete = true;
      scrub.last = std::nullopt;
      scrub.complete_since = scrub.began_at;
      scrub.began_at = std::nullopt;
    }
    record(repository, readings, scrub, result);
  }
  return result;
}

Verifier::Reading Verifier::read(const Repository& repository, const ObjectRow& object,
                                 Pacer& pacer, const std::stop_token& stop) {
  Reading reading{object, {}};
  try {
    const auto file = store_.open(repository, object.name);
    if (!file) {
      reading.problem = "its file is gone";
      return reading;
    }
    if (file->bytes != object.bytes) {
      reading.problem = fmt::format("it has {} bytes instead of {}", file->bytes, object.bytes);
      return reading;
    }
    // What lies in memory says nothing about the disk.
    ::posix_fadvise(file->fd->get(), 0, 0, POSIX_FADV_DONTNEED);
    Sha256 hash;
    Bytes buffer(std::min<std::uint64_t>(kReadBytes, std::max<std::uint64_t>(1, file->bytes)));
    for (std::uint64_t done = 0; done < file->bytes && !stop.stop_requested();) {
      const std::size_t count = read_at(file->fd->get(), buffer, done, object.name.path());
      if (count == 0) break;
      hash.update(ByteView{buffer}.first(count));
      done += count;
      pacer.count(count);
    }
    ::posix_fadvise(file->fd->get(), 0, 0, POSIX_FADV_DONTNEED);
    if (object.name.type != ObjectType::config && hash.finish() != object.name.id.bytes()) {
      reading.problem = "its SHA-256 is not its name";
    }
  } catch (const Error& error) {
    // The disk cannot read it; a directory that is gone as a whole is no finding about objects.
    if (error.code() != ErrorCode::io && error.code() != ErrorCode::corrupt) throw;
    reading.problem = "it cannot be read";
  }
  return reading;
}

void Verifier::record(const Repository& repository, std::vector<Reading>& readings, ScrubRow& scrub,
                      HashCheckResult& result) {
  const std::int64_t now = clock_.now().s;
  std::vector<DamageRow> damaged;
  queue_.commit([&](Change& change) {
    Catalog& catalog = change.catalog();
    damaged.clear();
    for (const Reading& reading : readings) {
      const ObjectName& name = reading.object.name;
      const auto row = catalog.find_object(repository.id, name);
      if (!row || row->sequence != reading.object.sequence) continue;  // removed meanwhile
      if (reading.problem.empty()) {
        catalog.set_checked(repository.id, name, now);
        catalog.clear_damage(repository.id, name);
      } else {
        const DamageRow damage{repository.id, name, now, reading.problem};
        catalog.set_damage(damage);
        damaged.push_back(damage);
      }
    }
    catalog.set_scrub(repository.id, scrub);
  });
  for (const DamageRow& damage : damaged) {
    report(repository, damage);
    result.damaged.push_back(damage);
  }
}

void Verifier::report(const Repository& repository, const DamageRow& damage) {
  log_.write(Severity::error, "damaged",
             {{"repository", repository.name.text()},
              {"object", damage.object.path()},
              {"problem", damage.problem}});
}

StructureCheckResult Verifier::check_structure(const Repository& repository,
                                               const std::stop_token& stop) {
  const RepositoryTurns::Turn turn{turns_, repository.id};
  expect_turn(turn);
  StructureCheckResult result;
  const auto config = store_.open(repository, format::config_name());
  // Repositories of restic lie here, too; what their packs look like is not known here.
  const bool is_ours = config && begin_of(*config, kOurConfig.size()) == kOurConfig;
  std::vector<DamageRow> found;
  std::optional<ObjectName> last;
  for (;;) {
    std::vector<ObjectRow> objects;
    {
      const auto connection = store_.reader();
      objects = Catalog{*connection}.objects_after(repository.id, last, kBatchObjects);
    }
    if (objects.empty()) break;
    for (const ObjectRow& object : objects) {
      if (stop.stop_requested()) {
        result.was_stopped = true;
        return result;
      }
      ++result.objects;
      std::string problem = examine(repository, object, is_ours, result);
      if (!problem.empty()) {
        found.push_back({repository.id, object.name, clock_.now().s, std::move(problem)});
      }
    }
    last = objects.back().name;
  }
  look_around(repository, result);
  queue_.commit([&](Change& change) {
    result.damaged.clear();
    for (const DamageRow& damage : found) {
      if (!change.catalog().find_object(repository.id, damage.object))
        continue;  // removed meanwhile
      change.catalog().set_damage(damage);
      result.damaged.push_back(damage);
    }
  });
  for (const DamageRow& damage : result.damaged) report(repository, damage);
  return result;
}

void Verifier::look_around(const Repository& repository, StructureCheckResult& result) {
  const DataDirectory& directory = store_.directory();
  const auto root = directory.open_repository(repository.name);
  if (!root) throw Error{ErrorCode::unavailable, "the repository's directory is gone"};
  const auto connection = store_.reader();
  Catalog catalog{*connection};
  for (const ObjectType type : format::kListedTypes) {
    if (type == ObjectType::lock) continue;  // clients of the directory make them, too
    RepositoryFiles{root->get()}.list(type, [&](const ListedObject& object) {
      if (!catalog.find_object(repository.id, object.name)) ++result.unknown_files;
    });
  }
  DataDirectory::list_names(directory.uploads(), [&](const std::string& file) {
    const auto parked = ParkedName::parse(file);
    if (parked && parked->repository == repository.id) ++result.uploads;
  });
  for (const TrashRow& row : catalog.trash()) {
    struct stat status {};
    if (row.repository == repository.id &&
        ::fstatat(directory.trash(), row.file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      ++result.missing_trash;
    }
  }
}

std::string Verifier::examine(const Repository& repository, const ObjectRow& object, bool is_ours,
                              StructureCheckResult& result) {
  try {
    const auto file = store_.open(repository, object.name);
    if (!file) return "its file is gone";
    if (file->bytes != object.bytes) {
      return fmt::format("it has {} bytes instead of {}", file->bytes, object.bytes);
    }
    if (is_ours && object.name.type == ObjectType::pack) {
      ++result.packs;
      PackFile{*file};  // throws if header or table are wrong
    }
    return {};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unsupported) return {};  // of a newer format
    if (error.code() == ErrorCode::corrupt) return error.message();
    if (error.code() != ErrorCode::io) throw;
    return "it cannot be read";
  }
}

}  // namespace vgerfs::server
