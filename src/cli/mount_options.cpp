#include "cli/mount_options.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/quantity.h"
#include "cli/suggestion.h"

namespace vgerfs::cli {
namespace {

struct Option {
  std::string name;
  std::optional<std::string> value;
};

/// What an option does. Takes the value where there must be one, else null.
using Apply = void (*)(MountCommand&, const std::string* value);

struct KnownOption {
  std::string_view name;
  Apply apply;
  bool takes_value = false;
};

std::uint64_t size_of(std::string_view name, const std::string& value) {
  const auto size = parse_size(value);
  if (!size)
    throw Error{ErrorCode::usage, fmt::format("{}={}: not a size", name, value),
                "for example 512M or 4G"};
  return *size;
}

std::chrono::seconds duration_of(std::string_view name, const std::string& value) {
  if (value == "0" || value == "off") return std::chrono::seconds{0};
  const auto duration = parse_duration(value);
  if (!duration) {
    throw Error{ErrorCode::usage, fmt::format("{}={}: not a duration", name, value),
                "for example 90s, 5m or 2h; 0: never"};
  }
  return *duration;
}

void ignore(MountCommand& /*command*/, const std::string* /*value*/) {}

constexpr KnownOption kOptions[] = {
    {"ro", [](MountCommand& to, const std::string*) { to.read_only = true; }},
    {"rw", [](MountCommand& to, const std::string*) { to.read_only = false; }},
    {"ingest-only", [](MountCommand& to, const std::string*) { to.ingest_only = true; }},
    {"allow_other", [](MountCommand& to, const std::string*) { to.allow_other = true; }},
    {"dev", [](MountCommand& to, const std::string*) { to.dev = true; }},
    {"nodev", [](MountCommand& to, const std::string*) { to.dev = false; }},
    {"suid", [](MountCommand& to, const std::string*) { to.suid = true; }},
    // mount(8) keeps `dev` and `suid` to itself, since they are its own default: these reach us.
    {"allow_dev", [](MountCommand& to, const std::string*) { to.dev = true; }},
    {"allow_suid", [](MountCommand& to, const std::string*) { to.suid = true; }},
    {"nosuid", [](MountCommand& to, const std::string*) { to.suid = false; }},
    {"exec", [](MountCommand& to, const std::string*) { to.noexec = false; }},
    {"noexec", [](MountCommand& to, const std::string*) { to.noexec = true; }},
    {"atime", [](MountCommand& to, const std::string*) { to.noatime = false; }},
    {"noatime", [](MountCommand& to, const std::string*) { to.noatime = true; }},
    {"accept-rollback",
     [](MountCommand& to, const std::string*) { to.global.accept_rollback = true; }},
    {"passphrase-file",
     [](MountCommand& to, const std::string* value) { to.global.secret.passphrase_file = *value; },
     true},
    {"passphrase-command",
     [](MountCommand& to, const std::string* value) {
       to.global.secret.passphrase_command = *value;
     },
     true},
    {"key-file",
     [](MountCommand& to, const std::string* value) { to.global.secret.key_file = *value; }, true},
    {"rest-token-file",
     [](MountCommand& to, const std::string* value) { to.global.remote.token_file = *value; },
     true},
    {"ca-file",
     [](MountCommand& to, const std::string* value) { to.global.remote.ca_file = *value; }, true},
    {"limit-upload",
     [](MountCommand& to, const std::string* value) { to.global.remote.limit_upload = *value; },
     true},
    {"limit-download",
     [](MountCommand& to, const std::string* value) { to.global.remote.limit_download = *value; },
     true},
    {"host", [](MountCommand& to, const std::string* value) { to.global.host = *value; }, true},
    {"config", [](MountCommand& to, const std::string* value) { to.global.config = *value; }, true},
    {"cache-dir", [](MountCommand& to, const std::string* value) { to.global.cache_dir = *value; },
     true},
    {"state-dir", [](MountCommand& to, const std::string* value) { to.global.state_dir = *value; },
     true},
    {"cache-size",
     [](MountCommand& to, const std::string* value) {
       to.cache_bytes = size_of("cache-size", *value);
     },
     true},
    {"spool-size",
     [](MountCommand& to, const std::string* value) {
       to.spool_bytes = size_of("spool-size", *value);
     },
     true},
    {"autocommit",
     [](MountCommand& to, const std::string* value) {
       to.autocommit = duration_of("autocommit", *value);
     },
     true},
    {"checkpoint-interval",
     [](MountCommand& to, const std::string* value) {
       to.checkpoint_interval = duration_of("checkpoint-interval", *value);
       if (to.checkpoint_interval->count() == 0) {
         throw Error{ErrorCode::usage, "checkpoint-interval=0: there must be checkpoints",
                     "for example checkpoint-interval=3m"};
       }
     },
     true},
    // Always so.
    {"default_permissions", ignore},
    // What mount(8), fstab and systemd say to each other.
    {"defaults", ignore},
    {"auto", ignore},
    {"noauto", ignore},
    {"nofail", ignore},
    {"_netdev", ignore},
    {"nouser", ignore},
    // Access times are not kept: these have nothing to decide.
    {"relatime", ignore},
    {"norelatime", ignore},
    {"strictatime", ignore},
    {"lazytime", ignore},
    {"nolazytime", ignore},
    {"diratime", ignore},
    {"nodiratime", ignore},
    {"async", ignore},
};

/// Options that others know and that are refused here, each with the way out.
struct RefusedOption {
  std::string_view name;
  std::string_view hint;
};
constexpr RefusedOption kRefused[] = {
    {"setuid", "to mount as another user let that user run `vgerfs`, or use `user` in fstab"},
    {"drop_privileges",
     "the daemon needs its privileges to keep owners and devices; mount as an ordinary user "
     "instead"},
    {"allow_root", "use allow_other"},
    {"remount", "unmount, and mount anew"},
    {"sync", "writes are kept by fsync and by a commit; every single one cannot be"},
    {"dirsync", "writes are kept by fsync and by a commit; every single one cannot be"},
    {"auto_unmount", "a mount whose daemon has died is detached by the next mount"},
};

/// Cuts "a,b=c\,d,e=\"f,g\"" at commas that are neither escaped nor quoted. As in mount(8), only a
/// quote at the beginning of a value is one.
std::vector<Option> split_options(std::string_view text) {
  std::vector<Option> options;
  Option option;
  bool in_value = false;
  bool quoted = false;
  const auto finish = [&] {
    if (!option.name.empty() || in_value) options.push_back(std::exchange(option, {}));
    in_value = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::string& to = in_value ? *option.value : option.name;
    if (c == '\\' && i + 1 < text.size() &&
        (text[i + 1] == ',' || text[i + 1] == '\\' || text[i + 1] == '"')) {
      to.push_back(text[++i]);
    } else if (c == '"' && (quoted || (in_value && text[i - 1] == '=' && to.empty()))) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      finish();
    } else if (c == '=' && !in_value) {
      in_value = true;
      option.value.emplace();
    } else {
      to.push_back(c);
    }
  }
  if (quoted) throw Error{ErrorCode::usage, fmt::format("-o {}: a quote is not closed", text)};
  finish();
  return options;
}

std::string unknown_hint(std::string_view name) {
  std::vector<std::string_view> names;
  for (const KnownOption& known : kOptions) names.push_back(known.name);
  const std::string near = suggestion(name, names);
  return near.empty() ? "see: man vgerfs" : near;
}

void apply_option(MountCommand& command, const Option& option, bool sloppy) {
  for (const RefusedOption& refused : kRefused) {
    if (refused.name == option.name) {
      throw Error{ErrorCode::usage, fmt::format("the option {} is not supported", option.name),
                  std::string{refused.hint}};
    }
  }
  // Of mount(8) and systemd, in fstab.
  if (option.name.starts_with("x-") || option.name.starts_with("X-") || option.name == "comment")
    return;
  if (option.name == "user" || option.name == "users" || option.name == "owner" ||
      option.name == "group") {
    command.noexec = true;
    return;
  }
  const auto* known =
      std::find_if(std::begin(kOptions), std::end(kOptions),
                   [&](const KnownOption& candidate) { return candidate.name == option.name; });
  if (known == std::end(kOptions)) {
    if (sloppy) return;
    throw Error{ErrorCode::usage, fmt::format("unknown mount option {}", option.name),
                unknown_hint(option.name)};
  }
  if (known->takes_value && (!option.value || option.value->empty())) {
    throw Error{ErrorCode::usage, fmt::format("the option {} needs a value", option.name),
                fmt::format("{}=…", option.name)};
  }
  if (!known->takes_value && option.value) {
    throw Error{ErrorCode::usage, fmt::format("the option {} takes no value", option.name)};
  }
  known->apply(command, option.value ? &*option.value : nullptr);
}

void check_together(const MountCommand& command) {
  if (command.read_only && command.ingest_only) {
    throw Error{ErrorCode::usage, "the options ro and ingest-only exclude each other",
                "ro shows only snapshots, ingest-only shows none"};
  }
}

struct Words {
  std::vector<std::string> places;
  std::vector<std::string> option_lists;
  bool sloppy = false;
};

/// `value` gives the word after a flag that takes one.
template <class NextValue>
void take_flag(std::string_view flag, bool as_helper, MountCommand& command, Words& words,
               NextValue value) {
  if (flag == "-o") {
    words.option_lists.push_back(value());
  } else if (flag.starts_with("-o") && flag.size() > 2) {
    words.option_lists.emplace_back(flag.substr(2));
  } else if (flag == "-v" || flag == "--verbose") {
    command.verbose = true;
  } else if (flag == "-f" || flag == "--foreground") {
    (as_helper ? command.fake : command.foreground) = true;
  } else if (flag == "-r" || flag == "--read-only") {
    words.option_lists.emplace_back("ro");
  } else if (flag == "-s") {
    words.sloppy = true;
  } else if (flag == "-n" || flag == "-w") {
    // mount(8): no mtab, which there is none of; read-write.
  } else if (as_helper && (flag == "-t" || flag == "-N")) {
    value();  // the type's name; the namespace, which mount(8) has entered
  } else if (flag == "-h" || flag == "--help") {
    command.help = true;
  } else if (flag == "-V" || flag == "--version") {
    command.version = true;
  } else {
    throw Error{ErrorCode::usage, fmt::format("unknown argument {}", flag), "see: vgerfs --help"};
  }
}

}  // namespace

MountCommand parse_mount_command(std::span<const char* const> arguments, bool as_helper) {
  MountCommand command;
  Words words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-') {
      words.places.emplace_back(argument);
      continue;
    }
    take_flag(argument, as_helper, command, words, [&]() -> std::string {
      if (i + 1 == arguments.size()) {
        throw Error{ErrorCode::usage, fmt::format("{} needs a value", argument),
                    "see: vgerfs --help"};
      }
      return arguments[++i];
    });
  }
  if (command.help || command.version) return command;
  for (const std::string& list : words.option_lists) {
    for (const Option& option : split_options(list)) apply_option(command, option, words.sloppy);
  }
  check_together(command);
  if (words.places.size() != 2 || words.places[0].empty() || words.places[1].empty()) {
    throw Error{ErrorCode::usage, "a repository and a mount point are needed",
                "vgerfs REPO MOUNTPOINT -o …"};
  }
  command.global.repository = words.places[0];
  command.mount_point = words.places[1];
  return command;
}

std::vector<std::string_view> mount_option_names() {
  std::vector<std::string_view> names;
  for (const KnownOption& known : kOptions) names.push_back(known.name);
  for (const RefusedOption& refused : kRefused) names.push_back(refused.name);
  return names;
}

std::string mount_help() {
  return R"(Usage: vgerfs REPO MOUNTPOINT [-f] [-v] [-o OPTION[,OPTION…]]
       mount -t fuse.vgerfs REPO MOUNTPOINT [-o OPTION[,OPTION…]]

Mounts a repository: snapshots/ shows what is in it, ingest/ takes what comes next.
REPO is a path, a URL, or a label of the configuration.

  -f, --foreground       stay in the foreground, messages to standard error
  -v, --verbose          say more
  -h, --help             this text
  -V, --version          the version

Options:
  ro                     show snapshots only, the fastest way to read
  ingest-only            show no snapshots
  allow_other            let other users in; file permissions decide
  passphrase-file=FILE   passphrase-command=COMMAND   key-file=FILE
  rest-token-file=FILE   ca-file=FILE   limit-upload=SIZE   limit-download=SIZE
                         for a repository on a server
  host=NAME              host name to use instead of this machine's
  cache-size=SIZE        decoded data kept in memory (64M)
  spool-size=SIZE        disk for what is not yet committed (4G)
  autocommit=DURATION    commit after so long without a request (5m; 0: never)
  checkpoint-interval=DURATION   (3m)
  cache-dir=DIR   state-dir=DIR   config=FILE
  accept-rollback        go on with a repository that shows less than was seen before
  dev, suid, noexec, noatime     as in mount(8); nodev and nosuid are the default.
                         mount(8) does not pass on dev and suid: use allow_dev and allow_suid there

Everything else: man vgerfs
)";
}

}  // namespace vgerfs::cli
