# What bash offers for a line that is not finished. Sourced, not run: completion is a shell function.
set -u
source "$VGERFS_SOURCE/contrib/completions/vgerfs-admin.bash"
failed=0

# expect "what is offered, sorted" words of the line; the last one is being typed
expect() {
  local wanted=$1
  shift
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _vgerfs_admin
  local offered
  offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')
  if [[ $offered != "$wanted" ]]; then
    echo "$*: offered '$offered', wanted '$wanted'"
    failed=1
  fi
}

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/sub"
touch "$directory/file"

expect "check commit compact config copy" vgerfs-admin c
expect "list lock ls" vgerfs-admin l
expect "find" vgerfs-admin fi
expect "b c d f l p s" vgerfs-admin find --type ""
expect "add export import list passphrase remove revoke" vgerfs-admin key ""
expect "add" vgerfs-admin -r /srv/backup --json key a
expect "rebuild-index release repair restore" vgerfs-admin re
expect "--read-data" vgerfs-admin repair --rea
expect "full ingest" vgerfs-admin key add --role ""
expect "--role" vgerfs-admin key add --ro
expect "--latest" vgerfs-admin list --la
expect "--repository" vgerfs-admin list --repo
expect "$directory/file" vgerfs-admin --passphrase-file "$directory/f"
expect "$directory/sub" vgerfs-admin -r "$directory/"
expect "" vgerfs-admin --host ""
expect "$directory/sub" vgerfs-admin umount "$directory/"
exit $failed
