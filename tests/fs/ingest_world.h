// An ingest view on a repository in memory, driven by paths as a kernel would drive it, and what
// its snapshots hold.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fs/ingest_fs.h"
#include "repo/extents.h"
#include "repo/file_entry.h"
#include "repo/repository_fixture.h"
#include "repo/tree_walk.h"
#include "support/fixed_random.h"

namespace vgerfs::testing {

/// The errno with which `work` fails; 0: it does not. Errors of the store count by their code +
/// 1000.
template <class Work>
int failure_of(Work work) {
  try {
    work();
    return 0;
  } catch (const fs::FsError& error) {
    return error.error_number();
  } catch (const Error& error) {
    return 1000 + static_cast<int>(error.code());
  }
}

inline int code(ErrorCode error) { return 1000 + static_cast<int>(error); }

inline std::string random_text(std::uint64_t seed, std::size_t count) {
  return std::string{text_of(random_bytes(seed, count))};
}

/// A file of a snapshot or a view, as a test compares it.
struct SeenFile {
  mode_t mode = 0;
  uid_t uid = 0;
  std::string content;  // files: bytes; symlinks: target
  std::map<std::string, std::string> xattrs;
  Timestamp mtime;
  std::uint64_t group = 0;  // files with several names: the same non-zero number
  std::uint32_t links = 1;
};
using SeenTree = std::map<std::string, SeenFile>;

/// One mount. Keeps a look-up reference to every node that it found, as a kernel does, until
/// `forget_all`.
class IngestClient {
 public:
  IngestClient(std::shared_ptr<repo::Repository> repository, fs::IngestOptions options)
      : repository_(std::move(repository)) {
    options.host = "host";
    view_ = fs::IngestFs::open(*repository_, std::move(options));
    root_ = view_->root().node;
  }
  /// Ends without a word to the view, as kill -9 does.
  ~IngestClient() = default;

  fs::IngestFs& view() { return *view_; }
  repo::Repository& repository() { return *repository_; }
  fs::Caller caller;

  fs::NodeId node(std::string_view path) {
    fs::NodeId at = root_;
    for (const std::string& name : parts(path)) {
      const fs::NodeReply reply = view_->lookup(at, name);
      at = reply.node;
      ++references_[at];
    }
    return at;
  }
  void forget_all() {
    for (const auto& [node, count] : references_) view_->forget(node, count);
    references_.clear();
  }

  bool exists(std::string_view path) {
    return failure_of([&] { node(path); }) == 0;
  }
  fs::Attributes stat(std::string_view path) { return view_->get_attributes(node(path)); }

  void mkdir(std::string_view path, mode_t mode = 0755) {
    const auto [parent, name] = split(path);
    keep(view_->make_directory(parent, name, mode, caller));
  }
  fs::IngestFs::Created create(std::string_view path, mode_t mode = 0644, int flags = O_RDWR) {
    const auto [parent, name] = split(path);
    const auto created = view_->create(parent, name, mode, flags | O_CREAT, caller);
    keep(created.node);
    return created;
  }
  void write_file(std::string_view path, std::string_view text, mode_t mode = 0644) {
    const auto file = create(path, mode, O_WRONLY);
    write(file.node.node, file.opened.handle, 0, text);
    close(file.node.node, file.opened.handle);
  }
  fs::HandleId open(std::string_view path, int flags) {
    return view_->open_file(node(path), flags, caller).handle;
  }
  void write(fs::NodeId node, fs::HandleId handle, std::uint64_t offset, std::string_view text) {
    view_->write(node, handle, offset, bytes_of(text), caller);
  }
  void write_at(std::string_view path, std::uint64_t offset, std::string_view text,
                int flags = O_WRONLY) {
    const fs::NodeId id = node(path);
    const fs::HandleId handle = view_->open_file(id, flags, caller).handle;
    write(id, handle, offset, text);
    close(id, handle);
  }
  void close(fs::NodeId node, fs::HandleId handle) {
    view_->flush(node, handle);
    view_->release(node, handle);
  }
  /// Up to `count` bytes; throws what read throws.
  std::string read_at(fs::NodeId node, fs::HandleId handle, std::uint64_t offset,
                      std::size_t count) {
    std::string out(count, '\0');
    const std::size_t got =
        view_->read(node, handle, offset, {reinterpret_cast<std::byte*>(out.data()), out.size()});
    out.resize(got);
    return out;
  }
  std::string read_file(std::string_view path) {
    const fs::NodeId id = node(path);
    const fs::HandleId handle = view_->open_file(id, O_RDONLY, caller).handle;
    std::string out;
    const int failed = failure_of([&] {
      for (;;) {
        const std::string part = read_at(id, handle, out.size(), 100'000);
        if (part.empty()) break;
        out += part;
      }
    });
    view_->release(id, handle);
    if (failed != 0) throw fs::FsError{failed};
    return out;
  }
  int read_failure(std::string_view path) {
    return failure_of([&] { read_file(path); });
  }
  void unlink(std::string_view path) {
    const auto [parent, name] = split(path);
    view_->remove_file(parent, name);
  }
  void rmdir(std::string_view path) {
    const auto [parent, name] = split(path);
    view_->remove_directory(parent, name);
  }
  void rename(std::string_view from, std::string_view to,
              fs::RenameMode mode = fs::RenameMode::replace) {
    const auto [parent, name] = split(from);
    const auto [new_parent, new_name] = split(to);
    view_->rename(parent, name, new_parent, new_name, mode);
  }
  void link(std::string_view from, std::string_view to) {
    const auto [parent, name] = split(to);
    keep(view_->make_link(node(from), parent, name));
  }
  void symlink(std::string_view target, std::string_view path) {
    const auto [parent, name] = split(path);
    keep(view_->make_symlink(parent, name, target, caller));
  }
  void chmod(std::string_view path, mode_t mode) {
    view_->set_attributes(node(path), {}, {.mode = mode}, caller);
  }
  void truncate(std::string_view path, std::uint64_t bytes) {
    view_->set_attributes(node(path), {}, {.size = bytes}, caller);
  }
  void set_mtime(std::string_view path, Timestamp time) {
    view_->set_attributes(node(path), {}, {.mtime = time}, caller);
  }
  void set_xattr(std::string_view path, std::string_view name, std::string_view value) {
    view_->set_xattr(node(path), name, bytes_of(value), false, false, caller);
  }
  std::optional<std::string> xattr(std::string_view path, std::string_view name) {
    try {
      return std::string{text_of(view_->get_xattr(node(path), name))};
    } catch (const fs::FsError& error) {
      if (error.error_number() != ENODATA) throw;
      return std::nullopt;
    }
  }
  void sync(std::string_view path) {
    view_->sync_directory(node(path), [] { return false; });
  }

  std::vector<std::string> list(std::string_view path, bool with_attributes = false,
                                std::size_t portion = 100) {
    const fs::NodeId id = node(path);
    const fs::HandleId handle = view_->open_directory(id);
    std::vector<std::string> names;
    std::uint64_t cookie = 0;
    for (bool more = true; more;) {
      more = false;
      std::size_t count = 0;
      view_->read_directory(id, handle, cookie, with_attributes,
                            [&](const fs::DirectoryItem& item) {
                              if (count++ == portion) return more = true, false;
                              cookie = item.next_cookie;
                              if (item.node != 0) ++references_[item.node];
                              if (item.name != "." && item.name != "..")
                                names.emplace_back(item.name);
                              return true;
                            });
    }
    view_->release_directory(id, handle);
    return names;
  }

  /// Everything below a path but content.
  SeenTree see(const std::string& path) {
    SeenTree out;
    see_into(path, "", out);
    return out;
  }

 private:
  static std::vector<std::string> parts(std::string_view path) {
    std::vector<std::string> out;
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      if (slash != 0) out.emplace_back(path.substr(0, slash));
      path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    }
    return out;
  }
  std::pair<fs::NodeId, std::string> split(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == path.npos) return {root_, std::string{path}};
    return {node(path.substr(0, slash)), std::string{path.substr(slash + 1)}};
  }
  void keep(const fs::NodeReply& reply) { ++references_[reply.node]; }
  void see_into(const std::string& path, const std::string& as, SeenTree& out) {
    const fs::NodeId id = node(path);
    const fs::Attributes attributes = view_->get_attributes(id);
    SeenFile& seen = out[as];
    seen.mode = attributes.mode;
    seen.uid = attributes.uid;
    seen.mtime = attributes.mtime;
    seen.links = attributes.link_count;
    for (const std::string& name : view_->list_xattrs(id))
      seen.xattrs[name] = text_of(view_->get_xattr(id, name));
    if (S_ISLNK(attributes.mode)) seen.content = view_->read_link(id);
    if (S_ISREG(attributes.mode)) {
      seen.content = std::to_string(attributes.size);
      seen.group = attributes.link_count > 1 ? attributes.inode : 0;
    }
    if (!S_ISDIR(attributes.mode)) return;
    for (const std::string& name : list(path))
      see_into(path + "/" + name, as.empty() ? name : as + "/" + name, out);
  }

  std::shared_ptr<repo::Repository> repository_;
  std::unique_ptr<fs::IngestFs> view_;
  fs::NodeId root_ = 0;
  std::map<fs::NodeId, std::uint64_t> references_;
};

/// A repository with clients; `name` says whose cache and state a client has.
class IngestWorld {
 public:
  explicit IngestWorld(bool with_ingest_key = false) : ingest_key_(with_ingest_key) {
    if (ingest_key_) repository_.add_ingest_slot("host");
  }

  std::unique_ptr<IngestClient> mount(fs::IngestOptions options = {},
                                      const std::string& name = "client") {
    std::shared_ptr<repo::Repository> opened = repository_.open(
        ingest_key_ ? TestRepository::ingest_key() : TestRepository::full_key(), name);
    return std::make_unique<IngestClient>(std::move(opened), std::move(options));
  }
  TestRepository& repository() { return repository_; }

  std::unique_ptr<repo::Repository> reader() {
    return repository_.open(TestRepository::full_key(), "reader");
  }

  /// The newest snapshot of a source, whole.
  std::optional<SeenTree> latest(const std::string& source) {
    const auto reader_of_all = reader();
    const auto list = reader_of_all->snapshots();
    const repo::ListedSnapshot* newest = repo::latest_of(*list, "host", source);
    if (newest == nullptr) return std::nullopt;
    return tree_of(*reader_of_all, newest->snapshot->root);
  }
  std::size_t snapshots() { return reader()->snapshots()->ids.size(); }

  static SeenTree tree_of(repo::Repository& repository, const repo::Entry& root) {
    SeenTree out;
    out[""] = seen(repository, root);
    repo::for_each_entry(repository.reader(), root, "",
                         [&](const std::string& path, const repo::Entry& entry) {
                           out[path] = seen(repository, entry);
                           return repo::WalkStep::go_on;
                         });
    return out;
  }

 private:
  static SeenFile seen(repo::Repository& repository, const repo::Entry& entry) {
    SeenFile out;
    out.mode = repo::file_type_bits(entry.type()) | entry.mode();
    out.uid = entry.uid();
    out.mtime = repo::mtime_of(entry);
    out.group = entry.link_group();
    out.links = entry.link_group() != 0 ? entry.link_count() : 1;
    for (const auto& xattr : entry.xattrs())
      out.xattrs[xattr.name()] = text_of(repo::xattr_value(xattr, repository.reader()));
    if (entry.type() == repo::EntryType::ENTRY_SYMLINK) out.content = entry.symlink_target();
    if (entry.type() == repo::EntryType::ENTRY_FILE) {
      repo::ExtentReader reader{repository.reader(), entry};
      reader.for_each([&](const repo::ExtentReader::Located& located) {
        if (!located.extent.chunk) {
          out.content.resize(out.content.size() + located.extent.bytes);
          return;
        }
        const Bytes chunk = repository.reader().get(repo::ChunkKind::data, *located.extent.chunk);
        out.content +=
            text_of(ByteView{chunk}.subspan(located.extent.chunk_offset, located.extent.bytes));
      });
    }
    return out;
  }

  const bool ingest_key_;
  TestRepository repository_;
};

}  // namespace vgerfs::testing
