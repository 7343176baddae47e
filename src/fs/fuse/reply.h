// One reply per request, guaranteed: a request that nobody answered is answered with EIO when its
// Reply goes.
#pragma once

#include <fuse_lowlevel.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "fs/types.h"

namespace vgerfs::fs {

/// How long the kernel may keep what it is told.
struct Lifetime {
  double entry_s = 0;
  double attributes_s = 0;
};

/// Answers one request, once. Functions that return bool say false if the kernel no longer wants
/// the answer (the request was interrupted): what it would have held is to be given back. One
/// thread at a time.
class Reply {
 public:
  explicit Reply(fuse_req_t request) : request_(request) {}
  Reply(Reply&& other) noexcept : request_(std::exchange(other.request_, nullptr)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply();

  fuse_req_t request() const noexcept { return request_; }

  void error(int error_number);
  void ok() { error(0); }
  bool entry(const NodeReply& node, Lifetime lifetime);
  /// "There is no such name", to be remembered.
  void absent(double entry_s);
  void attributes(const Attributes& attributes, double attributes_s);
  void link(const std::string& target);
  bool opened(const fuse_file_info& info);
  bool created(const NodeReply& node, Lifetime lifetime, const fuse_file_info& info);
  bool bytes(ByteView bytes);
  void pieces(const std::vector<ByteView>& pieces);
  void written(std::size_t size);
  void offset(std::uint64_t offset);
  void statistics(const FsStatistics& statistics);
  /// A value asked for with room for `size` bytes; 0: how long is it.
  void xattr(ByteView value, std::size_t size);

 private:
  fuse_req_t take() noexcept { return std::exchange(request_, nullptr); }

  fuse_req_t request_;
};

struct stat stat_of(const Attributes& attributes);
fuse_entry_param entry_of(const NodeReply& node, Lifetime lifetime);

}  // namespace vgerfs::fs
