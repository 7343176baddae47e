#!/usr/bin/python3
"""kill -9 and lost power at random moments under 16 uploading clients: every object that was acknowledged is there and intact, and what the
server counts is what lies in the directory."""
import contextlib
import fcntl
import http.client
import json
import os
import random
import re
import struct
import sys
import threading
import time

from server_world import SMALL, Server, check, main, name_of, run, skip
from world import enter_private_mounts

SEED = int(os.environ.get("VGERFS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
CLIENTS = 16


class Client(threading.Thread):
    """Uploads packs and locks, removes some of its own again, until the server dies."""

    def __init__(self, server, seed):
        super().__init__()
        self.server, self.chance = server, random.Random(seed)
        self.kept, self.removed, self.unsure = {}, set(), set()

    def run(self):
        try:
            connection = self.server.connect()
            while True:
                data = self.chance.randbytes(self.chance.choice((100, 5_000, 300_000)))
                name = name_of(data)
                self.unsure.add(name)
                if self.server.send("POST", "/repo/data/" + name, data, connection=connection).status == 200:
                    self.unsure.discard(name)
                    self.kept[name] = data
                if self.chance.randrange(5) == 0 and self.kept:
                    name = self.chance.choice(list(self.kept))
                    self.unsure.add(name)
                    del self.kept[name]
                    if self.server.send("DELETE", "/repo/data/" + name, connection=connection).status == 200:
                        self.unsure.discard(name)
                        self.removed.add(name)
        except (OSError, http.client.HTTPException):
            pass  # killed


class ForgetfulDisk:
    """An ext4 on a loop device that can lose power: what was not synced is gone then."""
    SHUTDOWN = 0x8004587d  # EXT4_IOC_SHUTDOWN of fs/ext4/ext4.h
    WITHOUT_FLUSHING = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH

    def __init__(self, work):
        self.image, self.top = work + "/disk", work + "/mounted"
        with open(self.image, "wb") as image:
            image.truncate(1 << 30)
        os.mkdir(self.top)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        # Nothing is written because some time has passed: only syncs and a lack of memory do it.
        run("mount", "-o", "loop,commit=300", self.image, self.top)

    def lose_power(self):
        top = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(top, self.SHUTDOWN, self.WITHOUT_FLUSHING)
        finally:
            os.close(top)

    def unmount(self):
        run("umount", self.top)


def a_kill_loses_nothing_acknowledged(server):
    lose_nothing(server, 4 if SMALL else 50, server.kill)


def lost_power_loses_nothing_acknowledged(server):
    disk = ForgetfulDisk(server.work)
    with contextlib.ExitStack() as stack:
        stack.callback(disk.unmount)
        stack.callback(server.kill)
        server.data = disk.top + "/data"
        server.configure()

        def lose_power():
            disk.lose_power()
            server.kill()
            disk.unmount()
            disk.mount()

        with open(disk.top + "/not synced", "wb") as out:
            out.write(b"0" * 5000)
        disk.lose_power()
        disk.unmount()
        disk.mount()
        with contextlib.suppress(FileNotFoundError):
            check(os.path.getsize(disk.top + "/not synced") == 0, "this disk forgets nothing")
        lose_nothing(server, 3 if SMALL else 20, lose_power)


def lose_nothing(server, rounds, disaster):
    print("       seed %d" % SEED)
    chance = random.Random(SEED)
    kept, removed = {}, set()
    server.start().make_repository()
    for turn in range(rounds):
        clients = [Client(server, chance.randrange(1 << 32)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.05, 0.8))
        disaster()
        for client in clients:
            client.join()
            removed |= client.removed
            kept.update(client.kept)
            for name in client.removed | client.unsure:
                kept.pop(name, None)
        server.start()
        listed, stored = server.listed(), server.stored()
        check(listed == stored, "turn %d: listed and stored differ: %s" % (turn, set(listed) ^ set(stored)))
        for name, data in kept.items():
            check(listed.get(name) == len(data), "turn %d: an acknowledged object is gone: %s" % (turn, name))
        check(not removed & set(listed), "turn %d: an acknowledged removal is undone" % turn)
        check(not os.listdir(server.private("uploads")), "turn %d: files are left in uploads/" % turn)
        trash = json.loads(server.command("trash", "list", "--json").text)
        check(len(trash) == len(os.listdir(server.private("trash"))), "turn %d: the trash is not what the database says" % turn)
        metrics = server.expect(200, "GET", "/metrics").text
        counted = [int(re.search(r'vgerfs_%s\{repository="repo",type="data"\} (\d+)' % what, metrics).group(1)) for what in ("objects", "stored_bytes")]
        check(counted == [len(stored), sum(stored.values())], "turn %d: statistics say %s, the directory %s" % (
            turn, counted, [len(stored), sum(stored.values())]))
    for top, _, names in os.walk(server.data + "/repo/data"):
        for name in names:
            with open(os.path.join(top, name), "rb") as stored:
                check(name_of(stored.read()) == name, "%s is not intact" % name)
    print("       %d times: %d objects acknowledged, %d removed" % (rounds, len(kept), len(removed)))


if __name__ == "__main__":
    if "lost_power_loses_nothing_acknowledged" in sys.argv:
        if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
            skip("needs root and loop devices")
        enter_private_mounts()
        main(lost_power_loses_nothing_acknowledged)
    main(a_kill_loses_nothing_acknowledged)
