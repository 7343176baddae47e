# The units in contrib/systemd are correct, and as closed as they can be.
set -u
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze"; exit 77; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
failed=0

# As installed, but the programs are those of the build.
for unit in "$VGERFS_SOURCE"/contrib/systemd/*.{service,socket,timer} "$VGERFS_SOURCE"/contrib/systemd/examples/*.{mount,automount}; do
  sed -E "s#=(vgerfs-admin|vgerfs-server) #=$VGERFS_BIN/\\1 #" "$unit" >"$directory/${unit##*/}"
done
units=("$directory/vgerfs-backup@home.service" "$directory/vgerfs-backup@home.timer"
  "$directory"/vgerfs-maintenance.{service,timer} "$directory"/mnt-backup.{mount,automount}
  "$directory"/vgerfs-server.{service,socket})
# An instance is verified by its name.
for kind in service timer; do
  ln -s "vgerfs-backup@.$kind" "$directory/vgerfs-backup@home.$kind"
done

for unit in "${units[@]}"; do
  # Manual pages are found only where they are installed.
  problems=$(SYSTEMD_UNIT_PATH="$directory:" systemd-analyze verify --man=no "$unit" 2>&1)
  status=$?
  # It also reads the machine's own units: only what it says about ours counts.
  ours=$(grep -F "$directory" <<<"$problems")
  if ((status != 0)) || [[ -n $ours ]]; then
    echo "${unit##*/}: status $status: ${ours:-$problems}"
    failed=1
  fi
done

# Rating of systemd-analyze: 0 is closed, 10 is open.
# closed_to THRESHOLD SERVICE
closed_to() {
  local report
  if ! report=$(systemd-analyze security --offline=true --threshold="$1" "$directory/$2" 2>&1); then
    echo "$report" | tail -60
    echo "$2 is more open than it was"
    failed=1
  fi
}
closed_to 15 vgerfs-backup@.service
closed_to 12 vgerfs-maintenance.service
closed_to 6 vgerfs-server.service
exit $failed
