#!/usr/bin/python3
"""The real restic and rclone against vgerfs-server."""
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

from server_world import BIN, PASSWORD, TOKEN, check, clean_environment, main, make_tree, run, skip

ADMIN = os.path.join(BIN, "vgerfs-admin")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip("needs " + program)


def whole_life(server, **options):
    """init, backup, check --read-data, restore, a second backup, forget --prune, check."""
    source = make_tree(server.work + "/source")
    server.restic("init", **options)
    server.restic("backup", source, **options)
    server.restic("check", "--read-data", **options)
    restored = server.work + "/restored"
    server.restic("restore", "latest", "--target", restored, **options)
    run("diff", "-r", source, restored + source)
    make_tree(source, seed=2)
    server.restic("backup", source, **options)
    before = len(server.listed())
    server.restic("forget", "--keep-last", "1", "--prune", **options)
    check(len(server.listed("snapshots")) == 1, "forget left %d snapshots" % len(server.listed("snapshots")))
    check(server.listed() == server.stored(), "the list of packs is not what lies in the directory")
    check(len(server.listed()) < before + 2, "prune removed nothing")
    server.restic("check", "--read-data", **options)
    shutil.rmtree(restored)
    server.restic("restore", "latest", "--target", restored, **options)
    run("diff", "-r", source, restored + source)
    check(not server.listed("locks"), "restic left locks: %s" % server.listed("locks"))
    check(not os.listdir(server.private("uploads")), "files are left in uploads/")


def restic_lives_on_it(server):
    whole_life(server.start())


def restic_needs_no_token_where_none_is_asked_for(server):
    server.token = None
    server.configure("require_token = false")
    server.start()
    whole_life(server)


def the_directory_is_a_restic_repository(server):
    """What came over the wire, restic reads from the directory, and what it adds there the server takes in."""
    server.start()
    source = make_tree(server.work + "/source")
    server.restic("init")
    server.restic("backup", source)
    env = clean_environment(RESTIC_PASSWORD=PASSWORD, HOME=server.work)
    local = ["restic", "--no-cache", "-r", server.data + "/repo"]
    run(*local, "check", "--read-data", env=env)
    make_tree(source, seed=2)
    run(*local, "backup", source, env=env)
    check(len(server.listed("snapshots")) == 1, "the server walks the directory for a list")
    server.command("rescan", "repo")
    check(len(server.listed("snapshots")) == 2, "rescan did not take in what restic has added")
    server.restic("check", "--read-data")
    # A repository that the server never heard of.
    run("restic", "--no-cache", "-r", server.data + "/team/other", "init", env=env)
    run("restic", "--no-cache", "-r", server.data + "/team/other", "backup", source, env=env)
    server.restic("check", "--read-data", repository="team/other")


def the_directory_is_a_vgerfs_repository(server):
    server.start()
    secret = server.work + "/passphrase"
    with open(secret, "w", opener=lambda p, f: os.open(p, f, 0o600), encoding="ascii") as out:
        out.write("a passphrase\n")
    os.makedirs(server.data, exist_ok=True)
    env = clean_environment(VGERFS_CACHE_DIR=server.work + "/cache", VGERFS_STATE_DIR=server.work + "/state")
    admin = [ADMIN, "-r", server.data + "/ours", "--passphrase-file", secret, "--host", "testhost"]
    run(*admin, "init", env=env)
    run(*admin, "backup", "--source", "home", make_tree(server.work + "/source"), env=env)
    listed = server.listed(repository="ours")
    check(listed and listed == server.stored(repository="ours"), "what vgerfs-admin made was not taken in whole")
    check(len(server.listed("snapshots", "ours")) == 1, "the snapshot was not taken in")


def rclone_reads_what_came_over_the_wire(server):
    """Through `rclone serve restic`, another implementation of the protocol, on the same directory."""
    need("rclone")
    server.start()
    source = make_tree(server.work + "/source")
    server.restic("init")
    server.restic("backup", source)
    env = clean_environment(RESTIC_PASSWORD=PASSWORD, HOME=server.work, RCLONE_CONFIG=server.work + "/rclone.conf")
    run("restic", "--no-cache", "-r", "rclone:%s/repo" % server.data, "check", "--read-data", env=env)


class LosingProxy:
    """Passes requests on; of every third upload the server's answer is lost, and the connection with it."""

    def __init__(self, port):
        self.upstream, self.lost, self.seen = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.upstream))
        loses = threading.Event()

        def up():
            with contextlib.suppress(OSError):
                while part := client.recv(65536):
                    if part.startswith((b"POST /repo/data/", b"POST /repo/index/", b"POST /repo/locks/", b"POST /repo/snapshots/")):
                        self.seen += 1
                        if self.seen % 3 == 0:
                            loses.set()
                    server.sendall(part)
                server.shutdown(socket.SHUT_WR)
        threading.Thread(target=up, daemon=True).start()
        with contextlib.suppress(OSError):
            while part := server.recv(65536):
                if loses.is_set():
                    self.lost += 1
                    break
                client.sendall(part)
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self):
        self.listener.close()


def a_lost_answer_breaks_no_backup(server):
    server.configure("append_only = true")
    server.start()
    server.restic("init")
    token = server.make_token("client", "append", "repo")
    with contextlib.closing(LosingProxy(server.port)) as proxy:
        source = make_tree(server.work + "/source", files=10, large=24 << 20)
        for attempt in range(30):
            if server.send("GET", "/repo/config", token=token).status == 200:
                break
            time.sleep(0.1)
        server.restic("backup", source, token=token, url="http://127.0.0.1:%d/" % proxy.port)
        check(proxy.lost > 1, "the proxy lost only %d answers of %d" % (proxy.lost, proxy.seen))
    server.restic("check", "--read-data")
    server.restic("restore", "latest", "--target", server.work + "/restored")
    run("diff", "-r", source, server.work + "/restored" + source)
    check(server.listed() == server.stored(), "list and directory differ")
    check(not os.listdir(server.private("uploads")), "files are left in uploads/")


def restic_mounts_it(server):
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("       left out: needs root and /dev/fuse")
        return
    server.start()
    source = make_tree(server.work + "/source")
    server.restic("init")
    server.restic("backup", source)
    place = server.work + "/mount"
    os.mkdir(place)
    env = clean_environment(RESTIC_PASSWORD=PASSWORD, RESTIC_CACHE_DIR=server.work + "/restic-cache", HOME=server.work)
    mount = subprocess.Popen(["restic", "-r", "rest:http://u:%s@127.0.0.1:%d/repo/" % (TOKEN, server.port), "mount", place], env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        latest = place + "/snapshots/latest"
        for _ in range(600):
            if os.path.ismount(place) and os.path.exists(latest):
                break
            check(mount.poll() is None, "restic mount ended")
            time.sleep(0.1)
        run("diff", "-r", source, latest + source)
    finally:
        run("umount", place, ok=None)
        mount.wait(60)


if __name__ == "__main__":
    need("restic")
    main(restic_lives_on_it, restic_needs_no_token_where_none_is_asked_for, the_directory_is_a_restic_repository,
         the_directory_is_a_vgerfs_repository, rclone_reads_what_came_over_the_wire, a_lost_answer_breaks_no_backup, restic_mounts_it)
