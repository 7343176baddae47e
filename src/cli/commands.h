// The commands of vgerfs-admin, each in the source file command_<name>.cpp. The table is in
// admin.cpp.
#pragma once

#include "cli/command.h"

namespace vgerfs::cli {

Run add_backup(CLI::App& app);
Run add_check(CLI::App& app);
Run add_commit(CLI::App& app);
Run add_compact(CLI::App& app);
Run add_completion(CLI::App& app);
Run add_config_check(CLI::App& app);
Run add_config_example(CLI::App& app);
Run add_copy(CLI::App& app);
Run add_delete(CLI::App& app);
Run add_diff(CLI::App& app);
Run add_doctor(CLI::App& app);
Run add_dump(CLI::App& app);
Run add_find(CLI::App& app);
Run add_hold(CLI::App& app);
Run add_info(CLI::App& app);
Run add_init(CLI::App& app);
Run add_key_add(CLI::App& app);
Run add_key_export(CLI::App& app);
Run add_key_import(CLI::App& app);
Run add_key_list(CLI::App& app);
Run add_key_passphrase(CLI::App& app);
Run add_key_remove(CLI::App& app);
Run add_key_revoke(CLI::App& app);
Run add_list(CLI::App& app);
Run add_lock_break(CLI::App& app);
Run add_lock_list(CLI::App& app);
Run add_ls(CLI::App& app);
Run add_mount(CLI::App& app);
Run add_prune(CLI::App& app);
Run add_rebuild_index(CLI::App& app);
Run add_release(CLI::App& app);
Run add_repair(CLI::App& app);
Run add_restore(CLI::App& app);
Run add_tag(CLI::App& app);
Run add_umount(CLI::App& app);
Run add_undelete(CLI::App& app);
Run add_version(CLI::App& app);

}  // namespace vgerfs::cli
