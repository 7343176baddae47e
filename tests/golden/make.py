#!/usr/bin/python3
"""Made the repositories `everything` and `chacha20poly1305` beside it, once. They are frozen: this script is kept to tell how they
came about, not to make them again (what it would make is never the same: keys are random).

    VGERFS_BIN=build/release/bin VGERFS_SOURCE=$PWD tests/golden/make.py TARGET      as root; TARGET must not exist

Each gets `repository/`, its secrets, and `manifest.txt`: what the trees held that went in, as lstat(2) and its like saw them, in the
form of manifest.py.
"""
import os
import random
import shutil
import socket
import stat
import sys
import time

SOURCE = os.environ["VGERFS_SOURCE"]
sys.path[:0] = [SOURCE + "/tests/system", SOURCE + "/tests/interop", SOURCE + "/tests/golden"]
import manifest  # noqa: E402
from world import ADMIN, World, check, enter_namespace, need_root_and_fuse, run  # noqa: E402

HOST = "testhost"  # what world.py calls this machine
CHACHA, AES = "chacha20poly1305", "aes256gcm"
random.seed(20261120)


class Golden(World):
    """A world whose repository and secrets are what stays."""

    def __init__(self, target, encryption):
        self.target, self.encryption = target, encryption
        super().__init__()
        self.lines = []

    def admin(self, *arguments, **options):
        if arguments == ("init",):
            arguments += ("--encryption", self.encryption)
        return super().admin(*arguments, **options)

    def note(self, snapshot, role, lines):
        """Notes what a snapshot must hold."""
        listed = [each for each in self.admin_json("list") if each["id"] == snapshot][0]
        self.lines.append("snapshot id=%s host=%s source=%s author=%s parent=%s tags=%s" % (
            snapshot, listed["host"], listed["source"], role, listed["parent"] or "", ",".join(listed["tags"])))
        self.lines += lines + [""]

    def keep(self, secrets):
        os.makedirs(self.target)
        shutil.copytree(self.repository, self.target + "/repository", ignore=shutil.ignore_patterns(".tmp-*"))
        for name, path in secrets.items():
            shutil.copyfile(path, self.target + "/" + name)
        with open(self.target + "/manifest.txt", "w", encoding="ascii") as out:
            out.write("# What the snapshots hold: see manifest.py.\n" + "\n".join(self.lines))


def put(path, data=b"x"):
    with open(path, "wb") as out:
        out.write(data)
    return path


def patches(path, size, pieces):
    """A file of holes but for some pieces: (offset, bytes)."""
    with open(path, "wb") as out:
        out.truncate(size)
        for offset, data in pieces:
            os.pwrite(out.fileno(), data, offset)


def settle(root, when=1_600_000_000):
    """Gives what has no time of its own one: whole seconds, so that it compresses."""
    for top, directories, files in os.walk(root, topdown=False):
        for name in directories + files + [b"."]:
            path = os.path.join(top, name)
            if os.lstat(path).st_mtime > when + 10**8:
                os.utime(path, ns=(when * 10**9, when * 10**9), follow_symlinks=False)


def make_home(target):
    os.makedirs(target)
    join = lambda *names: os.path.join(os.fsencode(target), *[os.fsencode(name) for name in names])
    for directory in ("many", "small", "names", "times", "links", "links/below", "holes", "xattrs", "special", "modes", "empty"):
        os.mkdir(join(directory))
    for i in range(4000):
        os.close(os.open(join("many", "entry %04d" % i), os.O_CREAT | os.O_WRONLY, 0o644))
    for i in range(60):  # they share a block
        put(join("small", "number %d" % i), b"This is small file number %d.\n" % i * (i % 5 + 1))
    put(join("same as number 7"), b"This is small file number 7.\n" * 3)

    put(join("random"), random.randbytes(150_000))  # a block by itself that does not compress
    text = b"".join(b"%08d The quick brown fox jumps over the lazy dog, again and again and again.\n" % i for i in range(15_000))
    put(join("text"), text)  # several chunks
    put(join("text and more"), text + b"More.\n")  # shares all but the last

    names = join("names")
    for name in (b"n" * 255, b"\xff\xfe not UTF-8 \x01\n", "na\u00efve \u2603".encode(), b" leading and trailing ", b"-rf", b"a%b=c,d:e\"f", b"\\"):
        put(os.path.join(names, name), name)

    for name, ns in (("long before 1970", -86400 * 10**9 * 3650 - 123_456_789), ("one ns before 1970", -1), ("1970", 0),
                     ("nanoseconds", 1_234_567_890_123_456_789), ("later", 2**33 * 10**9 + 1)):
        os.utime(put(join("times", name)), ns=(ns, ns))
    os.mkdir(join("times", "directory"))
    os.utime(join("times", "directory"), ns=(-5, -5))
    os.symlink("x", join("times", "link"))
    os.utime(join("times", "link"), ns=(-10**9, -10**9), follow_symlinks=False)

    put(join("links", "a"), b"hard link\n" * 100)
    os.link(join("links", "a"), join("links", "below", "b"))
    os.link(join("links", "a"), join("third"))
    os.symlink("nowhere/at all", join("links", "dangling"))
    os.link(join("links", "dangling"), join("links", "below", "dangling too"), follow_symlinks=False)
    os.symlink(b"/\xff not UTF-8", join("links", "absolute"))
    os.symlink(b"x" * 4095, join("links", "long"))

    patches(join("holes", "all"), 3_000_000, [])
    patches(join("holes", "first"), 300_000, [(299_000, b"end" * 333 + b"x")])
    patches(join("holes", "last"), 300_000, [(0, b"begin")])
    patches(join("holes", "too short"), 60_000, [(0, b"begin"), (59_997, b"end")])
    patches(join("holes", "40 extents"), 20 * 100_000, [(i * 100_000, b"piece %d" % i) for i in range(20)])
    # Beyond 4096 extents: a tree of nodes. The pieces are few, and met again and again.
    patches(join("holes", "4400 extents"), 2200 * 69_632, [(i * 69_632, b"repeated piece %d" % (i % 10)) for i in range(2200)])

    xattrs = join("xattrs")
    for name, values in (("none long", {"user.empty": b"", "user.short": b"value", "user.binary": bytes(range(40))}),
                         ("inline", {"user.longest": b"i" * 1024}), ("blob", {"user.blob": b"b" * 1025 + b"\0\xff"}),
                         ("random blob", {"user.blob": random.randbytes(3000), "user.short": b"beside it"})):
        put(os.path.join(xattrs, name.encode()), name.encode())
        for xattr, value in values.items():
            os.setxattr(os.path.join(xattrs, name.encode()), xattr, value)
    os.mkdir(join("xattrs", "directory"))
    os.setxattr(join("xattrs", "directory"), "user.directory", b"d")
    os.setxattr(put(join("xattrs", "trusted")), "trusted.secret", b"for root")
    run("setfacl", "-m", "u:12345:rwx,g:54321:r", put(join("xattrs", "acl")))
    run("setfacl", "-d", "-m", "u:12345:rwx", join("xattrs", "directory"))
    run("setcap", "cap_net_raw+ep", put(join("xattrs", "capable")))

    os.mkfifo(join("special", "fifo"), 0o640)
    os.link(join("special", "fifo"), join("special", "fifo too"))
    with socket.socket(socket.AF_UNIX) as unix:
        os.chdir(join("special"))
        unix.bind("socket")
    os.mknod(join("special", "null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(join("special", "block"), 0o600 | stat.S_IFBLK, os.makedev(259, 70_000))

    for mode in (0, 0o400, 0o777, 0o4755, 0o2755):
        path = put(join("modes", "%04o" % mode))
        os.chown(path, 1234, 567_890)
        os.chmod(path, mode)
    os.mkdir(join("modes", "sticky"))
    os.chmod(join("modes", "sticky"), 0o1777)
    os.mkdir(join("modes", "closed"))
    put(join("modes", "closed", "inside"))
    os.chmod(join("modes", "closed"), 0)

    os.chdir(join())
    for i in range(50):
        os.mkdir("level %02d" % i)
        os.chdir("level %02d" % i)
    put(b"bottom", b"deep down")
    os.chdir("/")
    settle(join())


def make_web(target):
    """What goes in through the mount."""
    os.makedirs(target + "/pages")
    os.mkdir(target + "/many")
    for i in range(600):
        put(target + "/many/page %03d" % i, b"page %d\n" % (i % 30))
    put(target + "/log", b"".join(b"%06d something happened, nobody knows what\n" % i for i in range(5000)))
    put(target + "/pages/index", b"<html>\n")
    os.link(target + "/pages/index", target + "/pages/start")
    os.symlink("pages/index", target + "/main")
    put(os.fsencode(target) + b"/\xe4\xf6\xfc in Latin-1", b"x")
    patches(target + "/holes", 70_000 * 20, [(i * 70_000, b"%d" % i) for i in range(20)])
    os.setxattr(target + "/log", "user.short", b"s")
    os.setxattr(target + "/pages", "user.long", b"l" * 2000)
    os.utime(put(target + "/old"), ns=(-10**18 - 1, -10**18 - 1))
    os.chown(target + "/log", 33, 33)
    settle(os.fsencode(target))


def tree_level(world, path):
    """Of a directory's root node, by the independent reader."""
    os.makedirs(world.work + "/protos", exist_ok=True)
    run("sh", "-c", 'protoc --proto_path="$1" --python_out="$2" "$1"/format/*.proto', "sh", SOURCE + "/src", world.work + "/protos")
    script = ("import sys; sys.path.insert(0, %r); import vgerfs_reader as v\n"
              "r = v.Repository(%r, %r); s = [s for _, s in r.snapshots()][0]\n"
              "e = [e for e in r.entries(s.root.subtree) if e.name == %r][0]\n"
              "print(r.tree_pb2.TreeNode.FromString(r.chunk(v.TREE, e.subtree)).level)\n"
              % (SOURCE + "/tests/interop", world.repository, world.work + "/protos", path))
    with open(world.full, encoding="ascii") as secret:
        env = dict(os.environ, VGERFS_PASSPHRASE=secret.read().rstrip("\n"))
    return int(run("/usr/bin/python3", "-c", script, env=env).text)


def everything(target):
    for _ in range(200):
        world = Golden(target, AES)
        home, web = world.work + "/home", world.work + "/web"
        make_home(home)
        first = world.admin_json("backup", "--source", "home", "--tag", "first", home)
        if tree_level(world, b"many") == 2:
            break
        world.close()  # the split key is another one each time: `many` shall have a tree of three levels
    world.note(first["snapshot"], "full", manifest.describe(home))
    time.sleep(1.1)

    put(home + "/small/number 61", b"This one is new.\n")
    os.unlink(home + "/small/number 3")
    put(home + "/same as number 7", b"No longer.\n")
    os.rename(home + "/many/entry 0500", home + "/many/entry 0500 renamed")
    for i in range(1000, 4000):
        os.unlink(home + "/many/entry %04d" % i)
    settle(os.fsencode(home), 1_600_000_100)
    second = world.admin_json("backup", "--source", "home", "--tag", "second", "--tag", "changed", home)
    world.note(second["snapshot"], "full", manifest.describe(home))

    world.admin("key", "add", "--new-key-file", world.work + "/key", "--label", "key file")
    ingest = world.add_ingest_key("ingest")

    # An ingest author, through the mount: two sessions, the second changes bytes in the middle of what the first left.
    make_web(web)
    mount = world.mount(key=ingest, client="laptop")
    run("rsync", "-aHAX", web + "/", mount.ingest + "/web/")
    mount.commit("web")
    known = {each["id"] for each in world.admin_json("list")}
    third = [each["id"] for each in world.admin_json("list") if each["source"] == "web"][0]
    world.note(third, "ingest", manifest.describe(web))
    time.sleep(1.1)
    for root in (web, mount.ingest + "/web"):
        with open(root + "/log", "r+b") as log:
            os.pwrite(log.fileno(), b"CHANGED IN PLACE", 100_000)
            os.pwrite(log.fileno(), b"appended\n", os.fstat(log.fileno()).st_size)
        os.utime(root + "/log", ns=(1_600_000_200 * 10**9, 1_600_000_200 * 10**9))
        os.unlink(root + "/many/page 000")
        os.utime(root + "/many", ns=(1_600_000_300 * 10**9, 1_600_000_300 * 10**9))
    mount.commit("web")
    fourth = [each["id"] for each in world.admin_json("list") if each["id"] not in known][0]
    world.note(fourth, "ingest", manifest.describe(web))

    mount.unmount()

    # A session that dies: its lease stays, and what its checkpoint named belongs to no snapshot.
    mount = world.mount("checkpoint-interval=2s", key=ingest, client="laptop")
    put(mount.ingest + "/web/unfinished", random.randbytes(5000))
    records = len(os.listdir(world.repository + "/index"))
    while len(os.listdir(world.repository + "/index")) == records:
        time.sleep(0.5)
    mount.kill()
    mount.end()
    check(len(os.listdir(world.repository + "/locks")) == 1, "the lease is not there")

    # A snapshot that is removed. What it shares with the ingest author's was stored once more, since that one is not trusted.
    os.mkdir(world.work + "/gone")
    put(world.work + "/gone/file", b"This file's snapshot is removed.\n")
    shutil.copyfile(web + "/log", world.work + "/gone/log")
    gone = world.admin_json("backup", "--source", "gone", world.work + "/gone")
    world.admin("delete", gone["snapshot"])
    world.lines += ["# removed: " + gone["snapshot"], ""]
    world.keep({"passphrase": world.full, "key": world.work + "/key", "ingest.passphrase": ingest})
    world.close()


class KeyFileWorld(Golden):
    """Opened by a key file from the beginning."""

    def admin(self, *arguments, key=None, client="client", ok=(0,), stdin=None, repository=None):
        secret = ["--new-key-file"] if arguments == ("init",) else ["--key-file"]
        if arguments == ("init",):
            arguments += ("--encryption", self.encryption)
        return run(ADMIN, "-r", self.repository, "--host", HOST, *arguments, *secret, self.work + "/key", ok=ok,
                   env=self.environment(client), stdin=stdin)


def chacha(target):
    world = KeyFileWorld(target, CHACHA)
    tree = world.work + "/tree"
    os.makedirs(tree + "/directory")
    put(tree + "/hello.txt", b"hello, world\n")
    put(tree + "/directory/random", random.randbytes(5000))
    put(tree + "/directory/repeated", b"again and " * 10_000)
    patches(tree + "/hole", 200_000, [(100_000, b"x")])
    os.symlink("hello.txt", tree + "/link")
    os.setxattr(tree + "/directory", "user.long", b"long " * 300)
    settle(os.fsencode(tree))
    made = world.admin_json("backup", "--source", "tree", tree)
    world.note(made["snapshot"], "full", manifest.describe(tree))
    world.keep({"key": world.work + "/key"})
    world.close()


def main():
    need_root_and_fuse()
    target = os.path.abspath(sys.argv[1])
    check(not os.path.exists(target) or os.environ.get("VGERFS_TEST_NAMESPACE") == "1", target + " exists")
    enter_namespace()
    os.makedirs(target)
    everything(target + "/everything")
    chacha(target + "/" + CHACHA)


main()
