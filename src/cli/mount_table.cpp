#include "cli/mount_table.h"

#include <unistd.h>

#include <cstring>
#include <memory>

#include <libmount/libmount.h>

#include "base/log.h"

namespace vgerfs::cli {
namespace {

constexpr const char* kHelperOption = "uhelper=fuse.vgerfs";

struct Unref {
  void operator()(libmnt_fs* fs) const { ::mnt_unref_fs(fs); }
  void operator()(libmnt_update* update) const { ::mnt_free_update(update); }
};

/// `entry` null: remove that of `mount_point`.
void update_table(const char* mount_point, libmnt_fs* entry) noexcept {
  const std::unique_ptr<libmnt_update, Unref> update{::mnt_new_update()};
  if (!update) return;
  int result = ::mnt_update_set_fs(update.get(), 0, mount_point, entry);
  if (result == 0) result = ::mnt_update_table(update.get(), nullptr);
  if (result < 0) log::debug("/run/mount/utab: {}", std::strerror(-result));
}

}  // namespace

void enter_into_mount_table(const std::string& source, const std::string& mount_point) noexcept {
  if (::geteuid() != 0) return;
  const std::unique_ptr<libmnt_fs, Unref> entry{::mnt_new_fs()};
  if (!entry) return;
  ::mnt_fs_set_source(entry.get(), source.c_str());
  ::mnt_fs_set_target(entry.get(), mount_point.c_str());
  ::mnt_fs_set_fstype(entry.get(), "fuse.vgerfs");
  ::mnt_fs_set_options(entry.get(), kHelperOption);
  update_table(nullptr, entry.get());
}

void remove_from_mount_table(const std::string& mount_point) noexcept {
  if (::geteuid() == 0) update_table(mount_point.c_str(), nullptr);
}

}  // namespace vgerfs::cli
