// The ingest view as the mount serves it: requests in terms of nodes and handles, on the sources of
// this host.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fs/commit_jobs.h"
#include "fs/ingest_acl.h"
#include "fs/ingest_context.h"
#include "fs/ingest_directory.h"
#include "fs/ingest_fs.h"
#include "fs/ingest_source.h"

namespace vgerfs::fs {

/// One open file.
struct FileHandle {
  InodePtr inode;
  int flags = 0;
  bool written = false;  // since its last FLUSH; guarded by the tree's mutex
};

class IngestView final : public IngestFs {
 public:
  IngestView(repo::Repository& repository, IngestOptions options);
  ~IngestView() override;

  // ingest_view.cpp
  NodeReply root() override;
  NodeReply lookup(NodeId parent, std::string_view name) override;
  void forget(NodeId node, std::uint64_t count) noexcept override;
  Attributes get_attributes(NodeId node) override;
  std::string read_link(NodeId node) override;
  HandleId open_directory(NodeId node) override;
  void read_directory(NodeId node, HandleId handle, std::uint64_t cookie, bool with_attributes,
                      const DirectorySink& sink) override;
  void release_directory(NodeId node, HandleId handle) noexcept override;

  // ingest_view_attributes.cpp
  Attributes set_attributes(NodeId node, std::optional<HandleId> handle,
                            const AttributeChange& change, const Caller& caller) override;
  Bytes get_xattr(NodeId node, std::string_view name) override;
  std::vector<std::string> list_xattrs(NodeId node) override;
  void set_xattr(NodeId node, std::string_view name, ByteView value, bool create_only,
                 bool replace_only, const Caller& caller) override;
  void remove_xattr(NodeId node, std::string_view name, const Caller& caller) override;

  // ingest_view_names.cpp
  NodeReply make_directory(NodeId parent, std::string_view name, mode_t mode,
                           const Caller& caller) override;
  NodeReply make_node(NodeId parent, std::string_view name, mode_t mode, std::uint32_t major,
                      std::uint32_t minor, const Caller& caller) override;
  NodeReply make_symlink(NodeId parent, std::string_view name, std::string_view target,
                         const Caller& caller) override;
  NodeReply make_link(NodeId node, NodeId new_parent, std::string_view new_name) override;
  void remove_file(NodeId parent, std::string_view name) override;
  void remove_directory(NodeId parent, std::string_view name) override;
  void rename(NodeId parent, std::string_view name, NodeId new_parent, std::string_view new_name,
              RenameMode mode) override;

  // ingest_view_files.cpp
  Opened open_file(NodeId node, int flags, const Caller& caller) override;
  Created create(NodeId parent, std::string_view name, mode_t mode, int flags,
                 const Caller& caller) override;
  std::size_t read(NodeId node, HandleId handle, std::uint64_t offset, MutableBytes out) override;
  void write(NodeId node, HandleId handle, std::uint64_t offset, ByteView bytes,
             const Caller& caller) override;
  void preallocate(NodeId node, HandleId handle, PreallocateMode mode, std::uint64_t offset,
                   std::uint64_t length, const Caller& caller) override;
  std::uint64_t seek(NodeId node, HandleId handle, std::uint64_t offset, bool data) override;
  void flush(NodeId node, HandleId handle) override;
  void release(NodeId node, HandleId handle) noexcept override;
  void sync_file(NodeId node, HandleId handle) override;

  // ingest_view_commit.cpp
  void sync_directory(NodeId node, const std::function<bool()>& interrupted) override;
  CommitReport commit(std::string_view source, std::string_view trigger) override;
  void commit_all(std::string_view trigger) override;
  std::vector<SourceStatus> status() override;
  void tick() override;
  void suspend() noexcept override;
  void set_invalidate(std::function<void(NodeId, std::string_view)> invalidate) override;
  void set_invalidate_attributes(std::function<void(NodeId)> invalidate) override;

 private:
  using TreeLock = std::unique_lock<std::mutex>;

  // ingest_view_sources.cpp
  /// The source as it is shown; null: there is none. May resume a session.
  IngestSource* find_source(std::string_view name);
  /// The object for a name that may not exist yet; EINVAL for names that no source can have.
  IngestSource& source_named(std::string_view name);
  std::vector<std::string> source_names();
  std::vector<IngestSource*> all_sources();
  bool has_journal(std::string_view name) const;
  void find_sessions();
  /// The source of a node; every request notes its time.
  IngestSource& source_of(NodeId node);
  NodeReply make_source(std::string_view name, mode_t mode, const Caller& caller);
  void remove_source(std::string_view name);

  /// A change of the source that the node is in now, whatever moves meanwhile.
  SourceChange change_of(NodeId node);
  /// The same for an inode, by way of `enter`; null if that gives none or the source is gone.
  std::optional<SourceChange> enter_source_of(const Inode& inode,
                                              std::optional<SourceChange> (IngestSource::*enter)());
  NodeReply reply_of(const InodePtr& inode);  // tree's mutex held; takes a reference
  std::shared_ptr<FileHandle> handle_of(HandleId id) const;
  HandleId add_handle(const InodePtr& inode, int flags);  // tree's mutex held
  void touch(Inode& inode, bool modified);                // tree's mutex held
  bool is_empty(TreeLock& lock, const InodePtr& directory);
  void drop_name(Inode& directory, std::string_view name,
                 const InodePtr& inode);  // tree's mutex held

  /// A new inode under a name; `fill` completes it (tree's mutex held).
  InodePtr make(TreeLock& lock, IngestSource& source, NodeId parent, std::string_view name,
                mode_t mode, const Caller& caller);
  void rename_within(TreeLock& lock, const InodePtr& from, std::string_view name,
                     const InodePtr& to, std::string_view new_name, RenameMode mode);
  void rename_across(NodeId parent, std::string_view name, NodeId new_parent,
                     std::string_view new_name, RenameMode mode);

  /// Runs `work` on the file's content, with its mutex held, and notes what became of size and
  /// times.
  void change_content(SourceChange& change, const InodePtr& inode, const Caller& caller,
                      const std::function<void(FileContent&)>& work);
  bool is_change(NodeId node, const AttributeChange& change);
  /// Tree's mutex held. True if something was stripped.
  static bool strip_privileges(Inode& inode, const Caller& caller);
  void truncate(NodeId node, std::uint64_t bytes, const Caller& caller);
  void close_runs(const std::vector<InodePtr>& files);
  /// Closes the run of a file that nobody has open and keeps it in its short form.
  void put_to_rest(SourceChange& change, const InodePtr& inode);
  /// Stores what waits in memory; throws if it cannot be, and while the store refuses what it
  /// refused before. The content's mutex held.
  static void retry_failed(SourceChange& change, FileContent& content);
  void note_written(FileHandle& handle, bool written);  // tree's mutex held

  /// Tree's mutex held but for reading a long value.
  std::optional<Bytes> xattr_of(TreeLock& lock, const InodePtr& inode, std::string_view name);
  std::optional<Bytes> own_xattr(const Inode& inode, std::string_view name) const;
  bool set_own_xattr(const InodePtr& inode, std::string_view name, std::optional<ByteView> value);
  void set_access_acl(Inode& inode, const Acl& acl, const Caller& caller);

  IngestContext context_;
  const Timestamp opened_at_;

  std::atomic<bool> looked_for_sessions_{false};
  mutable std::mutex sources_mutex_;  // leaf; guards the next
  std::map<std::string, std::unique_ptr<IngestSource>, std::less<>> sources_;

  mutable std::mutex handles_mutex_;  // leaf; guards all below
  std::unordered_map<HandleId, std::shared_ptr<FileHandle>> files_;
  std::unordered_map<HandleId, std::shared_ptr<DirectoryCursor>> directories_;
  std::unordered_map<HandleId, std::vector<std::string>> root_lists_;
  HandleId next_handle_ = 1;

  CommitJobs jobs_;  // last: it waits for commits that run
};

}  // namespace vgerfs::fs
