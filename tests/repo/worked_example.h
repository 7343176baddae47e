// The worked example of docs/FORMAT.md section 15: a repository of one file, made from fixed keys
// and a random source that always gives the same.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sha256.h"
#include "repo/index_record.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

class WorkedExample {
 public:
  WorkedExample();

  struct Step {
    std::string name;
    Bytes bytes;
  };
  /// Intermediate values, in the order of the format's description.
  const std::vector<Step>& steps() const noexcept { return steps_; }
  /// Every object by its path in the repository.
  const std::map<std::string, Bytes>& objects() const noexcept { return objects_; }
  /// The text of the key file that opens its slot.
  const std::string& key_file() const noexcept { return key_file_; }
  const Keyring& keyring() const noexcept { return *keyring_; }

 private:
  void make_keys();
  void make_config_and_slot();
  /// A pack of one raw block with one chunk; returns the index entry.
  PackDescription make_pack(ChunkKind kind, const Bytes& chunk, const std::string& name);
  void make_contents();
  void add_step(std::string name, ByteView bytes);
  /// Stores an object under its SHA-256.
  Sha256Digest add_object(const std::string& directory, const Bytes& stored);

  std::unique_ptr<Keyring> keyring_;
  std::shared_ptr<const DataKey> data_key_;
  std::vector<Step> steps_;
  std::map<std::string, Bytes> objects_;
  std::string key_file_;
};

}  // namespace vgerfs::repo
