#!/usr/bin/python3
"""Real tools through the mount: what goes into ingest/ comes out of snapshots/ (issue items 1, 2)."""
import contextlib
import os
import sqlite3
import time

from world import HOST, SMALL, World, check, compare, files_below, main, nasty_tree, rsync_silent, run, slice_of_usr


def rsync_of_real_files(world: World):
    source = world.work + "/usr"
    slice_of_usr(source)
    mount = world.mount()
    run("rsync", "-aHAX", source + "/", mount.ingest + "/usr/")
    mount.commit("usr")
    compare(source, mount.snapshot("usr"))
    rsync_silent(source, mount.snapshot("usr"))
    # Nothing changed: nothing is sent, nothing is stored.
    before = world.objects()
    again = run("rsync", "-aHAX", "--delete", "-i", source + "/", mount.ingest + "/usr/")
    check(again.text == "", "a second rsync sends:\n" + again.text[:1000])
    mount.commit("usr")
    changed = {name for name in set(world.objects()) ^ set(before) if not name.startswith("locks/")}
    check(not changed, "an unchanged tree changed the repository: %r" % changed)
    check(len(world.snapshots("usr")) == 1, "an unchanged tree made a snapshot")
    # One percent changed: that travels, and about that is stored.
    touched = files_below(source)[::100]
    for path in touched:
        with open(path, "ab") as out:
            out.write(os.urandom(100))
    size = sum(map(os.path.getsize, touched))
    before_bytes = world.repository_bytes()
    sent = run("rsync", "-aHAX", "-W", "--out-format=%n", source + "/", mount.ingest + "/usr/").text.split("\n")
    check(len([name for name in sent if name and not name.endswith("/")]) == len(touched), "rsync sent %d files for %d" %
          (len(sent), len(touched)))
    mount.commit("usr")
    grown = world.repository_bytes() - before_bytes
    check(grown < size + (2 << 20), "%d bytes changed, the repository grew by %d" % (size, grown))
    compare(source, mount.snapshot("usr"))
    world.admin("check", "--read-data")
    mount.unmount()


def rsync_of_nasty_files(world: World):
    source = world.work + "/nasty"
    nasty_tree(source)
    mount = world.mount("dev,suid")
    run("rsync", "-aHAXS", source + "/", mount.ingest + "/nasty/")
    mount.commit("nasty")
    compare(source, mount.snapshot("nasty"))
    rsync_silent(source, mount.snapshot("nasty"))
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:nasty", world.work + "/out")
    compare(source, world.work + "/out")
    mount.unmount()


def other_tools(world: World):
    source = world.work + "/usr"
    slice_of_usr(source, 300)
    mount = world.mount()
    run("cp", "-a", source, mount.ingest + "/cp")
    mount.commit("cp")
    compare(source, mount.snapshot("cp"))
    run("tar", "--format=posix", "-C", source, "-cf", world.work + "/t.tar", ".")
    os.mkdir(mount.ingest + "/tar")
    run("tar", "-C", mount.ingest + "/tar", "-xpf", world.work + "/t.tar")
    mount.commit("tar")
    compare(source, mount.snapshot("tar"))
    run("sh", "-c", "cd %s && find . -type f | head -100 | zip -q %s/z.zip -@" % (source, world.work))
    os.mkdir(mount.ingest + "/zip")
    run("unzip", "-q", "-o", world.work + "/z.zip", "-d", mount.ingest + "/zip")
    mount.commit("zip")
    # Over what is a snapshot's by now, and was something else.
    first = sorted(each for each in files_below(mount.ingest + "/zip"))[0]
    with open(first, "w") as out:
        out.write("overwritten")
    mount.commit("zip")
    run("unzip", "-q", "-o", world.work + "/z.zip", "-d", mount.ingest + "/zip")
    mount.commit("zip")
    for top, _, names in os.walk(mount.snapshot("zip")):
        for name in names:
            relative = os.path.relpath(os.path.join(top, name), mount.snapshot("zip"))
            run("cmp", os.path.join(top, name), os.path.join(source, relative))
    mount.unmount()


def other_tools_on_nasty_files(world: World):
    source = world.work + "/nasty"
    nasty_tree(source, 2000)
    mount = world.mount("dev,suid")
    run("cp", "-a", source, mount.ingest + "/cp")
    mount.commit("cp")
    compare(source, mount.snapshot("cp"))
    rsync_silent(source, mount.snapshot("cp"))
    os.unlink(source + "/socket")  # what tar leaves out
    all_attributes = ["--acls", "--xattrs", "--xattrs-include=*", "--sparse", "--format=posix"]
    run("tar", *all_attributes, "-C", source, "-cf", world.work + "/t.tar", ".")
    os.mkdir(mount.ingest + "/tar")
    run("tar", *all_attributes, "-C", mount.ingest + "/tar", "-xpf", world.work + "/t.tar")
    mount.commit("tar")
    compare(source, mount.snapshot("tar"))
    # And back: tar finds no difference between its archive of the source and the snapshot.
    run("tar", *all_attributes, "-C", mount.snapshot("tar"), "-df", world.work + "/t.tar")
    mount.unmount()


def sqlite_backup(world: World):
    database = sqlite3.connect(world.work + "/a.db")
    database.execute("create table t(x)")
    database.executemany("insert into t values(?)", [(os.urandom(500),) for _ in range(5000)])
    database.commit()
    mount = world.mount()
    os.mkdir(mount.ingest + "/db")
    run("sqlite3", world.work + "/a.db", ".backup %s/db/a.db" % mount.ingest)
    mount.commit("db")
    found = sqlite3.connect("file:%s/a.db?mode=ro&immutable=1" % mount.snapshot("db"), uri=True)
    check(found.execute("pragma integrity_check").fetchone()[0] == "ok", "the database is damaged")
    check(found.execute("select count(*) from t").fetchone()[0] == 5000, "rows are missing")
    found.close()
    mount.unmount()


def make_git_repository(path):
    run("git", "init", "-q", path)
    for i in range(20):
        with open(path + "/file%d" % i, "w") as out:
            out.write("line\n" * 1000 * i)
        run("git", "-C", path, "add", ".")
        run("git", "-C", path, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "commit %d" % i)


def git_clone(world: World):
    make_git_repository(world.work + "/origin")
    mount = world.mount()
    os.mkdir(mount.ingest + "/git")
    run("git", "clone", "-q", "--no-local", world.work + "/origin", mount.ingest + "/git/clone")
    mount.commit("git")
    run("git", "-c", "safe.directory=*", "-C", mount.snapshot("git") + "/clone", "fsck", "--strict")
    mount.unmount()


def git_clone_with_an_ingest_key(world: World):
    """Also when an earlier snapshot holds the same chunks, whose keys this client does not have."""
    make_git_repository(world.work + "/origin")
    key = world.add_ingest_key()
    for _ in range(2):
        mount = world.mount(key=key, client="ingest")
        os.makedirs(mount.ingest + "/git", exist_ok=True)
        run("rm", "-rf", mount.ingest + "/git/clone")
        run("git", "clone", "-q", "--no-local", world.work + "/origin", mount.ingest + "/git/clone")
        mount.commit("git")
        check(os.listdir(mount.path + "/snapshots") == [], "an ingest key sees snapshots")
        mount.unmount()
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:git", world.work + "/out")
    run("git", "-c", "safe.directory=*", "-C", world.work + "/out/clone", "fsck", "--strict")


def parts_of_old_files_change_without_reading_them(world: World):
    key = world.add_ingest_key()
    data = os.urandom(3_000_000)
    expected = {}
    mount = world.mount(key=key, client="ingest")
    os.mkdir(mount.ingest + "/f")
    for name in ("append", "middle", "inplace", "rsync-append"):
        with open("%s/f/%s" % (mount.ingest, name), "wb") as out:
            out.write(data)
        expected[name] = data
    mount.commit("f")
    run("sh", "-c", "printf tail >> %s/f/append" % mount.ingest)
    expected["append"] += b"tail"
    run("dd", "of=%s/f/middle" % mount.ingest, "bs=1000", "seek=1500", "conv=notrunc", stdin=b"y" * 5000)
    expected["middle"] = data[:1_500_000] + b"y" * 5000 + data[1_505_000:]
    expected["inplace"] = data[:100_000] + b"z" * 10 + data[100_010:]
    with open(world.work + "/inplace", "wb") as out:
        out.write(expected["inplace"])
    run("rsync", "--inplace", "--ignore-times", world.work + "/inplace", mount.ingest + "/f/inplace")
    expected["rsync-append"] += b"more" * 1000
    with open(world.work + "/rsync-append", "wb") as out:
        out.write(expected["rsync-append"])
    run("rsync", "--append", world.work + "/rsync-append", mount.ingest + "/f/rsync-append")
    mount.commit("f")
    mount.unmount()
    for name, content in expected.items():
        check(world.admin("dump", "latest:f:" + name).stdout == content, name + " has other content")


def the_mount_options_of_fstab_work(world: World):
    mount = world.mount("_netdev,nofail,ro")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        line = [each for each in mounts if mount.path in each]
    check(len(line) == 1 and " fuse.vgerfs ro," in line[0] and "nosuid" in line[0] and "nodev" in line[0], "mounted as %r" % line)
    check(not os.path.exists(mount.ingest), "a read-only mount has ingest/")
    mount.unmount()


def a_new_snapshot_appears_in_a_live_mount(world: World):
    source = world.work + "/s"
    os.mkdir(source)
    mounts = [world.mount("ro", client="reader"), world.mount(client="writer")]
    for mount in mounts:
        check(os.listdir(mount.path + "/snapshots") == [], "there are snapshots already")
    for round_number in range(3):
        with open(source + "/file", "w") as out:
            out.write("round %d" % round_number)
        made = world.admin_json("backup", "--source", "s", source)
        # Promised are 5 s on a local store.
        deadline = time.monotonic() + (20 if SMALL else 5)
        waiting = list(mounts)
        while waiting:
            check(time.monotonic() < deadline, "the snapshot of round %d does not appear" % round_number)
            for mount in list(waiting):
                with contextlib.suppress(FileNotFoundError), open(mount.snapshot("s") + "/file") as handle:
                    if handle.read() == "round %d" % round_number:
                        waiting.remove(mount)
            time.sleep(0.2)
        for mount in mounts:
            check(os.readlink(mount.snapshot("s")) == made["name"], "latest is %s" % os.readlink(mount.snapshot("s")))
            check(made["name"] in os.listdir(mount.path + "/snapshots/%s/s" % HOST), "the directory lacks it")
            check(made["id"] in os.listdir(mount.path + "/ids"), "ids/ lacks it")
        time.sleep(1.1)
    world.admin("delete", made["id"])
    deadline = time.monotonic() + (20 if SMALL else 5)
    while made["name"] in os.listdir(mounts[0].path + "/snapshots/%s/s" % HOST):
        check(time.monotonic() < deadline, "a deleted snapshot stays")
        time.sleep(0.2)
    for mount in mounts:
        mount.unmount()


main(rsync_of_real_files, rsync_of_nasty_files, other_tools, other_tools_on_nasty_files, sqlite_backup, git_clone, git_clone_with_an_ingest_key,
     parts_of_old_files_change_without_reading_them, the_mount_options_of_fstab_work, a_new_snapshot_appears_in_a_live_mount)
