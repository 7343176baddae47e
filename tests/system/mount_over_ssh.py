#!/usr/bin/python3
"""rsync over ssh into the mount: only what changed travels, and about that is stored (issue item 2)."""
import os
import re
import shutil
import socket
import subprocess
import time

from world import World, check, compare, files_below, main, rsync_silent, run, skip, slice_of_usr

SSHD = "/usr/sbin/sshd"


class SshServer:
    """An sshd of our own on the loopback: own key, own configuration; `rsh` is what rsync -e takes."""

    def __init__(self, directory):
        os.mkdir(directory)
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "%s/%s" % (directory, name))
        shutil.copy(directory + "/user.pub", directory + "/authorized")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(directory + "/host.pub", encoding="ascii") as key, \
                open(directory + "/known_hosts", "w", encoding="ascii") as out:
            out.write("[127.0.0.1]:%d %s" % (self.port, key.read()))
        with open(directory + "/sshd_config", "w", encoding="utf-8") as out:
            out.write("\n".join([
                "ListenAddress 127.0.0.1", "Port %d" % self.port, "PidFile %s/sshd.pid" % directory,
                "HostKey %s/host" % directory, "AuthorizedKeysFile %s/authorized" % directory, "StrictModes no",
                "UsePAM no", "PermitRootLogin prohibit-password", "PasswordAuthentication no",
                "KbdInteractiveAuthentication no", ""]))
        # sshd insists on it; this mount namespace is our own.
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        os.mkdir("/run/sshd")
        self.rsh = ("ssh -F none -p %d -i %s/user -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=%s/known_hosts "
                    "-o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=none" % (self.port, directory, directory))
        self.log = directory + "/log"
        self.server = subprocess.Popen([SSHD, "-D", "-f", directory + "/sshd_config", "-E", self.log], stdin=subprocess.DEVNULL)
        for _ in range(200):
            if self.server.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.close()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            check(False, "sshd does not answer:\n" + log.read()[-2000:])

    def shell(self, *command, ok=(0,)):
        return run(*self.rsh.split(), "root@127.0.0.1", *command, ok=ok)

    def close(self):
        self.server.terminate()
        self.server.wait(timeout=20)
        run("umount", "/run")


def statistics(done):
    """The figures of rsync --stats."""
    found = {}
    for line in done.text.split("\n"):
        match = re.match(r"([A-Za-z ]+): ([0-9,]+)", line)
        if match:
            found[match.group(1)] = int(match.group(2).replace(",", ""))
    return found


def only_what_changed_travels(world: World):
    source = world.work + "/usr"
    slice_of_usr(source)
    names = files_below(source)
    # What rsync says of each entry of its list, changed or not, is not content.
    listing = 256 * (len(names) + 1000)
    mount = world.mount()
    server = SshServer(world.work + "/ssh")
    try:
        def copy():
            return statistics(run("rsync", "-e", server.rsh, "-aHAX", "--delete", "--stats", source + "/",
                                  "root@127.0.0.1:%s/usr/" % mount.ingest))

        def commit():
            server.shell("sync", mount.ingest + "/usr")

        first = copy()
        contents = {os.lstat(name).st_ino for name in names}  # hard links travel once
        check(first["Number of regular files transferred"] == len(contents), "the first copy sent %r" % first)
        commit()
        compare(source, mount.snapshot("usr"))
        rsync_silent(source, mount.snapshot("usr"))

        before = world.objects()
        again = copy()
        check(again["Number of regular files transferred"] == 0 and again["Literal data"] == 0, "unchanged, it sent %r" % again)
        check(again["Total bytes sent"] < listing, "unchanged, it sent %r" % again)
        commit()
        check(world.objects() == before, "an unchanged tree changed the repository: %r" % (set(world.objects()) ^ set(before)))
        check(len(world.snapshots("usr")) == 1, "an unchanged tree made a snapshot")

        touched = names[::100]
        for path in touched:
            with open(path, "ab") as out:
                out.write(os.urandom(100))
        changed_bytes = sum(map(os.path.getsize, touched))
        second = copy()
        check(second["Number of regular files transferred"] == len(touched), "%d changed, it sent %r" % (len(touched), second))
        check(second["Literal data"] + second["Matched data"] == changed_bytes, "it sent other content: %r" % second)
        check(second["Total bytes sent"] < changed_bytes + listing, "%d bytes of files changed, it sent %r" % (changed_bytes, second))
        commit()
        grown = world.repository_bytes() - sum(before.values())
        check(0 < grown < changed_bytes + (2 << 20), "%d bytes of files changed, the repository grew by %d" % (changed_bytes, grown))
        check(len(world.snapshots("usr")) == 2, "the change made no snapshot")
        compare(source, mount.snapshot("usr"))
        rsync_silent(source, mount.snapshot("usr"))
    finally:
        server.close()
    mount.unmount()
    world.admin("check", "--read-data")


if not os.access(SSHD, os.X_OK):
    skip("needs openssh-server")
main(only_what_changed_travels)
