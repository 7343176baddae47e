#!/usr/bin/python3
"""Leases of vgerfs-server with real clients: one that is suspended in its work and wakes up when another has taken over."""
import json
import os
import signal
import subprocess
import time

from rest_backend import RestWorld, restored
from server_world import PATIENCE, make_tree
from world import ADMIN, HOST, check, main

BUSY = 11
TTL = 10


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, "it never came to pass: " + what)
        time.sleep(0.02)


class LeaseWorld(RestWorld):
    """A server with a short ttl, and a token for each client, so that the server's history says who did what."""

    def begin(self):
        self.on_our_server("lock_ttl_seconds = %d" % TTL)
        self.admin("init")
        self.tokens = {name: self.server.make_token(name, "maintain", "repo") for name in ("first", "second")}
        for token in self.tokens.values():
            wait_until(lambda token=token: self.server.send("GET", "/repo/config", token=token).status == 200, "the token is known")

    def start(self, *arguments):
        """A client that goes on beside us, as "first"."""
        self.give_token(self.tokens["first"])
        process = subprocess.Popen([ADMIN, "-r", self.repository, "--passphrase-file", self.full, "--host", HOST, *arguments],
                                   env=self.environment("first"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.stack.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.communicate()

    def second(self, *arguments, **options):
        self.give_token(self.tokens["second"])
        return self.admin(*arguments, client="second", **options)

    def leases(self):
        return json.loads(self.server.expect(200, "GET", "/api/v1/leases/repo").body)["leases"]

    def history(self, since):
        changes = []
        while True:
            reply = json.loads(self.server.expect(200, "GET", "/api/v1/changes/repo?since=%d" % since).body)
            if not reply["changes"]:
                return changes
            changes += reply["changes"]
            since = reply["last"]["sequence"]

    def head(self):
        return json.loads(self.server.expect(200, "GET", "/api/v1/changes/repo").body)["head"]["sequence"]

    def wait_for_upload(self):
        """Until a body is on its way: what is stopped then ends after the takeover."""
        uploads = self.server.private("uploads")
        wait_until(lambda: any(os.path.getsize(os.path.join(uploads, each)) > 100_000 for each in os.listdir(uploads)
                               if os.path.exists(os.path.join(uploads, each))), "a pack is on its way")

    def suspend(self, process):
        process.send_signal(signal.SIGSTOP)

        def stands_still():
            with open("/proc/%d/stat" % process.pid, encoding="ascii") as state:
                return state.read().rpartition(")")[2].split()[0] == "T"
        wait_until(stands_still, "the client stands still")


def half_of_it_is_dead(world):
    """Two snapshots with much in common, of which the first is gone: a compaction has packs to write again."""
    source = make_tree(world.work + "/source", large=24 << 20)
    world.second("backup", "--source", "home", source)
    first = world.snapshots("home", client="second")[0]["id"]
    with open(source + "/large", "r+b") as large:
        large.truncate(12 << 20)
    make_tree(source + "/more", seed=5, large=1 << 20)
    world.second("backup", "--source", "home", source)
    world.second("delete", first)
    return source


def a_suspended_compaction_changes_nothing_after_the_takeover(world):
    world.begin()
    source = half_of_it_is_dead(world)
    process = world.start("--limit-upload", "300K", "compact", "--now", "--reseal", "--threshold", "1")  # through the client
    wait_until(lambda: any(each["kind"] == "exclusive" for each in world.leases()), "the compaction has its lease")
    fence = max(each["fence"] for each in world.leases())
    locks = world.second("lock", "list")
    check("first" in locks.text and str(fence) in locks.text, "lock list does not say who: %s" % locks.text)
    refused = world.second("compact", "--now", ok=(BUSY,))
    check("first" in refused.errors, "it does not say who holds the lease: %s" % refused.errors)
    world.wait_for_upload()
    world.suspend(process)
    wait_until(lambda: not world.leases(), "the leases expire")
    time.sleep(TTL / 4 + 0.1)
    world.second("compact", "--now", "--threshold", "1")
    before, files = world.head(), world.server.stored()
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=2 * PATIENCE)
    errors = errors.decode(errors="replace")
    check(process.returncode == BUSY, "the first ended with %d: %s" % (process.returncode, errors))
    check("lease" in errors, "it does not say why: %s" % errors)
    after = [each for each in world.history(before) if each["token"] == "first"]
    check(not after, "the first changed something when it was over: %s" % after)
    check(world.server.stored() == files, "packs came or went")
    check(os.listdir(world.server.private("uploads")) == [], "uploads are left")
    check(not world.leases() and not world.second("lock", "list").text.count("live"), "leases are left")
    world.second("check", "--read-data")
    restored(world, "latest:home", source)


def a_suspended_backup_begins_again(world):
    world.begin()
    world.second("backup", "--source", "other", make_tree(world.work + "/other", seed=9))
    source = make_tree(world.work + "/source", large=24 << 20)
    process = world.start("--limit-upload", "2M", "backup", "--source", "home", source)
    wait_until(world.leases, "the backup has its lease")
    old = {each["lease"] for each in world.leases()}
    world.wait_for_upload()
    world.suspend(process)
    wait_until(lambda: not world.leases(), "the lease expires")
    time.sleep(TTL / 4 + 0.1)
    world.second("compact", "--now")
    before = world.head()
    process.send_signal(signal.SIGCONT)
    output, errors = process.communicate(timeout=2 * PATIENCE)
    errors = (output + errors).decode(errors="replace")
    check(process.returncode == 0, "the backup ended with %d: %s" % (process.returncode, errors))
    check("made twice" in errors, "it does not say that it began again: %s" % errors)
    own = [each for each in world.history(before) if each["token"] == "first"]
    check(own and own[0]["type"] == "locks" and own[0]["name"] not in old, "it changed something before it had another lease: %s" % own[:2])
    world.second("check", "--read-data")
    restored(world, "latest:home", source)


def a_client_that_is_slow_keeps_its_lease(world):
    world.begin()
    source = make_tree(world.work + "/source", large=12 << 20)
    process = world.start("--limit-upload", "400K", "backup", "--source", "home", source)
    _, errors = process.communicate(timeout=2 * PATIENCE)
    check(process.returncode == 0, "a backup of several ttls failed: %s" % errors.decode(errors="replace"))
    check(b"made twice" not in errors, "its lease was lost")
    restored(world, "latest:home", source)


if __name__ == "__main__":
    main(a_suspended_compaction_changes_nothing_after_the_takeover, a_suspended_backup_begins_again,
         a_client_that_is_slow_keeps_its_lease, world=LeaseWorld)
