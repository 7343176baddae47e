#!/usr/bin/python3
"""Three clients at work on one server for a while: one backs up what changes, one prunes and compacts, one reads through a mount.

rest_clients.py [--seconds N]: how long (default: 120, 10 with small sizes). Snapshots are read at random (VGERFS_TEST_SEED), when is up to the machine.
"""
import hashlib
import os
import random
import shutil
import sys
import threading
import time

from rest_backend import RestWorld
from world import SMALL, check, main

SEED = int(os.environ.get("VGERFS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
SECONDS = float(os.environ.get("VGERFS_TEST_SECONDS", "10" if SMALL else "120"))
BUSY = 11
KEPT = 3
DAY = 86400
PATIENCE = 20


def change(source, chance, round_number):
    """Files come, go, are written anew and written to; what was there before comes back."""
    os.makedirs(source + "/few", exist_ok=True)
    for number in range(40):
        path = "%s/few/%02d" % (source, number)
        way = chance.randrange(6)
        if way == 0 and os.path.exists(path):
            os.unlink(path)
        elif way <= 2 or round_number == 0:
            with open(path, "wb") as out:
                # Contents return: what was condemned meanwhile, or is just being deleted, is wanted again.
                out.write(random.Random(chance.randrange(6)).randbytes(1000 + 5000 * number))
    with open(source + "/large", "r+b" if os.path.exists(source + "/large") else "w+b") as out:
        out.truncate(8 << 20)
        out.seek(chance.randrange(8) << 20)
        out.write(chance.randbytes(1 << 20))
    if is_slow(round_number):
        with open(source + "/bulk", "wb") as out:
            out.write(chance.randbytes(70 << 20))


def is_slow(round_number):
    """Every second backup sends three packs and takes seconds: then somebody prunes and compacts when some of them are there already."""
    return round_number % 2 == 1


def digest(top):
    """Of names, modes, times and contents of a tree."""
    everything = hashlib.sha256()
    for directory, directories, files in sorted(os.walk(top, onerror=fail)):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            everything.update(repr((os.path.relpath(path, top), status.st_mode, status.st_mtime_ns)).encode())
            if name in files:
                with open(path, "rb") as content:
                    everything.update(content.read())
    return everything.hexdigest()


def fail(error):
    raise error


class Clients:
    """What they do, and what they know of each other's doing."""

    def __init__(self, world):
        self.world, self.source = world, world.work + "/source"
        self.chance = random.Random(SEED)
        self.rounds, self.looks, self.compactions, self.busy = 0, 0, 0, 0
        self.expected = {}    # id of a snapshot: digest of what was backed up
        self.seen_at = {}     # id: when the writer saw it first
        self.unreadable = {}  # id: error; good only for what is no longer kept
        self.problems = []
        self.end = 0.0

    def back_up(self):
        change(self.source, self.chance, self.rounds)
        expected = digest(self.source)
        slowly = ("--limit-upload", "12M") if is_slow(self.rounds) else ()
        done = self.world.admin_json(*slowly, "backup", "--source", "home", self.source, client="writer")
        for snapshot in self.ids(client="writer"):
            self.expected.setdefault(snapshot, expected)  # no other one writes this source
            self.seen_at.setdefault(snapshot, time.monotonic())
        check(done is not None, "backup says nothing")
        self.rounds += 1

    def ids(self, client):
        return [each["id"] for each in self.world.snapshots("home", client=client)]

    def maintain(self):
        self.world.admin("prune", "--keep-last", str(KEPT), client="keeper", ok=(0, BUSY))
        self.world.admin("compact", "--grace", "1h", "--threshold", "0", client="keeper", ok=(0, BUSY))
        done = self.world.admin("compact", "--now", "--threshold", "0", client="keeper", ok=(0, BUSY))
        self.compactions += done.returncode == 0
        self.busy += done.returncode == BUSY

    def look(self, mount):
        snapshot = self.chance_of_reader.choice(sorted(self.expected))
        try:
            found = digest("%s/ids/%s" % (mount.path, snapshot))
        except OSError as error:
            # An idle mount looks for new snapshots when it is asked, every three seconds at most.
            if not isinstance(error, FileNotFoundError) or time.monotonic() - self.seen_at[snapshot] > PATIENCE:
                self.unreadable[snapshot] = str(error)
            time.sleep(0.1)
            return
        check(found == self.expected[snapshot], "the mount shows %s otherwise than it was" % snapshot)
        self.looks += 1

    def run(self, action):
        def loop():
            try:
                while time.monotonic() < self.end and not self.problems:
                    action()
            except Exception as problem:  # noqa: BLE001 - it is told in the main thread
                self.problems.append(problem)
        thread = threading.Thread(target=loop)
        thread.start()
        return thread


def let_time_pass(world, days):
    """For everything that the server has: it takes the directory in anew, with its files' times."""
    world.server.stop()
    for top, _, names in os.walk(world.data):
        for name in names:
            path = os.path.join(top, name)
            status = os.stat(path)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - days * DAY * 10**9))
    os.unlink(world.server.private("database.sqlite"))
    world.server.start()


def removed_packs(world):
    return world.server.log().count("target=/repo/data/")


def nothing_is_lost_between_three_clients(world):
    print("       seed %d" % SEED)
    world.on_our_server()
    world.server.configure('listen = "127.0.0.1:%d"' % world.server.port)  # it comes back where it was
    world.admin("init", client="writer")
    clients = Clients(world)
    clients.chance_of_reader = random.Random(SEED + 1)
    # Packs whose grace time has passed already: they are deleted for good while the others work.
    for _ in range(4):
        clients.back_up()
    world.admin("prune", "--keep-last", "2", client="keeper")
    for step in ("condemned", "old enough to be deleted"):
        let_time_pass(world, 3)
        if step == "condemned":
            world.admin("compact", "--grace", "1h", "--threshold", "0", client="keeper")

    mount = world.mount("ro", client="reader")
    clients.end = time.monotonic() + SECONDS
    threads = [clients.run(action) for action in (clients.back_up, clients.maintain, lambda: clients.look(mount))]
    for thread in threads:
        thread.join()
    if clients.problems:
        raise clients.problems[0]
    mount.unmount()
    deleted = removed_packs(world)
    print("       %d backups, %d snapshots read through the mount, %d compactions without grace time and %d refused, %d packs deleted"
          % (clients.rounds, clients.looks, clients.compactions, clients.busy, deleted))
    check(deleted > 0 and clients.looks > 0 and clients.rounds > 4, "they did not work beside each other")

    kept = clients.ids(client="fresh")
    check(set(kept) <= set(clients.expected) and len(kept) >= KEPT, "it keeps %s" % kept)
    lost = {each: error for each, error in clients.unreadable.items() if each in kept}
    check(not lost, "the mount could not read what is kept: %s" % lost)
    world.admin("check", "--read-data", client="fresh")
    out = world.work + "/out"
    for snapshot in kept:
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        world.admin("restore", snapshot, out, client="fresh")
        check(digest(out) == clients.expected[snapshot], "%s is restored otherwise than it was" % snapshot)
    check(world.server.listed() == world.server.stored(), "list and directory differ")
    check(not world.admin_json("lock", "list", client="fresh"), "locks are left")


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        place = sys.argv.index("--seconds")
        os.environ["VGERFS_TEST_SECONDS"] = sys.argv[place + 1]  # main() starts this script once more, in a namespace
        del sys.argv[place:place + 2]
    main(nothing_is_lost_between_three_clients, world=RestWorld)
