# Completion of vgerfs-server for bash.
_vgerfs_server() {
  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]} command='' sub='' each
  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $each in
      -*) ;;
      token | trash | rescan) [[ -n $command ]] || command=$each ;;
      create | list | revoke | restore | empty) [[ -z $command ]] || sub=$each ;;
    esac
  done
  case $last in
    --config | --token-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --data-dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    --role) mapfile -t COMPREPLY < <(compgen -W "read append maintain admin" -- "$word") && return ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W "pretty json" -- "$word") && return ;;
  esac
  local words
  case $command/$sub in
    token/) words="create list revoke" ;;
    token/create) words="--repo --role --expires --quota" ;;
    trash/) words="list restore empty" ;;
    trash/list) words="--repo --id --json" ;;
    trash/*) words="--repo --id" ;;
    token/list) words="--json" ;;
    /*) words="token trash rescan --config --check-config --version --help --listen --data-dir --token-file --require-token --append-only --allow-insecure --log-format
      --quota-bytes --lock-ttl-seconds --min-free-bytes --trash-days --changes-days --scrub-days
      --scrub-bytes-per-second --max-object-bytes --max-connections --idle-timeout-seconds
      --request-timeout-seconds --stall-timeout-seconds --drain-seconds --io-threads" ;;
    *) words='' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _vgerfs_server vgerfs-server
