#!/usr/bin/python3
"""Our client and our mount over REST: vgerfs-server, alone and behind nginx and caddy with TLS, and rclone's server."""
import contextlib
import json
import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time

from server_operation import behind_caddy, behind_nginx
from server_world import PATIENCE, TOKEN, Server, clean_environment, make_tree, name_of
from world import SMALL, World, check, compare, main, rsync_silent, run, skip, slice_of_usr

FAILED = 1


class RestWorld(World):
    """A work directory, and a repository on a server once one of the methods has started it."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.work = tempfile.mkdtemp(prefix="vgerfs-test-")
        self.full = self.secret("full")
        self.mounts, self.certificate, self.server, self.data = [], None, None, None
        self.variables = {}  # of the environment of all commands
        self.token_file = self.work + "/token"
        self.stack = contextlib.ExitStack()
        self.give_token(TOKEN)

    def give_token(self, token):
        with open(self.token_file, "w", opener=lambda p, f: os.open(p, f, 0o600)) as out:
            out.write(token + "\n")

    def environment(self, client):
        env = {**clean_environment(), **super().environment(client)}
        for name in list(env):
            if name.lower().endswith("_proxy"):
                del env[name]
        env["VGERFS_REST_TOKEN_FILE"] = self.token_file
        if self.certificate:
            env["VGERFS_CA_FILE"] = self.certificate
        env.update(self.variables)
        return env

    def mount(self, *options, **more):
        options += ("rest-token-file=" + self.token_file,)
        if self.certificate:
            options += ("ca-file=" + self.certificate,)
        return super().mount(*options, **more)

    def on_our_server(self, *lines):
        self.server = Server(*lines)
        self.stack.callback(self.server.close)
        self.server.start()
        self.data = self.server.data + "/repo"
        self.repository = "http://127.0.0.1:%d/repo" % self.server.port

    def behind(self, proxy):
        self.on_our_server()
        url, self.certificate = self.stack.enter_context(proxy(self.server))
        self.repository = url + "repo"

    def on_rclone(self):
        if not shutil.which("rclone"):
            skip("needs rclone")
        self.data = self.work + "/rclone"
        os.mkdir(self.data)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(["rclone", "serve", "restic", "--addr", "127.0.0.1:%d" % port, "--user", "joe", "--pass", TOKEN,
                                    self.data], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=clean_environment(HOME=self.work))
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        deadline = time.monotonic() + PATIENCE
        while True:
            check(process.poll() is None and time.monotonic() < deadline, "rclone does not listen")
            with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port))):
                break
            time.sleep(0.05)
        self.repository = "http://joe@127.0.0.1:%d" % port

    def stored(self):
        return sum(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(self.data) for name in names)

    def close(self):
        for mount in self.mounts:
            mount.end()
        self.mounts = []
        try:
            self.stack.close()
        finally:
            shutil.rmtree(self.work, ignore_errors=True)


def restored(world, snapshot, expected, **how):
    out = world.work + "/out"
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    world.admin("restore", snapshot, out, **how)
    compare(expected, out)


def whole_life(world):
    """Every command; then the mount."""
    source = make_tree(world.work + "/source")
    world.admin("init")
    check(world.admin("init", ok=None).returncode != 0, "a second init took the place of the first")
    world.admin("backup", "--source", "home", source)
    first = world.snapshots("home")[0]["id"]
    restored(world, "latest:home", source)
    check(world.admin_json("info")["snapshots"] == 1, "info does not count one snapshot")
    check("large" in world.admin("ls", "latest:home").text, "ls does not show the file")
    check(world.admin("find", "large").text, "find finds nothing")
    before = world.stored()
    world.admin("backup", "--source", "home", source)
    check(world.stored() < before + (1 << 20), "what was known was sent again")
    make_tree(source, seed=2)
    world.admin("backup", "--source", "home", source, client="another")
    restored(world, "latest:home", source)
    world.admin("check", "--read-data")
    world.admin("delete", first)
    world.admin("undelete", first)
    world.admin("delete", first)
    world.admin("prune", "--keep-last", "1")
    check(len(world.snapshots("home")) == 1, "prune left %d snapshots" % len(world.snapshots("home")))
    world.admin("init", repository=world.work + "/copy")
    world.admin("copy", "--to", world.work + "/copy")
    check("home" in world.admin("list", repository=world.work + "/copy").text, "the snapshot was not copied")
    before = world.stored()
    world.admin("compact", "--now")
    check(world.stored() < before - (4 << 20), "compact gave %d bytes back" % (before - world.stored()))
    world.admin("check", "--read-data")
    restored(world, "latest:home", source)
    mount_takes_and_gives(world)
    check(not world.admin_json("lock", "list"), "locks are left")
    world.admin("check", "--read-data", client="who knows nothing")


def mount_takes_and_gives(world):
    source = world.work + "/usr"
    slice_of_usr(source, 500)
    mount = world.mount()
    run("rsync", "-aHAX", source + "/", mount.ingest + "/usr/")
    mount.commit("usr")
    compare(source, mount.snapshot("usr"))
    with open("/proc/%d/cmdline" % mount.pid(), "rb") as line:
        check(TOKEN.encode() not in line.read(), "the token is in the daemon's command line")
    mount.unmount()
    # Once more, by a client that reads all of it from the server.
    mount = world.mount("ro", client="reader")
    rsync_silent(source, mount.snapshot("usr"))
    compare(world.work + "/source", mount.snapshot("home"))
    mount.unmount()


def over_our_server(world):
    world.on_our_server()
    whole_life(world)


def behind_nginx_with_tls(world):
    world.behind(behind_nginx)
    whole_life(world)
    certificate, world.certificate = world.certificate, None
    refused = world.admin("list", ok=None)
    check(refused.returncode != 0 and "ca_file" in refused.errors, "an unknown authority: %s" % refused.errors)
    world.certificate = certificate


def behind_caddy_with_tls(world):
    world.behind(behind_caddy)
    whole_life(world)


def over_rclone(world):
    world.on_rclone()
    whole_life(world)


def give_new_token(world, role):
    token = world.server.make_token(role, role, "repo")
    deadline = time.monotonic() + PATIENCE
    while world.server.send("GET", "/repo/config", token=token).status != 200:  # a running server looks from time to time
        check(time.monotonic() < deadline, "a new token is not known")
        time.sleep(0.1)
    world.give_token(token)


def a_token_decides_and_is_never_shown(world):
    world.on_our_server()
    world.admin("init")
    source = make_tree(world.work + "/source")
    world.admin("backup", "--source", "home", source)
    world.give_token("not-the-right-token")
    refused = world.admin("-v", "-v", "list", ok=(FAILED,))
    check("does not accept the token" in refused.errors, "a wrong token: %s" % refused.errors)
    check("not-the-right-token" not in refused.text + refused.errors, "the token is in a message")
    give_new_token(world, "append")
    world.admin("backup", "--source", "home", make_tree(source, seed=2))
    world.admin("delete", "latest:home")  # a record: that is added, too
    check(world.admin("compact", "--now", ok=None).returncode != 0, "an append token deleted something")
    give_new_token(world, "read")
    world.admin("list")
    world.admin("backup", "--source", "home", source, ok=(FAILED,))


def what_a_stolen_full_key_said_is_taken_back(world):
    """docs/THREAT_MODEL.md, "A stolen full key": the thief's token may only append, the server's admin undoes what it added."""
    world.on_our_server()
    world.admin("init")
    source = make_tree(world.work + "/source")
    world.admin("backup", "--source", "home", source)
    history = "/api/v1/changes/repo"
    before = json.loads(world.server.expect(200, "GET", history).text)["head"]["sequence"]
    give_new_token(world, "append")
    world.admin("delete", "latest:home", client="thief")
    check(world.admin("compact", "--now", client="thief", ok=None).returncode != 0, "an append token deleted something")
    check(not world.snapshots("home"), "the thief's removal does not count: this test shows nothing")
    refused = world.admin("undelete", world.admin_json("list", "--removed")[0]["id"], ok=None)
    check(refused.returncode == 14, "what was buried came back: %s%s" % (refused.text, refused.errors))
    changes = json.loads(world.server.expect(200, "GET", history + "?since=%d" % before).text)["changes"]
    forged = [each["name"] for each in changes if each["change"] == "added" and each["type"] == "index" and each["token"] == "append"]
    check(forged, "the history does not tell who added what: %s" % changes)
    for name in forged:
        world.server.expect(200, "DELETE", "/repo/index/" + name)
    world.give_token(TOKEN)
    world.admin("check", "--read-data", client="fresh")
    check(len(world.snapshots("home", client="fresh")) == 1, "the snapshot is not back")
    restored(world, "latest:home", source, client="fresh")


def a_server_that_goes_away_comes_back(world):
    world.on_our_server()
    world.admin("init")
    source = make_tree(world.work + "/source", large=64 << 20)
    port = world.server.port
    world.server.configure('listen = "127.0.0.1:%d"' % port)

    def torment():
        for _ in range(3):
            time.sleep(0.3)
            world.server.kill()
            time.sleep(0.5)
            world.server.start()
    tormentor = threading.Thread(target=torment)
    tormentor.start()
    try:
        world.admin("--limit-upload", "30M", "backup", "--source", "home", source)
    finally:
        tormentor.join()
    world.admin("check", "--read-data")
    restored(world, "latest:home", source)


def a_full_quota_says_so_and_can_be_pruned(world):
    world.on_our_server("quota_bytes = 20000000")
    world.admin("init")
    small = make_tree(world.work + "/small", large=4 << 20)
    world.admin("backup", "--source", "small", small)
    large = make_tree(world.work + "/large", seed=3, large=40 << 20)
    refused = world.admin("backup", "--source", "large", large, ok=None)
    check(refused.returncode != 0 and "no space left" in refused.errors, "a full quota: %s" % refused.errors)
    world.admin("compact", "--now")
    world.admin("check", "--read-data")
    restored(world, "latest:small", small)


def the_server_reads_what_it_has(world):
    world.on_our_server()
    world.admin("init")
    world.admin("backup", "--source", "home", make_tree(world.work + "/source"))
    whole = world.admin_json("check", "--server-read")
    objects = sum(len(names) for kind in ("data", "index", "keys", "snapshots") for _, _, names in os.walk(world.data + "/" + kind))
    check(whole["ok"] and whole["server_read_objects"] == objects + 1, "the server read %s" % whole)
    packs = [os.path.join(top, name) for top, _, names in os.walk(world.data + "/data") for name in names]
    victim = max(packs, key=os.path.getsize)
    with open(victim, "r+b") as pack:
        pack.seek(os.path.getsize(victim) // 2)
        byte = pack.read(1)
        pack.seek(-1, os.SEEK_CUR)
        pack.write(bytes([byte[0] ^ 1]))
    world.admin("check", client="who reads trees only")
    found = world.admin("check", "--server-read", ok=None)
    check(found.returncode != 0 and os.path.basename(victim) in found.text, "a flipped bit: %s%s" % (found.text, found.errors))
    check(world.admin("check", ok=None, client="another").returncode != 0, "what the server has found is not looked at")
    check("vgerfs_damaged_objects{repository=\"repo\"} 1\n" in world.server.expect(200, "GET", "/metrics").text, "it is not in the metrics")
    give_new_token(world, "append")
    refused = world.admin("check", "--server-read", ok=None)
    check(refused.returncode != 0 and "does not allow it" in refused.errors, "an append token: %s" % refused.errors)


def a_server_that_is_set_back_is_told(world):
    world.on_our_server()
    world.admin("init")
    source = make_tree(world.work + "/source")
    world.admin("backup", "--source", "home", source)
    world.server.stop()
    shutil.copytree(world.server.data, world.work + "/copy", symlinks=True)
    port = world.server.port
    world.server.configure('listen = "127.0.0.1:%d"' % port)
    world.server.start()
    check("another history" not in world.admin("list").errors, "a warning without a reason")
    # What is added and removed again leaves no object that anybody could miss, but a trace in the history.
    extra = os.urandom(1000)
    world.server.put(extra, kind="data")
    world.server.expect(200, "DELETE", "/repo/data/" + name_of(extra))
    world.admin("backup", "--source", "home", "--force-snapshot", source)  # this client sees the new head
    snapshots = world.snapshots("home")
    world.server.stop()
    shutil.rmtree(world.server.data)
    shutil.copytree(world.work + "/copy", world.server.data, symlinks=True)
    world.server.start()
    lost = world.admin("list", ok=None)
    check(lost.returncode != 0 and "rolled back" in lost.errors, "a lost snapshot: %s" % lost.errors)
    told = world.admin("--accept-rollback", "list")
    check("another history" in told.errors, "the set back server is not told: %s" % told.errors)
    check(len(world.snapshots("home")) == len(snapshots) - 1, "what is left is not shown")
    check("another history" not in world.admin("list").errors, "it is told once")


def make_certificate(world, name):
    """A certificate that is its own authority: its file, its key's."""
    certificate, key = "%s/%s.crt" % (world.work, name), "%s/%s.key" % (world.work, name)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
        "-keyout", key, "-out", certificate)
    return certificate, key


def configuration(world, **settings):
    """Of the repository `configured`, which is the world's."""
    path = world.work + "/vgerfs.yaml"
    with open(path, "w", encoding="ascii") as out:
        out.write("repositories:\n  - label: configured\n    url: %s\n" % world.repository)
        out.write("".join("    %s: %s\n" % each for each in settings.items()))
    return path


def a_client_certificate_is_shown(world):
    certificate, key = make_certificate(world, "client")
    world.behind(lambda server: behind_nginx(server, "ssl_verify_client on; ssl_client_certificate %s;" % certificate))
    refused = world.admin("init", ok=(FAILED,))
    check("(400)" in refused.errors, "no certificate: %s" % refused.errors)
    common = {"ca_file": world.certificate, "rest_token_file": world.token_file}
    world.certificate = None  # the configuration names it
    foreign = configuration(world, client_cert=make_certificate(world, "foreign")[0], client_key=world.work + "/foreign.key", **common)
    refused = world.admin("--config", foreign, "init", repository="configured", ok=(FAILED,))
    check("(400)" in refused.errors, "a foreign certificate: %s" % refused.errors)
    absent = configuration(world, client_cert=certificate, client_key="/nowhere/key", **common)
    refused = world.admin("--config", absent, "init", repository="configured", ok=None)
    check(refused.returncode == 2 and "/nowhere/key" in refused.errors, "a key that is not there: %s" % refused.errors)
    config = configuration(world, client_cert=certificate, client_key=key, **common)
    source = make_tree(world.work + "/source")
    world.admin("--config", config, "init", repository="configured")
    world.admin("--config", config, "backup", "--source", "home", source, repository="configured")
    # Both in one file.
    with open(certificate, "ab") as out, open(key, "rb") as more:
        out.write(more.read())
    config = configuration(world, client_cert=certificate, **common)
    mount = world.mount("ro", "config=" + config, client="reader", repository="configured")
    compare(source, mount.snapshot("home"))
    mount.unmount()


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy for whom every host is `place`: tunnels (CONNECT), and forwards what names a whole URL."""
    allow_reuse_address, daemon_threads = True, True

    def __init__(self, place):
        self.place, self.seen = place, []
        super().__init__(("127.0.0.1", 0), ProxiedConnection)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class ProxiedConnection(socketserver.StreamRequestHandler):
    def handle(self):
        request = self.rfile.readline().decode("ascii", "replace").split()
        header = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            header.append(line)
        if len(request) != 3:
            return
        method, target, version = request
        self.server.seen.append((method, target, b"".join(header)))
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(self.server.place)) as upstream:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.partition("://")[2].partition("/")[2]
                header = [line for line in header if not line.lower().startswith((b"proxy-", b"connection:"))] + [b"Connection: close\r\n"]
                upstream.sendall(("%s %s %s\r\n" % (method, path, version)).encode() + b"".join(header) + b"\r\n")
            back = threading.Thread(target=pump, args=(upstream.recv, self.connection))
            back.start()
            pump(self.rfile.read1, upstream)
            back.join()


def pump(receive, to):
    with contextlib.suppress(OSError):
        while data := receive(65536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


def proxies_are_used(world):
    world.behind(behind_nginx)
    own = "http://127.0.0.1:%d/repo" % world.server.port
    source = make_tree(world.work + "/source")
    with Proxy(("127.0.0.1", int(world.repository.split(":")[2].split("/")[0]))).running() as tunnel, \
            Proxy(("127.0.0.1", world.server.port)).running() as plain:
        world.variables = {"https_proxy": tunnel.url, "http_proxy": plain.url}
        world.repository = "https://backup.test/repo"  # nobody knows this name but the proxy
        world.admin("init")
        world.admin("backup", "--source", "home", source)
        restored(world, "latest:home", source)
        check(tunnel.seen and {each[:2] for each in tunnel.seen} == {("CONNECT", "backup.test:443")}, "the proxy was asked for %s" % tunnel.seen)
        check(TOKEN.encode() not in b"".join(each[2] for each in tunnel.seen), "the proxy got the token")
        refused = world.admin("list", repository="https://other.test/repo", ok=None)
        check(refused.returncode != 0 and "ca_file" in refused.errors, "a certificate of another host: %s" % refused.errors)
        # Without TLS the proxy forwards each request.
        world.repository = "http://backup.test/repo"
        check(world.admin("list", ok=None).returncode != 0, "the token went over the network in clear")
        check(not plain.seen, "it was asked before it was allowed: %s" % plain.seen)
        config = configuration(world, allow_insecure="true")
        world.admin("--config", config, "check", "--read-data", repository="configured")
        check(plain.seen and all(each[1].startswith("http://backup.test/") for each in plain.seen), "the proxy was asked for %s" % plain.seen)
        # This machine is not reached through a proxy, whose loopback is another one.
        before = len(plain.seen)
        world.admin("list", repository=own)
        check(len(plain.seen) == before, "a proxy was asked for 127.0.0.1")


if __name__ == "__main__":
    # A sanitizer sees the same of our code whoever stands before the server, or is it.
    others = () if SMALL else (behind_nginx_with_tls, behind_caddy_with_tls, over_rclone)
    main(over_our_server, *others, a_token_decides_and_is_never_shown, what_a_stolen_full_key_said_is_taken_back,
         a_server_that_goes_away_comes_back, a_full_quota_says_so_and_can_be_pruned, the_server_reads_what_it_has, a_server_that_is_set_back_is_told,
         a_client_certificate_is_shown, proxies_are_used, world=RestWorld)
