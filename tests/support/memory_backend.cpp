#include "support/memory_backend.h"

#include <cstring>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"

namespace vgerfs::testing {

using backends::Capabilities;
using backends::ObjectInfo;
using format::ObjectName;
using format::ObjectType;

std::optional<MemoryStore::Object> MemoryStore::find(const ObjectName& name) const {
  const std::lock_guard lock{mutex_};
  const auto found = objects_.find(name);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

bool MemoryStore::put(const ObjectName& name, Object object) {
  const std::lock_guard lock{mutex_};
  const auto [place, inserted] = objects_.try_emplace(name, object);
  return inserted || *place->second.bytes == *object.bytes;
}

void MemoryStore::erase(const ObjectName& name) {
  const std::lock_guard lock{mutex_};
  objects_.erase(name);
}

std::vector<ObjectName> MemoryStore::names(std::optional<ObjectType> type) const {
  const std::lock_guard lock{mutex_};
  std::vector<ObjectName> names;
  for (const auto& [name, object] : objects_) {
    if (!type || name.type == *type) names.push_back(name);
  }
  return names;
}

void MemoryStore::overwrite(const ObjectName& name, Bytes bytes) {
  const std::lock_guard lock{mutex_};
  objects_.at(name).bytes = std::make_shared<const Bytes>(std::move(bytes));
}

std::map<ObjectName, MemoryStore::Object> MemoryStore::copy() const {
  const std::lock_guard lock{mutex_};
  return objects_;
}

void MemoryStore::replace_all(std::map<ObjectName, Object> objects) {
  const std::lock_guard lock{mutex_};
  objects_ = std::move(objects);
}

std::optional<backends::CompactionAnswer> MemoryStore::compact(
    const backends::CompactionPlan& plan) {
  backends::CompactionAnswer answer;
  for (const backends::CompactedPack& pack : plan.packs) {
    Bytes made{pack.header.begin(), pack.header.end()};
    std::vector<std::uint32_t> lengths;
    bool is_whole = true;
    for (const backends::CompactionSource& source : pack.sources) {
      const auto object = find(format::pack_name(source.pack));
      if (!object) return std::nullopt;
      if (PackId{sha256(*object->bytes)} != source.pack) {
        answer.damaged.push_back(source.pack);
        is_whole = false;
        continue;
      }
      std::uint64_t at = format::kPackHeaderBytes;
      for (const std::uint32_t length : format::parse_pack(*object->bytes).block_bytes) {
        for (const backends::BlockRun& run : source.runs) {
          if (at < run.offset || at >= run.offset + run.bytes) continue;
          append(made, ByteView{*object->bytes}.subspan(at, length));
          lengths.push_back(length);
        }
        at += length;
      }
    }
    if (!is_whole) {
      answer.packs.emplace_back();
      continue;
    }
    append(made, format::pack_tail(lengths));
    const PackId id{sha256(made)};
    answer.packs.push_back(backends::MadePack{id, made.size()});
    put(format::pack_name(id), {std::make_shared<const Bytes>(std::move(made)),
                                clock_ == nullptr ? std::nullopt : std::optional{clock_->now()}});
  }
  return answer;
}

std::optional<MemoryStore::Object> MemoryBackend::find(const ObjectName& name) const {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = pending_.find(name); found != pending_.end()) return found->second;
  }
  return store_->find(name);
}

void MemoryBackend::read(const ObjectName& name, std::uint64_t offset, MutableBytes out) {
  const auto object = find(name);
  if (!object) throw Error{ErrorCode::not_found, name.path() + " does not exist"};
  const Bytes& bytes = *object->bytes;
  if (offset > bytes.size() || out.size() > bytes.size() - offset) {
    throw Error{ErrorCode::corrupt, name.path() + " is too short"};
  }
  if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
}

void MemoryBackend::write(const ObjectName& name, ByteView bytes) {
  MemoryStore::Object object{std::make_shared<const Bytes>(bytes.begin(), bytes.end()), {}};
  if (const Clock* clock = store_->clock()) object.stored_at = clock->now();
  const std::lock_guard lock{mutex_};
  const auto stored = store_->find(name);
  const auto pending = pending_.find(name);
  const Bytes* there = pending != pending_.end() ? pending->second.bytes.get()
                       : stored                  ? stored->bytes.get()
                                                 : nullptr;
  if (there == nullptr) {
    pending_.emplace(name, std::move(object));
  } else if (*there != *object.bytes) {
    throw Error{ErrorCode::exists, name.path() + " exists with other content"};
  }
}

MemoryBackend::Objects MemoryBackend::take_pending() {
  const std::lock_guard lock{mutex_};
  return std::exchange(pending_, {});
}

void MemoryBackend::barrier() {
  // Under the lock, so that no reader sees an object neither here nor there.
  const std::lock_guard lock{mutex_};
  for (const auto& [name, object] : pending_) {
    if (!store_->put(name, object)) {
      throw Error{ErrorCode::exists, name.path() + " exists with other content"};
    }
  }
  pending_.clear();
}

std::optional<ObjectInfo> MemoryBackend::stat(const ObjectName& name) {
  const auto object = find(name);
  if (!object) return std::nullopt;
  return ObjectInfo{name, object->bytes->size(), object->stored_at};
}

void MemoryBackend::list(ObjectType type, const std::function<void(const ObjectInfo&)>& each) {
  for (const ObjectName& name : store_->names(type)) {
    if (const auto object = store_->find(name)) {
      each({name, object->bytes->size(), object->stored_at});
    }
  }
}

void MemoryBackend::remove(const ObjectName& name) {
  const std::lock_guard lock{mutex_};
  const auto own = pending_.extract(name);
  const auto stored = store_->find(name);
  // Where the name was taken by somebody else, only the own write is given up.
  if (own && stored && *own.mapped().bytes != *stored->bytes) return;
  store_->erase(name);
}

Capabilities MemoryBackend::capabilities() const {
  return {.store_clock = store_->clock() != nullptr, .local_directory = false};
}

void ForgettingBackend::crash() { take_pending(); }

std::size_t ForgettingBackend::crash(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::size_t survived = 0;
  for (auto& [name, object] : take_pending()) {
    if (random() % 2 == 0) continue;
    if (store()->put(name, std::move(object))) ++survived;
  }
  return survived;
}

}  // namespace vgerfs::testing
