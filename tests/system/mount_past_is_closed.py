#!/usr/bin/python3
"""What an earlier snapshot holds cannot be read in ingest/; what this session wrote can, until the commit (issue item 3)."""
import errno
import os
import shutil

from world import HOST, World, check, main, run


def expect_errno(number, action, what):
    try:
        result = action()
    except OSError as error:
        check(error.errno == number, "%s: %s instead of %s" % (what, errno.errorcode[error.errno], errno.errorcode[number]))
        return
    check(False, "%s: gave %r" % (what, result))


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def old_bytes_are_refused(world: World):
    for key, client in ((world.full, "full"), (world.add_ingest_key(), "ingest")):
        mount = world.mount(key=key, client=client)
        os.makedirs(mount.ingest + "/s", exist_ok=True)
        path = mount.ingest + "/s/file-" + client
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(held, b"secret" * 1000)
        check(read(path) == b"secret" * 1000, "the running session's bytes do not read back")
        os.close(held)
        held = os.open(path, os.O_RDONLY)
        check(os.pread(held, 6, 0) == b"secret", "no read before the commit")
        mount.commit("s")
        expect_errno(errno.EACCES, lambda: os.pread(held, 6, 0), "a handle from before the commit")
        os.close(held)
        expect_errno(errno.EACCES, lambda: read(path), "a committed file")
        check(os.path.getsize(path) == 6000, "its size is not shown")
        handle = os.open(path, os.O_RDWR)
        expect_errno(errno.EACCES, lambda: os.pread(handle, 10, 0), "an O_RDWR handle on an old file")
        os.pwrite(handle, b"new", 100)
        check(os.pread(handle, 3, 100) == b"new", "new bytes in an old file do not read back")
        check(os.pread(handle, 50, 100) == b"new", "a read went on into old bytes")
        expect_errno(errno.EACCES, lambda: os.pread(handle, 10, 99), "a read that begins with an old byte")
        os.close(handle)
        mount.unmount()
        mount.start()
        expect_errno(errno.EACCES, lambda: read(path), "a committed file after a remount")
        mount.unmount()


def disk_of_an_ingest_client_holds_no_content(world: World):
    key = world.add_ingest_key()
    marker = b"MARKER-OF-SECRET-CONTENT-0123456789"
    mount = world.mount(key=key, client="ingest")
    os.mkdir(mount.ingest + "/s")
    with open(mount.ingest + "/s/file", "wb") as out:
        out.write(marker * 1000)
    with open(mount.ingest + "/s/file", "r+b") as out:
        out.seek(70)
        out.write(marker)
        out.flush()
        os.fsync(out.fileno())
    for directory in (world.work + "/ingest", world.repository):
        for top, _, names in os.walk(directory):
            for name in names:
                check(marker not in read(os.path.join(top, name)), "plain content in %s/%s" % (top, name))
    mount.commit("s")
    mount.unmount()
    # The holder of disk and credential cannot read what was committed.
    for command in (("ls", "latest:s"), ("dump", "latest:s:file"), ("restore", "latest:s", world.work + "/out")):
        refused = world.admin(*command, key=key, client="ingest", ok=None)
        check(refused.returncode != 0 and marker not in refused.stdout, "%s worked with an ingest key" % command[0])


def hosts_are_separate(world: World):
    key = world.add_ingest_key("other", host="otherhost")
    mount = world.mount(key=key, client="other", ok=None)
    if mount.result.returncode == 0:
        expect_errno(errno.EACCES, lambda: os.mkdir(mount.ingest + "/s"), "a source of a host that the key may not write for")
    check(not world.snapshots(), "there is a snapshot")


def forged_objects_count_for_nothing(world: World):
    """Whatever an ingest author publishes about others is ignored: a removal by its key leaves the snapshot."""
    key = world.add_ingest_key()
    os.mkdir(world.work + "/s")
    with open(world.work + "/s/file", "w") as out:
        out.write("content")
    made = world.admin_json("backup", "--source", "s", world.work + "/s")
    refused = world.admin("delete", made["snapshot"], key=key, client="ingest", ok=None)
    check(refused.returncode != 0, "an ingest key deleted a snapshot")
    refused = world.admin("key", "add", "--role", "full", "--new-passphrase-file", world.secret("evil"), key=key, client="ingest",
                          ok=None)
    check(refused.returncode != 0, "an ingest key made a full key")
    check(len(world.snapshots("s")) == 1, "the snapshot is gone")


def state_copied_back_is_no_leak(world: World):
    """Two sessions from one copy of the state directory never seal different content under one key: both are readable."""
    key = world.add_ingest_key()
    contents = [os.urandom(100_000), os.urandom(100_000)]
    state = world.work + "/ingest"
    mount = world.mount(key=key, client="ingest")
    os.mkdir(mount.ingest + "/s")
    mount.commit("s")
    mount.unmount()
    shutil.copytree(state, world.work + "/saved", symlinks=True)
    for content in contents:
        shutil.rmtree(state)
        shutil.copytree(world.work + "/saved", state, symlinks=True)
        mount = world.mount(key=key, client="ingest")
        with open(mount.ingest + "/s/file", "wb") as out:
            out.write(content)
        mount.commit("s")
        mount.unmount()
    found = [world.admin("dump", each["id"] + ":file").stdout for each in world.snapshots("s") if
             "file" in world.admin("ls", each["id"]).text]
    check(sorted(found) == sorted(contents), "one of the two snapshots has other content")


main(old_bytes_are_refused, disk_of_an_ingest_client_holds_no_content, hosts_are_separate, forged_objects_count_for_nothing,
     state_copied_back_is_no_leak)
