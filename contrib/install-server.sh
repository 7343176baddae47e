#!/usr/bin/env bash
# Installs vgerfs-server as a service of systemd, or upgrades it. See --help.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: contrib/install-server.sh [--bin FILE] [--port PORT] [--data-dir DIR] [--admin-token FILE]
       contrib/install-server.sh --uninstall [--purge]

  --bin FILE          vgerfs-server to install into /usr/local/bin; default: the installed one stays
  --port PORT         where it listens on 127.0.0.1; default: 8484
  --data-dir DIR      where repositories lie; default: /var/lib/vgerfs-server
  --admin-token FILE  holds the token that may do everything; default: the one that is there, else a new
                      one, which is printed this once
  --uninstall         stops and removes the service; data, configuration and user stay
  --purge             with --uninstall: removes the data, the configuration and the user, too

Again with another --bin it upgrades: data and configuration stay as they are.
USAGE
}

fail() {
  echo "install-server: $*" >&2
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
units=/etc/systemd/system
config=/etc/vgerfs/server.toml
token_file=/etc/vgerfs/server-token
user=vgerfs-server
bin='' port=8484 data=/var/lib/vgerfs-server token='' uninstall=false purge=false
while (($#)); do
  case $1 in
    --bin) bin=${2:?} && shift 2 ;;
    --port) port=${2:?} && shift 2 ;;
    --data-dir) data=${2:?} && shift 2 ;;
    --admin-token) token=${2:?} && shift 2 ;;
    --uninstall) uninstall=true && shift ;;
    --purge) purge=true && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
((EUID == 0)) || fail "needs root"
[[ -d /run/systemd/system ]] || fail "systemd does not run here"

if $uninstall; then
  systemctl disable --now vgerfs-server.socket vgerfs-server.service 2>/dev/null || true
  data=$(sed -n 's/^Environment=VGERFS_SERVER_DATA_DIR=//p' "$units/vgerfs-server.service" 2>/dev/null || true)
  rm -f "$units"/vgerfs-server.{service,socket}
  systemctl daemon-reload
  if $purge; then
    rm -rf "$config" "$token_file" ${data:+"$data"}
    ! getent passwd "$user" >/dev/null || userdel "$user"
  fi
  exit 0
fi

[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || fail "$port is no port"
((port < 65536)) || fail "$port is no port"
[[ $data == /* && $data != *[[:space:]]* ]] || fail "the data directory must be an absolute path without blanks"
[[ -z $token || -s $token ]] || fail "$token holds no token"
if [[ -n $bin ]]; then
  "$bin" --version >/dev/null || fail "$bin does not run here"
  install -m 755 "$bin" /usr/local/bin/vgerfs-server.new
  mv /usr/local/bin/vgerfs-server.new /usr/local/bin/vgerfs-server  # a running one keeps its file
fi
program=$(command -v vgerfs-server) || fail "vgerfs-server is not installed: say --bin"

getent passwd "$user" >/dev/null ||
  useradd --system --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$user"
install -d -m 700 -o "$user" -g "$user" "$data"
install -d -m 755 "$(dirname "$config")"
[[ -e $config ]] || cat >"$config" <<'TOML'
# Keys: man 8 vgerfs-server. All have defaults; the data directory and the address are in the units.
[server]
TOML
made=''
if [[ -n $token ]]; then
  install -m 600 "$token" "$token_file"
elif [[ ! -s $token_file ]]; then
  made=$(head -c 32 /dev/urandom | base64 | tr -d '=+/\n')
  install -m 600 /dev/null "$token_file"
  printf '%s\n' "$made" >"$token_file"
fi

sed -e "s|^ExecStart=vgerfs-server |ExecStart=$program |" \
  -e "s|^Environment=VGERFS_SERVER_DATA_DIR=.*|Environment=VGERFS_SERVER_DATA_DIR=$data|" \
  -e "/^StateDirectory=/a ReadWritePaths=$data" \
  "$here/systemd/vgerfs-server.service" >"$units/vgerfs-server.service"
sed -e "s|^ListenStream=.*|ListenStream=127.0.0.1:$port|" "$here/systemd/vgerfs-server.socket" >"$units/vgerfs-server.socket"
"$program" --config "$config" --data-dir "$data" --check-config >/dev/null

systemctl daemon-reload
systemctl enable --quiet vgerfs-server.socket vgerfs-server.service
systemctl stop vgerfs-server.service
systemctl restart vgerfs-server.socket
systemctl restart vgerfs-server.service
healthy() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  grep -q '"status":"ok"' <&3
}
for _ in {1..100}; do
  if (healthy) 2>/dev/null; then
    echo "vgerfs-server listens at http://127.0.0.1:$port/"
    [[ -z $made ]] || echo "its admin token, kept in $token_file: $made"
    exit 0
  fi
  sleep 0.2
done
fail "it does not answer: journalctl -u vgerfs-server"
