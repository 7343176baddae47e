#!/usr/bin/python3
"""kill -9 at random moments under 16 uploading clients: every object that was acknowledged is there and intact, and what the server counts
is what lies in the directory."""
import http.client
import json
import os
import random
import re
import threading
import time

from server_world import SMALL, TOKEN, Server, check, main, name_of

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


def nothing_acknowledged_is_lost(server):
    print("       seed %d" % SEED)
    chance = random.Random(SEED)
    rounds = 4 if SMALL else 50
    kept, removed = {}, set()
    server.start().make_repository()
    for turn in range(rounds):
        clients = [Client(server, chance.randrange(1 << 32)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.05, 0.8))
        server.kill()
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
    print("       %d kills: %d objects acknowledged, %d removed" % (rounds, len(kept), len(removed)))


if __name__ == "__main__":
    main(nothing_acknowledged_is_lost)
