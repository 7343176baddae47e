#include "fs/browse_source.h"

namespace vgerfs::fs {
namespace {

class RepositorySource final : public BrowseSource {
 public:
  explicit RepositorySource(repo::Repository& repository) : repository_(repository) {}

  std::shared_ptr<const repo::SnapshotList> list() override { return repository_.snapshots(); }
  void refresh() override { repository_.refresh(); }
  Bytes get(repo::ChunkKind kind, const ChunkId& id) override {
    return repository_.reader().get(kind, id);
  }
  repo::ChunkView view(repo::ChunkKind kind, const ChunkId& id) override {
    return repository_.reader().view(kind, id);
  }
  void prefetch(repo::ChunkKind kind, const ChunkId& id) override {
    repository_.reader().prefetch(kind, id);
  }

 private:
  repo::Repository& repository_;
};

}  // namespace

std::unique_ptr<BrowseSource> browse_repository(repo::Repository& repository) {
  return std::make_unique<RepositorySource>(repository);
}

}  // namespace vgerfs::fs
