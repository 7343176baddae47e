#!/usr/bin/python3
"""The corruption matrix (tests/repo/corruption_matrix_test.cpp) through real mounts and programs, in less: every kind of object is
damaged in some of the ways. A mount gives right bytes or EIO, names the object and lives on; no command deletes what is left."""
import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import time

from world import ADMIN, HOST, SMALL, World, check, compare, files_below, main, run

UNKNOWN = os.urandom(500)


class Damaged(World):
    """Two snapshots of files, two slots, and the lease of a backup that was killed. `victims` has an object of each kind."""

    def __init__(self):
        super().__init__()
        self.add_ingest_key()
        source = self.work + "/source"
        for name, size in (("one/large", 3_000_000), ("one/small", 10), ("two/file", 400_000)):
            self.put(source, name, size)
        self.versions = {}  # of the files, by the snapshot's id
        self.back_up(source)
        first = set(self.objects())
        self.put(source, "three/new", 200_000)
        os.unlink(source + "/one/small")
        self.back_up(source)
        self.leave_a_lease()
        self.good = self.repository + ".good"
        shutil.copytree(self.repository, self.good)
        self.kept = self.objects()
        packs = sorted(name for name in first if name.startswith("data/"))
        slots = {each["id"]: each["role"] for each in self.admin_json("key", "list", client="maker")}
        self.victims = {
            "config": "config",
            "slot in use": "keys/" + next(id for id, role in slots.items() if role == "full"),
            "another slot": "keys/" + next(id for id, role in slots.items() if role != "full"),
            "data pack": next(name for name in packs if self.pack_kind(name) == 1),
            "tree pack": next(name for name in packs if self.pack_kind(name) == 2),
            "record": next(name for name in first if name.startswith("index/")),
            "snapshot": next(name for name in first if name.startswith("snapshots/")),
            "lease": next(name for name in self.kept if name.startswith("locks/")),
        }

    @staticmethod
    def put(source, name, size):
        path = os.path.join(source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(os.urandom(size))

    def back_up(self, source):
        made = self.admin_json("backup", "--source", "s", source, client="maker")
        self.versions[made["id"]] = "%s/version%d" % (self.work, len(self.versions))
        shutil.copytree(source, self.versions[made["id"]])

    def leave_a_lease(self):
        process = subprocess.Popen([ADMIN, "-r", self.repository, "--passphrase-file", self.full, "--host", HOST, "backup", "--source",
                                    "killed", "--stdin"], env=self.environment("killed"), stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not any(name.startswith("locks/") for name in self.objects()):
            check(process.poll() is None, "the backup ended")
            time.sleep(0.01)
        process.kill()
        process.wait()
        for name in self.objects():
            if name.startswith("locks/"):
                os.utime(self.path(name), times=(1, 1))  # long over

    def pack_kind(self, name):
        with open(os.path.join(self.repository, name), "rb") as handle:
            return handle.read(11)[10]

    def path(self, name):
        return os.path.join(self.repository, name)

    def begin(self, client, knows):
        shutil.rmtree(self.repository)
        shutil.copytree(self.good, self.repository)
        if knows:
            shutil.copytree(self.work + "/maker", "%s/%s" % (self.work, client))

    def overwrite(self, name, data):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))
        with open(self.path(name), "wb") as out:
            out.write(data)

    def damage(self, victim, how):
        """Returns the object that a verdict must name."""
        name = self.victims[victim]
        with open(self.path(name), "rb") as handle:
            data = handle.read()
        directory = name.split("/")[0]
        if how == "unknown":
            digest = hashlib.sha256(UNKNOWN).hexdigest()
            name = "%s/%s%s" % (directory, digest[:2] + "/" if directory == "data" else "", digest)
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self.overwrite(name, UNKNOWN)
        elif how == "removed":
            os.unlink(self.path(name))
        elif how == "swapped":
            other = next(each for each in sorted(self.kept) if each != name and each.startswith(directory))
            with open(self.path(other), "rb") as handle:
                self.overwrite(name, handle.read())
        else:
            middle = len(data) // 2
            self.overwrite(name, {"flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:], "cut": data[:middle],
                                  "zeroed": bytes(len(data))}[how])
        return name

    def nothing_was_deleted(self, before, what):
        """What there was is there, and as it was; leases run out."""
        for name, data in before.items():
            if name.startswith("locks/"):
                continue
            check(os.path.exists(self.path(name)), "%s: %s was deleted" % (what, name))
            with open(self.path(name), "rb") as handle:
                check(handle.read() == data, "%s: %s was changed" % (what, name))

    def contents(self):
        return {name: open(self.path(name), "rb").read() for name in [*self.objects(), "config"] if os.path.exists(self.path(name))}


def read_through(mount, world):
    """Right bytes or EIO, for every file of both snapshots. Returns what could not be read."""
    lost = []
    for id, version in world.versions.items():
        root = "%s/ids/%s" % (mount.path, id)
        for expected in files_below(version):
            name = os.path.relpath(expected, version)
            try:
                with open(os.path.join(root, name), "rb") as handle, open(expected, "rb") as other:
                    check(handle.read() == other.read(), "a wrong byte in " + name)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    check(id not in os.listdir(mount.path + "/ids"), "%s is gone without an error" % name)
                else:
                    check(error.errno == errno.EIO, "%s: %s instead of EIO" % (name, error))
                lost.append(name)
    return lost


def use_a_mount(world, client, victim, named):
    """Reads all there is and adds a snapshot, if it can be mounted; else it must say why."""
    mount = world.mount(client=client, ok=None)
    if mount.result.returncode != 0:
        return mount.result.errors
    world.mounts.append(mount)
    try:
        daemon = mount.pid()
        lost = read_through(mount, world)
        with contextlib.suppress(OSError):
            os.mkdir(mount.ingest + "/more")
            with open(mount.ingest + "/more/file", "wb") as out:
                out.write(UNKNOWN)
        committed = mount.commit("more", ok=None)
        check(mount.pid() == daemon and os.path.isdir(mount.path + "/snapshots"), "the daemon died")
        if committed.returncode == 0:
            with open(mount.snapshot("more") + "/file", "rb") as handle:
                check(handle.read() == UNKNOWN, "a wrong byte in what was added")
        with open(mount.path + "/.vgerfs/status") as handle:
            status = handle.read()
        if lost and victim in ("data pack", "tree pack", "record"):
            check(named.split("/")[-1] in status, "the status does not name %s:\n%s" % (named, status))
        return committed.errors + status
    finally:
        mount.end()


def put_back(world, victim, named):
    """Then nothing is lost, for whoever looks."""
    if named != world.victims[victim]:
        os.unlink(world.path(named))
    shutil.copy2(os.path.join(world.good, world.victims[victim]), world.path(world.victims[victim]))
    for id in world.versions:
        if id not in [each["id"] for each in world.snapshots("s", client="after")]:
            world.admin("--accept-rollback", "undelete", id, client="after")
    for id, version in world.versions.items():
        out = world.work + "/out"
        os.mkdir(out)
        world.admin("restore", id, out, client="after")
        compare(version, out)
        shutil.rmtree(out)


KNOWS, NEW = True, False
# What is damaged and how, whether the client knew the repository before, and what check, backup and repair end with.
CASES = [
    ("config", "flipped", NEW, (14, 14, 14)),
    ("config", "removed", NEW, (10, 10, 10)),
    ("config", "cut", KNOWS, (14, 14, 14)),
    ("slot in use", "zeroed", NEW, (12, 12, 12)),
    ("slot in use", "removed", NEW, (12, 12, 12)),
    ("slot in use", "swapped", KNOWS, (12, 12, 12)),
    ("another slot", "cut", NEW, (14, 0, 0)),
    ("another slot", "removed", KNOWS, (0, 0, 0)),
    ("data pack", "flipped", NEW, (14, 0, 3)),
    ("data pack", "removed", NEW, (14, 0, 3)),
    ("data pack", "cut", KNOWS, (14, 0, 3)),
    ("data pack", "unknown", KNOWS, (0, 0, 0)),
    ("tree pack", "swapped", NEW, (14, 0, 3)),
    ("tree pack", "zeroed", NEW, (14, 0, 3)),
    ("tree pack", "removed", KNOWS, (14, 0, 3)),
    ("record", "cut", NEW, (14, 0, 0)),
    ("record", "removed", NEW, (15, 15, 15)),
    ("record", "zeroed", KNOWS, (14, 0, 0)),
    ("record", "removed", KNOWS, (15, 15, 15)),
    ("snapshot", "flipped", NEW, (14, 0, 3)),
    ("snapshot", "removed", NEW, (15, 15, 15)),
    ("snapshot", "swapped", KNOWS, (14, 0, 3)),
    ("snapshot", "removed", KNOWS, (15, 15, 15)),
    ("lease", "unknown", NEW, (0, 0, 0)),
    ("lease", "zeroed", KNOWS, (0, 0, 0)),
]


def everybody_gets_right_bytes_or_an_error(world: Damaged):
    for number, (victim, how, knows, verdict) in enumerate(CASES[:: 3 if SMALL else 1]):
        client = "client%d" % number
        what = "%s %s, a client that %s" % (victim, how, "knew it" if knows else "is new")
        world.begin(client, knows)
        named = world.damage(victim, how)
        before = world.contents()
        said = use_a_mount(world, client, victim, named)
        world.nothing_was_deleted(before, what + ": mount")
        done = {}
        for command in (("check", "--read-data"), ("backup", "--source", "s", world.work + "/source"), ("repair", "--read-data")):
            done[command[0]] = world.admin(*command, client=client, ok=None)
            world.nothing_was_deleted(before, "%s: %s" % (what, command[0]))
        codes = tuple(done[command].returncode for command in ("check", "backup", "repair"))
        text = "%s%s\n%s" % (done["check"].text, done["check"].errors, said)
        print(what, codes, flush=True)
        check(codes == verdict, "%s: exit codes %r, not %r\n%s\n%s\n%s" %
              (what, codes, verdict, text, done["backup"].errors, done["repair"].text + done["repair"].errors))
        if codes[0] != 0:
            words = {"config": ("config", "repository"), "slot in use": ("key",)}.get(victim, (named.split("/")[-1],))
            check(any(word in text for word in words), "%s: nobody names %s:\n%s" % (what, named, text))
        put_back(world, victim, named)
        shutil.rmtree("%s/after" % world.work)


main(everybody_gets_right_bytes_or_an_error, world=Damaged)
