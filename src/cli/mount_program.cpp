#include "cli/mount_program.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <systemd/sd-daemon.h>

#include "backends/open_backend.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/background.h"
#include "cli/mount_options.h"
#include "cli/mount_point.h"
#include "cli/mount_status_json.h"
#include "cli/mount_table.h"
#include "cli/output.h"
#include "cli/repository_access.h"
#include "cli/signals.h"
#include "cli/umount_helper.h"
#include "fs/mount.h"

namespace vgerfs::cli {
namespace {

/// How old the list of snapshots may get before a look refreshes it.
constexpr std::chrono::milliseconds kLocalRefresh{3000};
constexpr std::chrono::milliseconds kRemoteRefresh{30'000};

std::unique_ptr<repo::Repository> open_repository(Context& context, const MountCommand& command,
                                                  const Io& io) {
  const RepositoryChoice choice = context.repository_choice();
  backends::RemoteOptions remote = context.remote_options(choice);
  remote.stop = {};  // a signal makes it commit: for that, a server is waited for
  std::shared_ptr<backends::Backend> store = open_store(choice.location, std::move(remote));
  const Prompt prompt = io.is_terminal(io.in) ? Prompt::once : Prompt::never;
  FoundSecret secret = find_secret(command.global.secret, choice.encryption, prompt,
                                   choice.label.empty() ? choice.location : choice.label, io);
  check_interrupted(io);
  repo::OpenOptions options;
  options.directories = context.directories();
  options.host = context.host();
  options.expected = to_cipher(choice.encryption.mode);
  options.accept_rollback = command.global.accept_rollback;
  if (command.cache_bytes) options.block_cache_bytes = *command.cache_bytes;
  auto repository = repo::Repository::open(std::move(store), to_credential(std::move(secret)),
                                           std::move(options));
  check_interrupted(io);
  return repository;
}

fs::MountOptions mount_options(const MountCommand& command, const std::string& location) {
  const std::string local = backends::local_path(location);
  fs::MountOptions options{command};
  options.mount_point = command.mount_point;
  options.ingest_only = command.ingest_only;
  options.local_directory = local;
  options.status_json = format_status_json;
  options.refresh.max_age = local.empty() ? kRemoteRefresh : kLocalRefresh;
  return options;
}

/// The ingest view of a mount that has one.
std::unique_ptr<fs::IngestFs> open_ingest(Context& context, const MountCommand& command,
                                          repo::Repository& repository) {
  if (command.read_only) return nullptr;
  const Configuration& configuration = context.configuration();
  fs::IngestOptions options;
  options.host = repository.options().host;
  options.owner_uid = ::geteuid();
  options.owner_gid = ::getegid();
  options.privileged = options.owner_uid == 0;
  if (command.spool_bytes) options.spool_bytes = *command.spool_bytes;
  if (command.autocommit) options.autocommit_s = command.autocommit->count();
  const auto checkpoint =
      command.checkpoint_interval ? command.checkpoint_interval : configuration.checkpoint_interval;
  if (checkpoint) options.checkpoint_interval_s = checkpoint->count();
  if (configuration.compression_level) options.compression_level = *configuration.compression_level;
  return fs::IngestFs::open(repository, std::move(options));
}

/// Mounts, tells the caller, and serves until a signal or an unmount.
int serve(const MountCommand& command, const Io& io, const std::function<void()>& ready) {
  GlobalOptions global = command.global;
  Output output{"vgerfs", {}, io};
  Io surroundings = io;
  Context context{surroundings, global, output};
  const std::unique_ptr<repo::Repository> repository = open_repository(context, command, io);
  if (command.read_only && !repository->can_read()) {
    throw Error{ErrorCode::denied,
                "this key can add snapshots but not read them: a read-only mount would be empty",
                "mount without ro, or with a full key"};
  }
  std::binary_semaphore over{0};
  fs::Mount mount{*repository, open_ingest(context, command, *repository),
                  mount_options(command, context.repository_choice().location)};
  mount.start([&over] { over.release(); });
  if (!is_open_device(command.mount_point)) {
    enter_into_mount_table(repository->backend().location(), command.mount_point);
  }
  ready();
  const std::stop_callback on_signal{io.stop, [&over] { over.release(); }};
  over.acquire();
  mount.finish();
  return static_cast<int>(MountExitCode::ok);
}

/// Runs `work`; what it throws is printed to `err` and becomes the exit code.
template <class Work>
int guarded(const std::string& program, int err, const Io& io, Work work) {
  Io to = io;
  to.err = err;
  const auto fail = [&](const Error& error) {
    try {
      Output{program, {}, to}.error(error, exit_code(error.code()));
    } catch (const Error&) {
      // Nobody reads it: the exit code is all that is left.
    }
    return static_cast<int>(mount_exit_code(error.code()));
  };
  try {
    return work();
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::bad_alloc&) {
    return fail(Error{ErrorCode::no_space, "out of memory"});
  } catch (const std::exception& error) {
    return fail(Error{ErrorCode::io, error.what()});
  }
}

int mount_in_foreground(const MountCommand& command, const std::string& program) {
  const StopOnSignals signals;
  const Io io = system_io(signals.token());
  return guarded(program, io.err, io,
                 [&] { return serve(command, io, [] { ::sd_notify(0, "READY=1"); }); });
}

int mount_in_background(const MountCommand& command, const std::string& program) {
  const auto body = [&](BackgroundStart& start) {
    const StopOnSignals signals;
    const Io io = system_io(signals.token());
    bool started = false;
    const int code = guarded(program, start.descriptor(), io, [&] {
      return serve(command, io, [&] {
        start.ready();
        started = true;
        log::use_syslog("vgerfs");
      });
    });
    if (!started) start.failed(code);
    return code;
  };
  return run_in_background(body, system_io({}));
}

int run_mount(std::span<const char* const> arguments, const std::string& program, bool as_helper,
              const Io& io) {
  MountCommand command = parse_mount_command(arguments, as_helper);
  if (command.help) print(io.out, mount_help());
  if (command.version) print(io.out, fmt::format("vgerfs {}\n", VGERFS_VERSION));
  if (command.help || command.version || command.fake) return static_cast<int>(MountExitCode::ok);
  if (command.verbose) log::set_level(log::Level::info);
  command.mount_point = prepare_mount_point(command.mount_point);
  return command.foreground ? mount_in_foreground(command, program)
                            : mount_in_background(command, program);
}

}  // namespace

int run_vgerfs(int argc, const char* const* argv) {
  const std::string program =
      argc > 0 ? std::filesystem::path{argv[0]}.filename().string() : "vgerfs";
  const std::span<const char* const> arguments{argv + 1,
                                               static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)};
  const Io io = system_io({});
  ::signal(SIGPIPE, SIG_IGN);
  return guarded(program, io.err, io, [&] {
    if (program.starts_with("umount.")) return run_umount(arguments, io);
    return run_mount(arguments, program, program.starts_with("mount."), io);
  });
}

}  // namespace vgerfs::cli
