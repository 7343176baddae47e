#include "cli/configuration_example.h"

namespace vgerfs::cli {

const char* const kConfigurationExample =
    R"yaml(# Configuration of vgerfs: vgerfs.yaml(5). Check it with: vgerfs-admin config check
#
# The first of these counts: --config FILE, $VGERFS_CONFIG, ./vgerfs.yaml, ~/.config/vgerfs/config.yaml,
# ~/.config/vgerfs/vgerfs.yaml, /etc/vgerfs/config.yaml, /etc/vgerfs/vgerfs.yaml. Relative paths count from the
# directory of this file.

# Where backups are kept. `vgerfs-admin -r LABEL …` chooses one; with a single one, -r may be left out.
repositories:
  - url: /srv/backup
    label: local
  - url: /mnt/usb/backup
    label: usb
    # Settings of its own, instead of the general ones below.
    encryption:
      key_file: /etc/vgerfs/usb.key
  # A server that speaks restic's REST protocol: vgerfs-server, restic's rest-server, `rclone serve restic`.
  - url: https://backup.example.com/myrepo
    label: server
    # chmod 600: one line, the token (or the password). rest_token: TOKEN is possible, too.
    rest_token_file: /etc/vgerfs/rest-token
    # For servers that want a name with it.
    # rest_user: joe
    # Instead of the system's authorities; a certificate of this client's.
    # ca_file: /etc/vgerfs/ca.pem
    # client_cert: /etc/vgerfs/client.pem
    # client_key: /etc/vgerfs/client.key
    # Bytes per second.
    # upload_limit: 2M
    # download_limit: 10M
    # http:// to other machines than this one, unencrypted.
    # allow_insecure: false

# How repositories are created and opened. One of passphrase_file, passphrase_command, key_file; without any of
# them the passphrase is asked for. Options and the environment come first.
encryption:
  # auto, aes256gcm or chacha20poly1305; counts when a repository is created, and is demanded of it afterwards.
  mode: auto
  # chmod 600: one line, the passphrase.
  passphrase_file: /etc/vgerfs/passphrase
  # passphrase_command: pass show backup
  # key_file: /etc/vgerfs/backup.key

# What `vgerfs-admin backup` stores. The label names the source: snapshots/HOST/LABEL/ in the mount.
sources:
  - label: home
    path: /home
    # gitignore syntax, from the source's root.
    exclude:
      - .cache/
      - "*.tmp"
    # Directories with a CACHEDIR.TAG are stored without their content.
    exclude_caches: true
    # Stay on the file system of the path.
    one_file_system: true
  - label: system
    # Several paths: each lies under its whole path in the snapshot.
    paths:
      - /etc
      - /usr/local
    tags: [weekly]

# For every source, before its own.
exclude_patterns:
  - lost+found/
  - "*.swp"

# What `vgerfs-admin prune` keeps, per host and source.
retention:
  keep_last: 3
  keep_hourly: 24
  keep_daily: 7
  keep_weekly: 5
  keep_monthly: 12
  keep_yearly: 5
  # Everything that is at most so much older than the newest: y, m (months), w, d or h.
  keep_within: 2d
  # Everything with one of these tags.
  keep_tags: [keep]

# This machine's name in snapshots. Default: the host name up to the first dot.
# host: laptop

# Where the client keeps its files. Default as root: /var/cache/vgerfs and /var/lib/vgerfs-client.
# cache_dir: /var/cache/vgerfs
# state_dir: /var/lib/vgerfs-client

# How often a running backup makes safe what it has stored so far.
checkpoint_interval: 3m

# zstd, 1 (fast) to 19 (small).
compression:
  level: 1
)yaml";

}  // namespace vgerfs::cli
