#!/usr/bin/python3
"""Running the server: sockets, signals, tokens, trash and quota on the host, logs, proxies."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from server_world import PATIENCE, SERVER, TOKEN, Server, check, clean_environment, main, make_tree, name_of, run


def eventually(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def health_needs_no_token(server):
    server.start().make_repository("one")
    server.make_repository("team/two")
    for target in ("/health", "/api/v1/health"):
        health = json.loads(server.expect(200, "GET", target, token=None).body)
        check(health["status"] == "ok" and health["repositories"] == 2, "health says %s" % health)
        check(0 < health["disk_free_bytes"] <= health["disk_total_bytes"], "health says %s" % health)


def a_wrong_configuration_is_refused(server):
    with open(server.config, "a", encoding="ascii") as out:
        out.write("\napend_only = true\n")
    done = server.command("--check-config", ok=(2,))
    lines = sum(1 for _ in open(server.config, encoding="ascii"))
    check("server.toml:%d:1: unknown key \"apend_only\"" % lines in done.errors, "it says: " + done.errors)
    server.configure()
    check("valid" in server.command("--check-config").text, "a good one is not valid")
    check(TOKEN not in done.errors + done.text, "the token is told")
    run(SERVER, "--config", server.work + "/none", ok=(1, 2), env=clean_environment())
    run(SERVER, "--data-dir", server.data, "--token", "x", ok=(2,), env=clean_environment())


def it_listens_at_a_unix_socket(server):
    path = server.work + "/http.sock"
    server.configure('listen = ["unix:%s", "127.0.0.1:0"]' % path)
    server.start()
    check(os.stat(path).st_mode & 0o777 == 0o660, "the socket's mode is %o" % os.stat(path).st_mode)
    with contextlib.closing(UnixConnection(path)) as connection:
        server.expect(200, "POST", "/repo/?create=true", connection=connection)
        data = os.urandom(2 << 20)
        server.expect(200, "POST", "/repo/data/" + name_of(data), data, connection=connection)
        check(server.expect(200, "GET", "/repo/data/" + name_of(data), connection=connection).body == data, "wrong bytes")
    server.kill()
    check(os.path.exists(path), "a killed server leaves its socket")
    server.start()
    server.stop()
    check(not os.path.exists(path), "a stopped server leaves its socket")
    server.start()


def systemd_hands_it_sockets(server):
    program = shutil.which("systemd-socket-activate")
    check(program, "systemd-socket-activate is missing")
    path = server.work + "/activated.sock"
    process = subprocess.Popen([program, "-l", path, "--", SERVER, "--config", server.config], env=clean_environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: os.path.exists(path), "no socket")
        with contextlib.closing(UnixConnection(path)) as connection:
            server.expect(200, "GET", "/health", connection=connection)
    finally:
        process.send_signal(signal.SIGTERM)
        check(process.wait(PATIENCE) == 0, "the activated server ended with %s" % process.returncode)
    check(os.path.exists(path), "it removed a socket that is systemd's")


def systemd_is_told_when_it_is_ready(server):
    path = server.work + "/notify"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
        notify.bind(path)
        notify.settimeout(PATIENCE)
        server.start(env={"NOTIFY_SOCKET": path})
        check(b"READY=1" in notify.recv(1000), "not ready")
        server.stop()
        check(b"STOPPING=1" in notify.recv(1000), "not stopping")


def a_second_server_on_the_directory_is_refused(server):
    server.start()
    done = run(SERVER, "--config", server.config, ok=(1,), env=clean_environment())
    check("another vgerfs-server" in done.errors, "it says: " + done.errors)


def a_stop_lets_requests_end(server):
    server.start().make_repository()
    data = os.urandom(1 << 20)
    idle = server.raw()
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(("POST /repo/data/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
                            % (name_of(data), TOKEN, len(data))).encode() + data[:1000])
        eventually(lambda: os.listdir(server.private("uploads")), "the upload did not begin")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        idle.settimeout(PATIENCE)
        check(idle.recv(10) == b"", "an idle connection stays open")
        idle.close()
        with contextlib.suppress(ConnectionRefusedError):
            with contextlib.closing(server.raw()):
                check(False, "a new connection was accepted")
        connection.sendall(data[1000:])
        connection.settimeout(PATIENCE)
        got = connection.recv(1000)
        check(b"HTTP/1.1 200" in got, "the upload was cut off")
        # Who keeps connections open would keep the server.
        check(b"\r\nConnection: close\r\n" in got, "the client is not told that this was the last answer")
        with contextlib.suppress(TimeoutError):
            got = connection.recv(1000)
        check(got == b"", "the connection stays open")
    check(server.process.wait(PATIENCE) == 0, "it ended with %s" % server.process.returncode)
    server.process = None
    server.start()
    check(server.listed() == {name_of(data): len(data)}, "the upload is not there")


def a_stop_does_not_wait_for_ever(server):
    server.configure("drain_seconds = 1")
    server.start().make_repository()
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(("POST /repo/data/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\n\r\nx"
                            % ("0" * 64, TOKEN)).encode())
        eventually(lambda: os.listdir(server.private("uploads")), "the upload did not begin")
        server.stop(status=1)
    server.start()
    check(not os.listdir(server.private("uploads")), "the start did not sweep the partial upload")


def tokens_come_and_go_while_it_runs(server):
    server.start().make_repository()
    server.make_repository("other")
    appender = server.make_token("laptop", "append", "repo")
    reader = server.make_token("reader", "read", "*", "--expires", "1h")
    eventually(lambda: server.send("GET", "/other/config", token=reader).status == 200, "a new token is not known")
    server.expect(200, "GET", "/repo/config", token=appender)
    server.expect(403, "GET", "/other/config", token=appender)
    server.put(b"bytes", token=appender)
    server.put(b"more", token=reader, status=403)
    listed = json.loads(server.command("token", "list", "--json").text)
    check([(each["name"], each["role"], each["state"]) for each in listed] ==
          [("laptop", "append", "valid"), ("reader", "read", "valid")], "token list says %s" % listed)
    check(appender not in server.command("token", "list").text, "token list tells the token")
    server.command("token", "create", "laptop", "--repo", "repo", ok=(1,))
    server.command("token", "revoke", "laptop")
    eventually(lambda: server.send("GET", "/repo/config", token=appender).status == 401, "a revoked token is good")
    server.command("token", "revoke", "laptop", ok=(1,))
    for root, _, files in os.walk(server.data):
        for file in files:
            with open(os.path.join(root, file), "rb") as stored:
                check(appender.encode() not in stored.read(), "%s holds the token" % file)
    check(appender not in server.log() and TOKEN not in server.log(), "the log holds a token")


def a_hangup_reads_the_configuration_again(server):
    server.start().make_repository()
    name = server.put(b"bytes")
    server.token = "quite-another-token"
    server.configure("append_only = true")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    server.expect(401, "GET", "/repo/config", token=TOKEN)
    server.expect(403, "DELETE", "/repo/data/" + name)
    with open(server.config, "a", encoding="ascii") as out:
        out.write("\nnonsense = 1\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reload_failed")
    server.expect(200, "GET", "/repo/config")


def what_was_removed_can_be_restored(server):
    server.start().make_repository()
    one, two = server.put(b"one"), server.put(b"two")
    server.expect(200, "DELETE", "/repo/data/" + one)
    server.expect(200, "DELETE", "/repo/data/" + two)
    server.put(b"two")
    trash = json.loads(server.command("trash", "list", "--json").text)
    check([each["object"][-64:] for each in trash] == [one, two], "the trash holds %s" % trash)
    check("1 objects restored, 1 were there again" in server.command("trash", "restore", "--repo", "repo").text, "not so")
    check(server.expect(200, "GET", "/repo/data/" + one).body == b"one", "other bytes came back")
    check(server.listed() == server.stored(), "list and directory differ")
    server.command("trash", "empty")
    check(not os.listdir(server.private("trash")), "the trash is not empty")
    check(json.loads(server.command("trash", "list", "--json").text) == [], "the list of the trash is not empty")


def an_old_trash_is_emptied(server):
    server.configure("trash_days = 0")
    server.start().make_repository()
    server.expect(200, "DELETE", "/repo/data/" + server.put(b"one"))
    time.sleep(1.1)
    server.stop()
    server.start()
    eventually(lambda: not os.listdir(server.private("trash")), "the trash is not emptied")


def restic_prunes_a_full_repository(server):
    server.configure("quota_bytes = 8000000")
    server.start()
    server.restic("init")
    token = server.make_token("client", "append", "repo")
    eventually(lambda: server.send("GET", "/repo/config", token=token).status == 200, "a new token is not known")
    source = make_tree(server.work + "/source", large=6 << 20)
    server.restic("backup", source, token=token)
    make_tree(source, seed=2, large=6 << 20)
    server.expect(507, "POST", "/repo/data/" + name_of(b"x" * (4 << 20)), b"x" * (4 << 20), token=token)
    check("vgerfs_reserved_bytes 0\n" in server.expect(200, "GET", "/metrics").text, "space stays reserved")
    make_tree(source, seed=1, files=5, large=1 << 20)
    server.restic("backup", source, token=token)
    server.restic("forget", "--keep-last", "1", "--prune")
    server.restic("check", "--read-data")
    server.expect(200, "POST", "/repo/data/" + name_of(b"x" * (4 << 20)), b"x" * (4 << 20), token=token)


def a_full_disk_keeps_its_floor(server):
    server.configure("min_free_bytes = %d" % (1 << 62))
    server.start()
    server.expect(200, "POST", "/repo/?create=true")
    server.put(b"bytes", status=507)
    check(not os.listdir(server.private("uploads")), "a refused upload left a file")


def json_logs_are_json(server):
    server.configure('log_format = "json"')
    server.start()
    server.expect(401, "GET", "/repo/config", token="wrong", headers={"X-Forwarded-For": "203.0.113.7"})
    server.expect(401, "GET", "/repo/config", token="wrong", headers={"X-Forwarded-For": "9" * 1000})
    server.stop()
    events = [json.loads(line) for line in server.log().splitlines()]
    check([each["event"] for each in events] == ["listening", "refused", "refused", "stopping", "stopped"], "the log is %s" % events)
    check(events[1]["target"] == "/repo/config" and events[1]["reason"] == "unknown token", "refused says %s" % events[1])
    check(events[1]["peer"].endswith(" for 203.0.113.7"), "whom the proxy speaks for is not told: %s" % events[1])
    check("9999" not in events[2]["peer"], "anything can be written into the log: %s" % events[2])


@contextlib.contextmanager
def proxy(server, name, command_line):
    """A TLS proxy in front of the server; gives its URL and certificate. command_line(work, port) writes what it needs."""
    work = "%s/%s" % (server.work, name)
    os.makedirs(work)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
        work + "/key", "-out", work + "/crt", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:backup.test,IP:127.0.0.1")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with open(work + "/errors", "wb") as errors:
        process = subprocess.Popen(command_line(work, port), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                   env=clean_environment(HOME=work, XDG_DATA_HOME=work))
    try:
        def is_up():
            with open(work + "/errors", encoding="utf-8", errors="replace") as said:
                check(process.poll() is None, "%s ended: %s" % (name, said.read()[-2000:]))
            with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port))):
                return True
            return False
        eventually(is_up, name + " does not listen")
        yield "https://localhost:%d/" % port, work + "/crt"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def example(name, server):
    with open(os.path.join(os.environ["VGERFS_SOURCE"], "docs/examples", name), encoding="ascii") as snippet:
        return snippet.read().replace("127.0.0.1:8484", server.address)


def restic_lives_behind(server, url, certificate):
    source = make_tree(server.work + "/source")
    for command in (("init",), ("backup", source), ("check", "--read-data"), ("forget", "--keep-last", "1", "--prune"),
                    ("restore", "latest", "--target", server.work + "/restored")):
        server.restic("--cacert", certificate, *command, url=url)
    run("diff", "-r", source, server.work + "/restored" + source)
    # A body of 64 MiB goes through as it comes.
    data = os.urandom(64 << 20)
    with open(server.work + "/body", "wb") as out:
        out.write(data)
    run("curl", "-sS", "--fail", "--cacert", certificate, "-H", "Authorization: Bearer " + TOKEN, "--data-binary",
        "@" + server.work + "/body", "-H", "Content-Type: application/octet-stream", url + "repo/data/" + name_of(data),
        env=clean_environment())
    check(server.listed()[name_of(data)] == len(data), "the body of 64 MiB did not arrive")


def behind_nginx(server, *lines):
    """The server, which runs, behind nginx with TLS: a context with URL and certificate. `lines`: more of nginx's server {}."""
    def command_line(work, port):
        with open(work + "/nginx.conf", "w", encoding="ascii") as out:
            out.write("daemon off; worker_processes 1; pid %s/pid; error_log stderr; %s events {}\nhttp {\naccess_log off;\n" % (
                work, "user root;" if os.geteuid() == 0 else ""))
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
                out.write("%s_temp_path %s/%s;\n" % (kind, work, kind))
            out.write("server { listen 127.0.0.1:%d ssl http2; server_name localhost; ssl_certificate %s/crt; ssl_certificate_key %s/key;\n%s\n%s\n} }\n"
                      % (port, work, work, "\n".join(lines), example("nginx.conf", server)))
        return ["/usr/sbin/nginx", "-c", work + "/nginx.conf", "-p", work]
    return proxy(server, "nginx", command_line)


def restic_lives_on_it_behind_nginx_with_tls(server):
    server.start()
    with behind_nginx(server) as (url, certificate):
        restic_lives_behind(server, url, certificate)
        for kind in ("client_body", "proxy"):
            check(not os.listdir("%s/nginx/%s" % (server.work, kind)), "nginx has buffered on its disk")


def behind_caddy(server):
    def command_line(work, port):
        with open(work + "/Caddyfile", "w", encoding="ascii") as out:
            # What the test adds: no administration port, nothing of this machine's trust is touched, a certificate of its own.
            out.write("{\nadmin off\nauto_https disable_redirects\nskip_install_trust\nstorage file_system %s\n}\n" % work)
            out.write(example("Caddyfile", server).replace("backup.example.com {", "https://localhost:%d {\nbind 127.0.0.1\ntls %s/crt %s/key"
                                                           % (port, work, work)))
        return ["caddy", "run", "--config", work + "/Caddyfile", "--adapter", "caddyfile"]
    return proxy(server, "caddy", command_line)


def restic_lives_on_it_behind_caddy_with_tls(server):
    server.start()
    with behind_caddy(server) as (url, certificate):
        restic_lives_behind(server, url, certificate)


if __name__ == "__main__":
    main(health_needs_no_token, a_wrong_configuration_is_refused, it_listens_at_a_unix_socket, systemd_hands_it_sockets,
         systemd_is_told_when_it_is_ready, a_second_server_on_the_directory_is_refused, a_stop_lets_requests_end,
         a_stop_does_not_wait_for_ever, tokens_come_and_go_while_it_runs, a_hangup_reads_the_configuration_again,
         what_was_removed_can_be_restored, an_old_trash_is_emptied, restic_prunes_a_full_repository, a_full_disk_keeps_its_floor,
         json_logs_are_json, restic_lives_on_it_behind_nginx_with_tls,
         restic_lives_on_it_behind_caddy_with_tls)
