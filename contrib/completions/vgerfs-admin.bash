# bash completion of vgerfs-admin, made by `vgerfs-admin completion bash`

_vgerfs_admin_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }
_vgerfs_admin_paths() {
  mapfile -t COMPREPLY < <(compgen "$1" -- "${COMP_WORDS[COMP_CWORD]}")
  compopt -o filenames 2>/dev/null
  return 0
}

# Sets words, options and argument of the command whose words are $1.
_vgerfs_admin_command() {
  case $1 in
    '')
      words='init backup list ls find info restore diff dump copy delete prune undelete hold release tag compact check rebuild-index repair doctor mount umount commit key lock config version'
      options='--help -h --version --repository -r --config --passphrase-file --passphrase-command --passphrase-fd --key-file --rest-token-file --ca-file --limit-upload --limit-download --cache-dir --state-dir --host --json --quiet -q --verbose -v --accept-rollback'
      argument=":"
      ;;
    'init')
      words=''
      options='--help -h --encryption --new-key-file --label'
      argument=":"
      ;;
    'backup')
      words=''
      options='--help -h --source -s --exclude -e --exclude-from --one-file-system -x --exclude-caches --tag -t --stdin --stdin-name --compression --force-snapshot --read-all --dry-run -n'
      argument="_vgerfs_admin_paths -f"
      ;;
    'list')
      words=''
      options='--help -h --tag -t --latest --removed'
      argument=":"
      ;;
    'ls')
      words=''
      options='--help -h --recursive -R --long -l'
      argument=":"
      ;;
    'find')
      words=''
      options='--help -h --regex --ignore-case -i --snapshot --host --source -s --tag -t --type --larger --smaller --newer --older'
      argument=":"
      ;;
    'info')
      words=''
      options='--help -h --exclusive --growth'
      argument=":"
      ;;
    'restore')
      words=''
      options='--help -h --include -i --exclude -e --in-place --delete --verify --dry-run -n'
      argument="_vgerfs_admin_paths -f"
      ;;
    'diff')
      words=''
      options='--help -h --read-data --exclude -e --one-file-system -x'
      argument=":"
      ;;
    'dump')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'copy')
      words=''
      options='--help -h --to --to-passphrase-file --to-passphrase-command --to-key-file --host --source -s --tag -t --compression --dry-run -n'
      argument=":"
      ;;
    'delete')
      words=''
      options='--help -h --dry-run -n'
      argument=":"
      ;;
    'prune')
      words=''
      options='--help -h --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --keep-tag --host --source -s --tag -t --allow-empty --dry-run -n'
      argument=":"
      ;;
    'undelete')
      words=''
      options='--help -h --grace --list'
      argument=":"
      ;;
    'hold')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'release')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'tag')
      words=''
      options='--help -h --add --remove --set'
      argument=":"
      ;;
    'compact')
      words=''
      options='--help -h --threshold --max-repack --grace --now --reseal --dry-run -n'
      argument=":"
      ;;
    'check')
      words=''
      options='--help -h --quick --read-data --server-read --no-vouch'
      argument=":"
      ;;
    'rebuild-index')
      words=''
      options='--help -h --dry-run -n'
      argument=":"
      ;;
    'repair')
      words=''
      options='--help -h --dry-run -n --read-data'
      argument=":"
      ;;
    'doctor')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'mount')
      words=''
      options='--help -h -o --foreground -f'
      argument="_vgerfs_admin_paths -d"
      ;;
    'umount')
      words=''
      options='--help -h --lazy -l --force -f'
      argument="_vgerfs_admin_paths -d"
      ;;
    'commit')
      words=''
      options='--help -h'
      argument="_vgerfs_admin_paths -d"
      ;;
    'key')
      words='list add passphrase remove revoke export import'
      options='--help -h'
      argument=":"
      ;;
    'key list')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'key add')
      words=''
      options='--help -h --role --host --label --new-passphrase-file --new-passphrase-command --new-passphrase-fd --new-key-file'
      argument=":"
      ;;
    'key passphrase')
      words=''
      options='--help -h --new-passphrase-file --new-passphrase-command --new-passphrase-fd'
      argument=":"
      ;;
    'key remove')
      words=''
      options='--help -h --force'
      argument=":"
      ;;
    'key revoke')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'key export')
      words=''
      options='--help -h'
      argument="_vgerfs_admin_paths -f"
      ;;
    'key import')
      words=''
      options='--help -h'
      argument="_vgerfs_admin_paths -f"
      ;;
    'lock')
      words='list break'
      options='--help -h'
      argument=":"
      ;;
    'lock list')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'lock break')
      words=''
      options='--help -h --expired --force'
      argument=":"
      ;;
    'config')
      words='example check'
      options='--help -h'
      argument=":"
      ;;
    'config example')
      words=''
      options='--help -h'
      argument=":"
      ;;
    'config check')
      words=''
      options='--help -h'
      argument="_vgerfs_admin_paths -f"
      ;;
    'version')
      words=''
      options='--help -h'
      argument=":"
      ;;
  esac
}

_vgerfs_admin() {
  local path='' words='' options='' argument='' word i
  COMPREPLY=()
  _vgerfs_admin_command ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
    --repository | -r | --config | --passphrase-file | --passphrase-command | --passphrase-fd | --key-file | --rest-token-file | --ca-file | --limit-upload | --limit-download | --cache-dir | --state-dir | --host | --encryption | --new-key-file | --label | --source | -s | --exclude | -e | --exclude-from | --tag | -t | --stdin-name | --compression | --tag | -t | --snapshot | --host | --source | -s | --tag | -t | --type | --larger | --smaller | --newer | --older | --include | -i | --exclude | -e | --exclude | -e | --to | --to-passphrase-file | --to-passphrase-command | --to-key-file | --host | --source | -s | --tag | -t | --compression | --keep-last | --keep-hourly | --keep-daily | --keep-weekly | --keep-monthly | --keep-yearly | --keep-within | --keep-tag | --host | --source | -s | --tag | -t | --grace | --add | --remove | --set | --threshold | --max-repack | --grace | --read-data | -o | --role | --host | --label | --new-passphrase-file | --new-passphrase-command | --new-passphrase-fd | --new-key-file | --new-passphrase-file | --new-passphrase-command | --new-passphrase-fd) ((i++)) ;;
    -*) ;;
    *)
      if [[ " $words " == *" $word "* ]]; then
        path=${path:+$path }$word
        _vgerfs_admin_command "$path"
      fi
      ;;
    esac
  done
  case "$path ${COMP_WORDS[COMP_CWORD - 1]}" in
    'key passphrase --new-passphrase-fd') : && return ;;
    'key passphrase --new-passphrase-command') : && return ;;
    'key passphrase --new-passphrase-file') _vgerfs_admin_paths -f && return ;;
    'key add --new-key-file') _vgerfs_admin_paths -f && return ;;
    'key add --new-passphrase-fd') : && return ;;
    'key add --new-passphrase-command') : && return ;;
    'key add --new-passphrase-file') _vgerfs_admin_paths -f && return ;;
    'key add --label') : && return ;;
    'key add --host') : && return ;;
    'key add --role') _vgerfs_admin_words 'full ingest' && return ;;
    'mount -o') : && return ;;
    'check --read-data') : && return ;;
    'compact --grace') : && return ;;
    'compact --max-repack') : && return ;;
    'compact --threshold') : && return ;;
    'tag --set') : && return ;;
    'tag --remove') : && return ;;
    'tag --add') : && return ;;
    'undelete --grace') : && return ;;
    'prune --tag' | 'prune -t') : && return ;;
    'prune --source' | 'prune -s') : && return ;;
    'prune --host') : && return ;;
    'prune --keep-tag') : && return ;;
    'prune --keep-within') : && return ;;
    'prune --keep-yearly') : && return ;;
    'prune --keep-monthly') : && return ;;
    'prune --keep-weekly') : && return ;;
    'prune --keep-daily') : && return ;;
    'prune --keep-hourly') : && return ;;
    'prune --keep-last') : && return ;;
    'copy --compression') : && return ;;
    'copy --tag' | 'copy -t') : && return ;;
    'copy --source' | 'copy -s') : && return ;;
    'copy --host') : && return ;;
    'copy --to-key-file') _vgerfs_admin_paths -f && return ;;
    'copy --to-passphrase-command') : && return ;;
    'copy --to-passphrase-file') _vgerfs_admin_paths -f && return ;;
    'copy --to') _vgerfs_admin_paths -d && return ;;
    'diff --exclude' | 'diff -e') : && return ;;
    'restore --exclude' | 'restore -e') : && return ;;
    'restore --include' | 'restore -i') : && return ;;
    'find --older') : && return ;;
    'find --newer') : && return ;;
    'find --smaller') : && return ;;
    'find --larger') : && return ;;
    'find --type') _vgerfs_admin_words 'f d l p s c b' && return ;;
    'find --tag' | 'find -t') : && return ;;
    'find --source' | 'find -s') : && return ;;
    'find --host') : && return ;;
    'find --snapshot') : && return ;;
    'list --tag' | 'list -t') : && return ;;
    'backup --compression') : && return ;;
    'backup --stdin-name') : && return ;;
    'backup --tag' | 'backup -t') : && return ;;
    'backup --exclude-from') _vgerfs_admin_paths -f && return ;;
    'backup --exclude' | 'backup -e') : && return ;;
    'backup --source' | 'backup -s') : && return ;;
    'init --label') : && return ;;
    'init --new-key-file') _vgerfs_admin_paths -f && return ;;
    'init --encryption') _vgerfs_admin_words 'auto aes256gcm chacha20poly1305' && return ;;
    *' --repository' | *' -r') _vgerfs_admin_paths -d && return ;;
    *' --config') _vgerfs_admin_paths -f && return ;;
    *' --passphrase-file') _vgerfs_admin_paths -f && return ;;
    *' --passphrase-command') : && return ;;
    *' --passphrase-fd') : && return ;;
    *' --key-file') _vgerfs_admin_paths -f && return ;;
    *' --rest-token-file') _vgerfs_admin_paths -f && return ;;
    *' --ca-file') _vgerfs_admin_paths -f && return ;;
    *' --limit-upload') : && return ;;
    *' --limit-download') : && return ;;
    *' --cache-dir') _vgerfs_admin_paths -d && return ;;
    *' --state-dir') _vgerfs_admin_paths -d && return ;;
    *' --host') : && return ;;
  esac
  if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
    _vgerfs_admin_words "$options --help -h --version --repository -r --config --passphrase-file --passphrase-command --passphrase-fd --key-file --rest-token-file --ca-file --limit-upload --limit-download --cache-dir --state-dir --host --json --quiet -q --verbose -v --accept-rollback"
  elif [[ -n $words ]]; then
    _vgerfs_admin_words "$words"
  else
    eval "$argument"
  fi
}

complete -F _vgerfs_admin vgerfs-admin
