#!/usr/bin/python3
"""What tools expect of ingest/, and what is refused (issue item 9 and the list of the ingest view)."""
import errno
import os
import signal
import stat
import subprocess
import sys
import time

from world import World, check, main, run


def expect_errno(number, action, what):
    try:
        result = action()
    except OSError as error:
        check(error.errno == number, "%s: %s instead of %s" % (what, errno.errorcode[error.errno], errno.errorcode[number]))
        return
    check(False, "%s: gave %r" % (what, result))


def put(path, data=b"data"):
    with open(path, "wb") as out:
        out.write(data)


def a_shorter_rewrite_leaves_no_tail(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    put(mount.ingest + "/s/longfile", b"long" * 100_000)
    mount.commit("s")
    run("sh", "-c", "echo short > %s/s/longfile" % mount.ingest)
    mount.commit("s")
    check(world.admin("dump", "latest:s:longfile").stdout == b"short\n", "the old tail is still there")
    mount.unmount()


def a_write_by_another_user_clears_set_id(world: World):
    mount = world.mount("allow_other,allow_suid")
    os.chmod(world.work, 0o755)
    os.mkdir(mount.ingest + "/s", 0o777)
    os.chmod(mount.ingest + "/s", 0o777)
    path = mount.ingest + "/s/tool"
    put(path)
    os.chmod(path, 0o6777)
    run("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "sh", "-c", "echo x >> " + path)
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o777, "mode is %o" % os.stat(path).st_mode)
    os.chmod(path, 0o4777)
    os.chmod(path, 0o4777)
    run("setcap", "cap_net_raw+ep", path)
    with open(path, "ab") as out:
        out.write(b"root writes")
    check("security.capability" not in os.listxattr(path), "a write left the file's capabilities")
    mount.unmount()


def refused_by_design(world: World):
    mount = world.mount()
    ingest = mount.ingest
    os.mkdir(ingest + "/s")
    os.mkdir(ingest + "/t")
    put(ingest + "/s/file")
    expect_errno(errno.EPERM, lambda: put(ingest + "/file"), "a regular file directly in ingest/")
    expect_errno(errno.EPERM, lambda: os.rename(ingest + "/s", ingest + "/u"), "renaming a source")
    expect_errno(errno.EXDEV, lambda: os.link(ingest + "/s/file", ingest + "/t/file"), "a hard link across sources")
    expect_errno(errno.ENOTEMPTY, lambda: os.rmdir(ingest + "/s"), "rmdir of a non-empty source")
    expect_errno(errno.EOPNOTSUPP, lambda: os.open(ingest + "/s", os.O_TMPFILE | os.O_WRONLY), "O_TMPFILE")
    expect_errno(errno.EINVAL, lambda: os.mkdir(ingest + "/bad name"), "a bad source name")
    os.rename(ingest + "/s/file", ingest + "/t/moved")
    with open(ingest + "/t/moved", "rb") as handle:
        check(handle.read() == b"data", "a file renamed across sources lost its content")
    for directory in ("/snapshots", "", "/.vgerfs"):
        try:
            os.mkdir(mount.path + directory + "/x")
        except OSError as error:
            check(error.errno in (errno.EROFS, errno.EPERM, errno.EACCES), "mkdir in %s/: %s" % (directory, error))
        else:
            check(False, "mkdir worked in %s/" % directory)
    mount.unmount()


def rmdir_of_an_empty_source_discards(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    put(mount.ingest + "/s/file", b"first")
    mount.commit("s")
    os.unlink(mount.ingest + "/s/file")
    os.rmdir(mount.ingest + "/s")
    check(os.listdir(mount.ingest + "/s") == ["file"], "the source does not reappear as its last snapshot")
    os.mkdir(mount.ingest + "/fresh")
    os.rmdir(mount.ingest + "/fresh")
    check("fresh" not in os.listdir(mount.ingest), "a discarded new source is still there")
    mount.unmount()
    check(len(world.snapshots()) == 1, "discarding made a snapshot")


def ordinary_operations(world: World):
    mount = world.mount()
    base = mount.ingest + "/s/"
    os.mkdir(base)
    put(base + "temp", b"new")
    put(base + "target", b"old")
    os.rename(base + "temp", base + "target")
    handle = os.open(base + "unlinked", os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink(base + "unlinked")
    os.write(handle, b"still there")
    check(os.pread(handle, 100, 0) == b"still there", "a file unlinked while open is gone")
    os.close(handle)
    os.link(base + "target", base + "second")
    check(os.stat(base + "second").st_nlink == 2, "link count")
    os.chmod(base + "second", 0o600)
    check(stat.S_IMODE(os.stat(base + "target").st_mode) == 0o600, "a hard link's other name has another mode")
    os.symlink("target", base + "link")
    os.mkfifo(base + "fifo")
    with open(base + "sparse", "wb") as out:
        out.truncate(1 << 30)
        out.seek(1 << 29)
        out.write(b"x")
    run("fallocate", "--punch-hole", "--offset", str((1 << 29) - 4096), "--length", "8192", base + "sparse")
    handle = os.open(base + "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for _ in range(10):
        os.write(handle, b"line\n")
    os.close(handle)
    os.mkdir(base + "dir")
    os.rename(base + "dir", base + "renamed")
    os.utime(base + "target", ns=(5, 7))
    run("setfattr", "-n", "user.a", "-v", "b", base + "target")
    run("truncate", "-s", "100", base + "log")
    mount.commit("s")
    snapshot = mount.snapshot("s") + "/"
    check(sorted(os.listdir(snapshot)) == ["fifo", "link", "log", "renamed", "second", "sparse", "target"], os.listdir(snapshot))
    with open(snapshot + "log", "rb") as handle:
        check(handle.read() == b"line\n" * 10 + b"\0" * 50, "O_APPEND then truncate")
    status = os.stat(snapshot + "sparse")
    check(status.st_size == 1 << 30 and status.st_blocks < 1000, "sparse: %r" % (status,))
    check(os.stat(snapshot + "target").st_mtime_ns == 7 and os.stat(snapshot + "second").st_nlink == 2, "attributes")
    check(os.getxattr(snapshot + "target", "user.a") == b"b", "xattr")
    mount.unmount()


class Writer:
    """A process that writes half a file and keeps it open. (A handle of ours would be flushed by every child's exec.)"""

    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", "import os, sys\n"
                                         "handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o644)\n"
                                         "os.write(handle, b'half')\nprint('written', flush=True)\nsys.stdin.read()", path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def close(self):
        self.process.communicate()


def unfinished_writers_make_the_commit_wait(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    writer = Writer(mount.ingest + "/s/file")
    failed = mount.commit("s", ok=(1,))
    check("busy" in failed.errors.lower(), "no EBUSY: " + failed.errors)
    writer.close()
    mount.commit("s")
    mount.unmount()


def create_close_rename_sync_never_gives_busy(world: World):
    mount = world.mount()
    base = mount.ingest + "/s"
    os.mkdir(base)
    directory = os.open(base, os.O_RDONLY)
    for i in range(60):
        put(base + "/temporary", b"%d" % i)
        os.rename(base + "/temporary", base + "/file")
        os.fsync(directory)
    os.close(directory)
    mount.unmount()
    check(world.admin("dump", "latest:s:file").stdout == b"59", "the last content")


def sync_shows_the_errno_of_a_failing_store(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    put(mount.ingest + "/s/file", os.urandom(100_000))
    os.rename(world.repository, world.repository + ".away")
    failed = mount.commit("s", ok=(1,))
    check("sync" in failed.errors, failed.errors)
    failed = mount.unmount(ok=None)
    check(failed.returncode != 0 and failed.errors.strip() != "", "umount of a mount that cannot commit: %d" % failed.returncode)
    check(os.path.ismount(mount.path), "the mount is gone although its commit failed")
    os.rename(world.repository + ".away", world.repository)
    mount.commit("s")
    mount.unmount()
    check(len(world.snapshots("s")) == 1, "the commit after the failure made no snapshot")


def umount_commits(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    put(mount.ingest + "/s/file", b"by umount")
    mount.unmount()
    check(world.admin("dump", "latest:s:file").stdout == b"by umount", "umount did not commit")


def the_control_file_commits(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    put(mount.ingest + "/s/file", b"by control")
    run("sh", "-c", "echo s > %s/.vgerfs/commit" % mount.path)
    check(world.admin("dump", "latest:s:file").stdout == b"by control", "the control file did not commit")
    put(mount.ingest + "/s/file", b"by command")
    world.admin("commit", mount.path, "s")
    check(world.admin("dump", "latest:s:file").stdout == b"by command", "vgerfs-admin commit did not commit")
    absent = world.admin("commit", mount.path, "absent", ok=(1,))
    check("there is no source absent" in absent.errors, "an absent source: " + absent.errors)
    nowhere = world.admin("commit", world.work, ok=(1,))
    check("no repository is mounted" in nowhere.errors, "no mount: " + nowhere.errors)
    mount.unmount()


def explicit_commits_take_fsync_out(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    run("setfattr", "-n", "user.vgerfs.commit", "-v", "explicit", mount.ingest + "/s")
    put(mount.ingest + "/s/file", b"one")
    mount.commit("s")
    check(not world.snapshots("s"), "fsync made a snapshot although commits are explicit")
    world.admin("commit", mount.path, "s")
    check(len(world.snapshots("s")) == 1, "the command made none")
    run("setfattr", "-x", "user.vgerfs.commit", mount.ingest + "/s")
    put(mount.ingest + "/s/file", b"two")
    mount.commit("s")
    check(world.admin("dump", "latest:s:file").stdout == b"two", "fsync does not commit again")
    mount.unmount()


def a_waiting_sync_can_be_terminated(world: World):
    mount = world.mount()
    os.mkdir(mount.ingest + "/s")
    writer = Writer(mount.ingest + "/s/file")
    waiting = subprocess.Popen(["sync", mount.ingest + "/s"], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    started = time.monotonic()
    waiting.send_signal(signal.SIGTERM)
    waiting.wait(timeout=10)
    check(time.monotonic() - started < 1, "sync ended only after %.1f s" % (time.monotonic() - started))
    check(waiting.returncode == -signal.SIGTERM, "sync did not wait: it ended with %d" % waiting.returncode)
    writer.close()
    mount.unmount()


main(a_shorter_rewrite_leaves_no_tail, a_write_by_another_user_clears_set_id, refused_by_design,
     rmdir_of_an_empty_source_discards, ordinary_operations, unfinished_writers_make_the_commit_wait,
     create_close_rename_sync_never_gives_busy, sync_shows_the_errno_of_a_failing_store, umount_commits,
     the_control_file_commits, explicit_commits_take_fsync_out, a_waiting_sync_can_be_terminated)
