// Real files for tests: making them, and saying in text what is there, by means that the code under
// test does not use.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vgerfs::testing {

struct DescribeOptions {
  bool times = true;
  bool owners = true;
};

/// Path below `root` → all that matters of the file: type, mode, owner, mtime, size, content,
/// target, device, xattrs, and by which first name its inode was met. The root itself is "".
std::map<std::string, std::string> describe_tree(const std::string& root,
                                                 const DescribeOptions& options = {});

/// The first differences of two descriptions, one per line; empty if there is none.
std::string differences(const std::map<std::string, std::string>& a,
                        const std::map<std::string, std::string>& b);

void write_file(const std::string& path, std::string_view content);
std::string read_file(const std::string& path);
/// mtime in seconds and nanoseconds, of the link itself if it is one.
void set_mtime(const std::string& path, std::int64_t s, std::int64_t ns = 0);
void set_xattr(const std::string& path, const std::string& name, std::string_view value);

bool is_root();

/// While it lives, this process acts as an ordinary user, who is given the directories and all that
/// is in them. Does nothing if it does so anyway.
class AsOrdinaryUser {
 public:
  explicit AsOrdinaryUser(const std::vector<std::string>& directories);
  ~AsOrdinaryUser();
  AsOrdinaryUser(const AsOrdinaryUser&) = delete;
  AsOrdinaryUser& operator=(const AsOrdinaryUser&) = delete;

 private:
  const bool was_root_;
};

/// A few hundred files and directories of ordinary kinds, determined by the seed.
void make_plain_tree(const std::string& root, std::uint64_t seed, int files);

/// Everything nasty that this user can make: empty and sparse files, holes at the ends, hard links
/// across directories and of links, links to nowhere, fifos, sockets, devices, ACLs, default ACLs,
/// capabilities, set-id bits, long and binary names, long link targets, long xattrs, a deep path,
/// times before 1970, modes without rights, many entries.
void make_nasty_tree(const std::string& root, int depth, int entries, std::uint64_t sparse_bytes);

}  // namespace vgerfs::testing
