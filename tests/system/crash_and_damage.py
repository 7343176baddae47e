#!/usr/bin/python3
"""kill -9, damaged objects, rollback, and every environment error as one clear line (issue items 4, 6, 7, 8)."""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

from world import ADMIN, HOST, SMALL, World, check, compare, main, run, slice_of_usr

KILLS = 2 if SMALL else 20
SEED = int(os.environ.get("VGERFS_TEST_SEED", "20261121"))


def killed_daemon_loses_nothing_committed(world: World):
    print("seed %d" % SEED)
    chance = random.Random(SEED)
    source = world.work + "/usr"
    slice_of_usr(source, 1500)
    mount = world.mount()
    os.mkdir(mount.ingest + "/first")
    with open(mount.ingest + "/first/file", "w") as out:
        out.write("committed before")
    mount.commit("first")
    for _ in range(KILLS):
        rsync = subprocess.Popen(["rsync", "-aHAX", source + "/", mount.ingest + "/usr/"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.uniform(0.02, 1.5))
        mount.kill()
        # Its three processes may wait for each other for ever when all that the receiver does fails.
        with contextlib.suppress(subprocess.TimeoutExpired):
            rsync.wait(timeout=3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(rsync.pid, signal.SIGKILL)
        rsync.wait(timeout=60)
        mount.start()
    run("rsync", "-aHAX", "--delete", source + "/", mount.ingest + "/usr/", ok=(0,))
    mount.commit("usr")
    compare(source, mount.snapshot("usr"))
    check(world.admin("dump", "latest:first:file").stdout == b"committed before", "the committed snapshot is damaged")
    mount.unmount()
    world.admin("check", "--read-data")


def what_was_synced_survives_a_kill(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    data = os.urandom(500_000)
    with open(mount.ingest + "/s/file", "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    mount.kill()
    mount.start()
    check(os.path.getsize(mount.ingest + "/s/file") == len(data), "the synced file is gone")
    try:
        with open(mount.ingest + "/s/file", "rb") as handle:
            handle.read(1)
        check(False, "bytes of the killed daemon can be read")
    except PermissionError:
        pass
    mount.commit("s")
    check(world.admin("dump", "latest:s:file").stdout == data, "other content")
    mount.unmount()


def killed_backup_loses_nothing(world: World):
    print("seed %d" % SEED)
    chance = random.Random(SEED + 1)
    source = world.work + "/usr"
    slice_of_usr(source)
    world.admin("backup", "--source", "first", source + "/usr/bin")
    for _ in range(KILLS):
        process = subprocess.Popen([ADMIN, "-r", world.repository, "--passphrase-file", world.full, "--host", HOST, "backup",
                                    "--source", "usr", source], env=world.environment("client"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.05, 1.0))
        process.kill()
        process.wait()
        world.admin("check")
    world.admin("backup", "--source", "usr", source)
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:usr", world.work + "/out")
    compare(source, world.work + "/out")
    world.admin("check", "--read-data")


def an_interrupted_backup_ends_cleanly(world: World):
    source = world.work + "/big"
    os.mkdir(source)
    with open(source + "/random", "wb") as out:
        for _ in range(40 if SMALL else 400):
            out.write(os.urandom(1 << 20))
    process = subprocess.Popen([ADMIN, "-r", world.repository, "--passphrase-file", world.full, "--host", HOST, "backup",
                                "--source", "big", source], env=world.environment("client"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while process.poll() is None and not any(name.startswith("locks/") for name in world.objects()):
        time.sleep(0.01)  # it is at work once it holds its lease
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    check(process.returncode in (0, 130), "exit code %d" % process.returncode)
    check(not [name for name in world.objects() if name.startswith("locks/")], "a lease was left behind")


def damage(world, kind, how):
    """Damages the largest object of a kind; returns its name."""
    name = max((size, name) for name, size in world.objects().items() if name.startswith(kind))[1]
    path = os.path.join(world.repository, name)
    if how == "removed":
        os.unlink(path)
    else:
        os.chmod(path, 0o600)
        with open(path, "r+b") as handle:
            size = os.path.getsize(path)
            if how == "truncated":
                handle.truncate(size // 2)
            else:
                handle.seek(size // 2)
                byte = handle.read(1)
                handle.seek(size // 2)
                handle.write(bytes([byte[0] ^ 0x10]))
    return name


def damage_hurts_only_what_it_carries(world: World):
    source = world.work + "/s"
    os.mkdir(source)
    for name in ("one", "two"):
        os.mkdir(source + "/" + name)
        with open("%s/%s/file" % (source, name), "wb") as out:
            out.write(os.urandom(3_000_000 if name == "one" else 1_000_000))
        world.admin("backup", "--source", "s", "--force-snapshot", source)
    good = world.repository + ".good"
    shutil.copytree(world.repository, good)
    for how in ("flipped", "truncated", "removed"):
        shutil.rmtree(world.repository)
        shutil.copytree(good, world.repository)
        name = damage(world, "data/", how)
        mount = world.mount("ro")
        with open(mount.snapshot("s") + "/two/file", "rb") as handle:
            check(len(handle.read()) == 1_000_000, "%s: an untouched file does not read" % how)
        try:
            with open(mount.snapshot("s") + "/one/file", "rb") as handle:
                handle.read()
            check(False, "%s: the damaged file reads" % how)
        except OSError as error:
            check(error.errno == 5, "%s: %s instead of EIO" % (how, error))
        mount.unmount()
        found = world.admin("check", "--read-data", ok=(14,))
        check(name.split("/")[-1][:8] in found.text + found.errors, "%s: check does not name %s:\n%s" % (how, name, found.text))


def yesterdays_copy_is_refused(world: World):
    source = world.work + "/s"
    os.mkdir(source)
    world.admin("backup", "--source", "s", source)
    shutil.copytree(world.repository, world.work + "/yesterday")
    with open(source + "/file", "w") as out:
        out.write("today")
    world.admin("backup", "--source", "s", source)
    shutil.rmtree(world.repository)
    shutil.copytree(world.work + "/yesterday", world.repository)
    refused = world.admin("list", ok=(15,))
    check("--accept-rollback" in refused.errors, "the way out is not explained: " + refused.errors)
    mount = world.mount(ok=None)
    check(mount.result.returncode != 0, "it was mounted")
    world.admin("--accept-rollback", "list")
    world.admin("backup", "--source", "s", source)
    check(world.admin("dump", "latest:s:file").stdout == b"today", "the new backup lacks the file")


def one_line(done, code):
    check(done.returncode == code, "exit code %d instead of %d: %s" % (done.returncode, code, done.errors))
    lines = [line for line in done.errors.split("\n") if line and not line.startswith("hint:")]
    check(len(lines) == 1, "not one clear line: %r" % done.errors)


def errors_are_one_clear_line(world: World):
    source = world.work + "/s"
    os.mkdir(source)
    world.admin("backup", "--source", "s", source)
    one_line(world.admin("list", key=world.secret("wrong"), ok=None), 12)
    os.mkdir(world.work + "/empty")
    one_line(world.admin("list", repository=world.work + "/empty", ok=None), 10)
    one_line(world.admin("list", repository=world.work + "/not there", ok=None), 10)
    one_line(world.admin("restore", "nosuch", world.work + "/out", ok=None), 1)
    newer = world.work + "/newer"
    shutil.copytree(world.repository, newer)
    os.chmod(newer + "/config", 0o600)
    with open(newer + "/config", "r+b") as handle:
        handle.seek(8)
        handle.write(b"\x02")
    one_line(world.admin("list", repository=newer, ok=None), 13)
    before = world.objects()
    mount = world.mount(key=world.secret("wrong too"), ok=None)
    check(mount.result.returncode != 0 and mount.result.errors.strip(), "mounted with a wrong passphrase")
    check(world.objects() == before, "an error changed the repository")


def full_and_read_only_stores(world: World):
    disk = world.work + "/disk"
    os.mkdir(disk)
    run("mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", disk)
    try:
        repository = disk + "/repository"
        world.admin("init", repository=repository)
        source = world.work + "/s"
        os.mkdir(source)
        with open(source + "/small", "w") as out:
            out.write("fits")
        world.admin("backup", "--source", "s", source, repository=repository)
        with open(source + "/large", "wb") as out:
            out.write(os.urandom(40 << 20))
        one_line(world.admin("backup", "--quiet", "--source", "s", source, repository=repository, ok=None), 16)
        check(world.admin("dump", "latest:s:small", repository=repository).stdout == b"fits", "the old snapshot is damaged")
        world.admin("check", "--read-data", repository=repository)
        os.unlink(source + "/large")
        with open(source + "/another", "w") as out:
            out.write("fits too")
        world.admin("backup", "--source", "s", source, repository=repository)
        run("mount", "-o", "remount,ro", disk)
        with open(source + "/third", "w") as out:
            out.write("x")
        one_line(world.admin("backup", "--quiet", "--source", "s", source, repository=repository, ok=None), 17)
        check(len(world.admin_json("list", repository=repository)) == 2, "a read-only store cannot be listed")
    finally:
        run("umount", "-l", disk)


def a_disk_that_fills_up_under_a_mount(world: World):
    disk = world.work + "/disk"
    os.mkdir(disk)
    run("mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", disk)
    try:
        repository = disk + "/repository"
        world.admin("init", repository=repository)
        mount = world.mount(repository=repository)
        os.mkdir(mount.ingest + "/s")
        with open(mount.ingest + "/s/small", "w") as out:
            out.write("fits")
        mount.commit("s")
        large = os.urandom(150 << 20)  # more than waits in memory
        failed = run("dd", "of=%s/s/large" % mount.ingest, "bs=1M", stdin=large, ok=None)
        check(failed.returncode != 0 and "No space left" in failed.errors, "the writer is not told: " + failed.errors)
        failed = mount.commit("s", ok=(1,))
        check("No space left" in failed.errors, "sync does not say why: " + failed.errors)
        failed = mount.unmount(ok=(2,))
        check("No space left" in failed.errors, "umount does not say why: " + failed.errors)
        one_line(world.admin("commit", mount.path, ok=None), 16)
        check(os.path.ismount(mount.path), "the mount is gone although its commit failed")
        check(world.admin("dump", "latest:s:small", repository=repository).stdout == b"fits", "the snapshot is damaged")
        run("mount", "-o", "remount,size=400M", disk)
        time.sleep(1.1)  # it is asked again once a second
        run("dd", "of=%s/s/large" % mount.ingest, "bs=1M", stdin=large)
        mount.unmount()
        check(world.admin("dump", "latest:s:large", repository=repository).stdout == large, "other content")
        world.admin("check", "--read-data", repository=repository)
    finally:
        run("umount", "-l", disk)


def a_store_that_vanishes(world: World):
    vanished = world.mount()
    os.mkdir(vanished.ingest + "/s")
    shutil.move(world.repository, world.repository + ".away")
    one_line(world.admin("list", ok=None), 10)
    failed = vanished.commit("s", ok=(1,))
    check(failed.errors != "", "sync says nothing")
    shutil.move(world.repository + ".away", world.repository)


main(killed_daemon_loses_nothing_committed, what_was_synced_survives_a_kill, killed_backup_loses_nothing,
     an_interrupted_backup_ends_cleanly, damage_hurts_only_what_it_carries, yesterdays_copy_is_refused, errors_are_one_clear_line,
     full_and_read_only_stores, a_disk_that_fills_up_under_a_mount, a_store_that_vanishes)
