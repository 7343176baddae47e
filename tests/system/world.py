"""What the system tests share: a repository with credentials, mounts, real tools, and comparison of trees.

Every test runs in a mount namespace of its own, where `mount -t fuse.vgerfs` finds the helpers of the build under test in /sbin.
"""
import atexit
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

BIN = os.environ["VGERFS_BIN"]
SOURCE = os.environ["VGERFS_SOURCE"]
ADMIN = os.path.join(BIN, "vgerfs-admin")
SMALL = os.environ.get("VGERFS_TEST_SIZE") == "small"
HOST = "testhost"


def skip(reason):
    print("skipped: " + reason)
    sys.exit(77)


def need_root_and_fuse():
    if os.geteuid() != 0:
        skip("needs root")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("needs /dev/fuse")


def enter_private_mounts():
    """Runs the script anew in a mount namespace of its own."""
    if os.environ.get("VGERFS_TEST_NAMESPACE") != "1":
        os.environ["VGERFS_TEST_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)


def enter_namespace():
    """Runs the rest of the script in a new mount namespace with the mount helpers in /sbin."""
    enter_private_mounts()
    overlay = tempfile.mkdtemp(prefix="vgerfs-sbin-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    os.makedirs(overlay + "/upper")
    os.makedirs(overlay + "/work")
    sbin = os.path.realpath("/sbin")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (sbin, overlay, overlay), sbin], check=True)
    for helper in ("mount.fuse.vgerfs", "umount.fuse.vgerfs"):
        link = os.path.join(sbin, helper)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(os.path.join(BIN, "vgerfs"), link)

    @atexit.register
    def leave():
        subprocess.run(["umount", "--lazy", sbin], check=False)
        shutil.rmtree(overlay, ignore_errors=True)


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def run(*command, ok=(0,), env=None, stdin=None, cwd=None, timeout=600):
    """Runs a command; returns its CompletedProcess with text output. Another exit code than those in `ok` fails the test."""
    done = subprocess.run([os.fspath(part) for part in command], env=env, cwd=cwd, input=stdin, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done.text = done.stdout.decode(errors="surrogateescape")
    done.errors = done.stderr.decode(errors="surrogateescape")
    if ok is not None and done.returncode not in ok:
        raise Failure("%s\nexit code %d\n%s%s" % (" ".join(map(os.fspath, command)), done.returncode, done.text[-3000:],
                                                  done.errors[-3000:]))
    return done


class World:
    """A work directory with a repository, its full key, and clients (each a name with state and cache of its own)."""

    def __init__(self, parent=None):
        self.work = tempfile.mkdtemp(prefix="vgerfs-test-", dir=parent)
        self.repository = self.work + "/repository"
        self.full = self.secret("full")
        self.mounts = []
        self.admin("init")

    def secret(self, name):
        path = self.work + "/" + name + ".passphrase"
        with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as out:
            out.write("the passphrase of " + name + "\n")
        return path

    def add_ingest_key(self, name="ingest", host=HOST):
        path = self.secret(name)
        self.admin("key", "add", "--role", "ingest", "--host", host, "--new-passphrase-file", path)
        return path

    def environment(self, client):
        env = {key: value for key, value in os.environ.items() if not key.startswith("VGERFS_") or key.startswith("VGERFS_TEST")}
        env.update(VGERFS_CACHE_DIR="%s/%s/cache" % (self.work, client), VGERFS_STATE_DIR="%s/%s/state" % (self.work, client),
                   LC_ALL="C")
        return env

    def admin(self, *arguments, key=None, client="client", ok=(0,), stdin=None, repository=None):
        return run(ADMIN, "-r", repository or self.repository, "--passphrase-file", key or self.full, "--host", HOST, *arguments,
                   ok=ok, env=self.environment(client), stdin=stdin)

    def admin_json(self, *arguments, **options):
        return json.loads(self.admin(*arguments, "--json", **options).text)

    def snapshots(self, source=None, client="client"):
        return [each for each in self.admin_json("list", client=client) if source in (None, each["source"])]

    def mount(self, *options, key=None, client="client", ok=(0,), repository=None):
        mount = Mount(self, options, key or self.full, client, repository or self.repository)
        mount.start(ok)
        if ok == (0,):
            self.mounts.append(mount)
        return mount

    def objects(self):
        found = {}
        for kind in ("data", "index", "snapshots", "locks", "keys"):
            for top, _, names in os.walk(os.path.join(self.repository, kind)):
                for name in names:
                    found[os.path.relpath(os.path.join(top, name), self.repository)] = os.path.getsize(os.path.join(top, name))
        return found

    def repository_bytes(self):
        return sum(self.objects().values())

    def close(self):
        for mount in self.mounts:
            mount.end()
        shutil.rmtree(self.work, ignore_errors=True)


class Mount:
    def __init__(self, world, options, key, client, repository):
        self.world, self.client, self.repository = world, client, repository
        self.path = tempfile.mkdtemp(prefix="mnt-", dir=world.work)
        env = world.environment(client)
        self.options = ",".join(["passphrase-file=" + key, "host=" + HOST, "cache-dir=" + env["VGERFS_CACHE_DIR"],
                                 "state-dir=" + env["VGERFS_STATE_DIR"], *options])
        self.result = None

    def start(self, ok=(0,)):
        self.result = run("mount", "-t", "fuse.vgerfs", self.repository, self.path, "-o", self.options, ok=ok)
        return self.result

    @property
    def ingest(self):
        return self.path + "/ingest"

    def snapshot(self, source, name="latest"):
        return "%s/snapshots/%s/%s/%s" % (self.path, HOST, source, name)

    def commit(self, source, ok=(0,)):
        return run("sync", "%s/ingest/%s" % (self.path, source), ok=ok)

    def pid(self):
        """Of the daemon: the process that has this mount point in its command line."""
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError), open("/proc/%s/cmdline" % entry, "rb") as handle:
                    if os.fsencode(self.path) in handle.read().split(b"\0"):
                        return int(entry)
        return None

    def kill(self):
        pid = self.pid()
        check(pid is not None, "no daemon serves " + self.path)
        os.kill(pid, signal.SIGKILL)
        for _ in range(100):
            if not os.path.exists("/proc/%d" % pid):
                break
            time.sleep(0.05)

    def unmount(self, ok=(0,)):
        return run("umount", self.path, ok=ok)

    def end(self):
        """Takes the mount away whatever its state; waits for the daemon."""
        pid = self.pid()
        subprocess.run(["umount", "-i", "-l", self.path], stderr=subprocess.DEVNULL, check=False)
        for _ in range(100):
            if pid is None or not os.path.exists("/proc/%d" % pid):
                return
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def describe(path):
    """What must be equal of one inode, without content."""
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    row = [stat.filemode(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns]
    if stat.S_ISREG(kind):
        row.append(status.st_size)
    if stat.S_ISLNK(kind):
        row.append(os.readlink(path))
    if stat.S_ISBLK(kind) or stat.S_ISCHR(kind):
        row.append(status.st_rdev)
    if not stat.S_ISDIR(kind):
        row.append(status.st_nlink)
    row.append(sorted((name, os.getxattr(path, name, follow_symlinks=False))
                      for name in os.listxattr(path, follow_symlinks=False)))
    return row


def same_content(a, b):
    with open(a, "rb") as left, open(b, "rb") as right:
        offset, size = 0, os.fstat(left.fileno()).st_size
        # Holes of both sides are skipped: a sparse file of gigabytes costs nothing.
        while offset < size:
            try:
                start = min(os.lseek(left.fileno(), offset, os.SEEK_DATA), os.lseek(right.fileno(), offset, os.SEEK_DATA))
            except OSError:
                starts = []
                for handle in (left, right):
                    with contextlib.suppress(OSError):
                        starts.append(os.lseek(handle.fileno(), offset, os.SEEK_DATA))
                if not starts:
                    return True
                start = min(starts)
            block_a = os.pread(left.fileno(), 1 << 20, start)
            block_b = os.pread(right.fileno(), 1 << 20, start)
            if block_a != block_b:
                return False
            offset = start + (1 << 20)
        return True


def compare(expected, found, root=True):
    """Fails with the first differences of two trees: names, attributes, hard links, content."""
    differences, links = [], {}
    for top, directories, files in os.walk(os.fsencode(expected)):
        relative = os.path.relpath(top, os.fsencode(expected))
        other = os.path.normpath(os.path.join(os.fsencode(found), relative))
        names = sorted(directories + files)
        try:
            if names != sorted(os.listdir(other)):
                differences.append("%r: other names" % relative)
                continue
        except OSError as error:
            differences.append("%r: %s" % (relative, error))
            continue
        for name in names + ([b"."] if relative != b"." or root else []):
            a, b = os.path.join(top, name), os.path.join(other, name)
            try:
                if describe(a) != describe(b):
                    differences.append("%r: %r is now %r" % (os.path.join(relative, name), describe(a), describe(b)))
                    continue
                status = os.lstat(a)
                if stat.S_ISREG(status.st_mode):
                    if status.st_nlink > 1:
                        first = links.setdefault(status.st_ino, b)
                        if os.lstat(first).st_ino != os.lstat(b).st_ino:
                            differences.append("%r: no longer a hard link" % os.path.join(relative, name))
                    if not same_content(a, b):
                        differences.append("%r: other content" % os.path.join(relative, name))
            except OSError as error:
                differences.append("%r: %s" % (os.path.join(relative, name), error))
        if len(differences) > 20:
            break
    check(not differences, "the trees differ:\n  " + "\n  ".join(differences[:20]))


def rsync_silent(a, b):
    """rsync sees no difference in either direction."""
    for left, right in ((a, b), (b, a)):
        done = run("rsync", "-aHAXn", "--checksum", "--delete", "-i", left + "/", right + "/")
        check(done.text == "", "rsync %s %s would change:\n%s" % (left, right, done.text[:2000]))


def make_old(target):
    """Gives what is young an old time: rsync sets the times of what is no regular file only if the seconds differ."""
    for top, directories, files in os.walk(os.fsencode(target), topdown=False):
        for name in directories + files + [b"."]:
            path = os.path.join(top, name)
            if time.time() - os.lstat(path).st_mtime < 3600:
                os.utime(path, ns=(10**18 + 1, 10**18 + 987654321), follow_symlinks=False)


def files_below(directory):
    """Paths of all regular files, sorted."""
    return sorted(os.path.join(top, name) for top, _, names in os.walk(directory) for name in names
                  if stat.S_ISREG(os.lstat(os.path.join(top, name)).st_mode))


def slice_of_usr(target, files=3000):
    """A few thousand real files."""
    if SMALL:
        files = 400
    os.makedirs(target)
    listed = run("sh", "-c", "cd / && find usr/bin usr/lib/x86_64-linux-gnu usr/share/perl usr/share/doc -xdev "
                 "\\( -type f -size -8M -o -type l \\) -print0 | LC_ALL=C sort -z | "
                 "awk 'BEGIN{RS=ORS=\"\\0\"} NR%%4==1' | head -z -n %d" % files).stdout
    run("tar", "-C", "/", "-cf", target + ".tar", "--null", "-T", "-", stdin=listed)
    run("tar", "-xpf", target + ".tar", "-C", target)
    os.unlink(target + ".tar")
    make_old(target)


def nasty_tree(target, entries=100_000):
    """Everything that file systems can hold and tools stumble over; one directory has so many entries."""
    os.makedirs(target)
    join = lambda *names: os.path.join(os.fsencode(target), *[os.fsencode(name) for name in names])

    def put(path, data=b"x"):
        with open(path, "wb") as out:
            out.write(data)
        return path

    put(join("empty"), b"")
    put(join("one byte"), b"1")
    with open(join("sparse"), "wb") as out:
        size = (64 << 20) if SMALL else (3 << 30)
        os.pwrite(out.fileno(), b"head", 0)
        os.pwrite(out.fileno(), b"middle", size // 2 + 12345)
        out.truncate(size)
    with open(join("all hole"), "wb") as out:
        out.truncate(10 << 20)
    for directory in ("a", "b", "a/deeper"):
        os.mkdir(join(directory))
    put(join("a", "linked"), b"hard link\n" * 1000)
    os.link(join("a", "linked"), join("b", "linked too"))
    os.link(join("a", "linked"), join("a", "deeper", "third"))
    os.symlink("nowhere/at all", join("dangling"))
    os.symlink("/" + "x" * 1000, join("long link"))
    os.mkfifo(join("fifo"), 0o640)
    os.mknod(join("null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(join("block"), 0o600 | stat.S_IFBLK, os.makedev(7, 200))
    os.mknod(join("socket"), 0o600 | stat.S_IFSOCK)
    run("setfacl", "-m", "u:12345:rwx,g:54321:r", put(join("with acl")))
    os.mkdir(join("default acl"))
    run("setfacl", "-d", "-m", "u:12345:rwx", join("default acl"))
    run("setcap", "cap_net_raw+ep", put(join("capable")))
    os.setxattr(put(join("attributes")), "user.short", b"value")
    os.setxattr(join("attributes"), "user.empty", b"")
    os.setxattr(join("attributes"), "user.long", os.urandom(3000))
    os.setxattr(join("attributes"), "trusted.secret", b"for root")
    put(join("n" * 255))
    put(os.path.join(join(), b"\xff\xfe not utf-8 \x01\n"))
    put(join(" leading and trailing "))
    put(join("-rf"))
    os.chown(put(join("set-id")), 1234, 5678)
    os.chmod(join("set-id"), 0o6755)
    os.mkdir(join("sticky"))
    os.chmod(join("sticky"), 0o1777)
    os.chmod(put(join("nobody may read")), 0)
    for name, ns in (("before 1970", -86400 * 10**9 * 3650 - 123456789), ("nanoseconds", 1234567890123456789), ("zero", 0)):
        os.utime(put(join(name)), ns=(ns, ns))
    os.mkdir(join("many"))
    for i in range(min(entries, 1000) if SMALL else entries):
        os.close(os.open(join("many", "entry %06d" % i), os.O_CREAT | os.O_WRONLY, 0o644))
    os.chdir(join())
    for i in range(200):
        os.mkdir("level %03d" % i)
        os.chdir("level %03d" % i)
    put(b"bottom", b"deep down")
    os.chdir("/")
    make_old(join())


def main(*tests, world=World):
    """Runs each test in a world of its own; reports all failures."""
    need_root_and_fuse()
    enter_namespace()
    failed = []
    for test in tests:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        started = time.monotonic()
        place = None
        try:
            place = world()
            test(place)
            print("ok     %s (%.1f s)" % (test.__name__, time.monotonic() - started), flush=True)
        except Failure as failure:
            failed.append(test.__name__)
            print("FAILED %s: %s" % (test.__name__, failure), flush=True)
        except Exception as error:  # noqa: BLE001 - a broken test is a failed test
            failed.append(test.__name__)
            import traceback
            traceback.print_exc()
            print("FAILED %s: %s" % (test.__name__, error), flush=True)
        finally:
            if place:
                place.close()
    sys.exit(1 if failed else 0)
