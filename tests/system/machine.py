"""A throw-away machine for tests: a real systemd boots a copy of this one's root, with the build under test installed into it.

The copy is an overlay whose upper layer vanishes with the test; the machine has namespaces of its own, also of the network.
"""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from world import BIN, HOST, check, run, skip

# What it boots: what else is enabled on this machine stays out.
TARGET = "vgerfs-test.target"
NSPAWN = "/usr/bin/systemd-nspawn"
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "--cgroup", "true"]


def need_machine():
    if not os.access(NSPAWN, os.X_OK):
        skip("needs systemd-container")
    for device in ("/dev/fuse", "/dev/autofs"):
        if not os.path.exists(device):
            skip("needs " + device)
    done = subprocess.run(NAMESPACES, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        skip("no namespaces here: " + done.stderr.decode(errors="replace").strip())


class Machine:
    """Booted, with a passphrase in /etc/vgerfs and a repository in /srv/backup."""

    def __init__(self):
        # The upper layer of an overlay cannot lie on an overlay, which this machine's root may be.
        self.work = tempfile.mkdtemp(prefix="vgerfs-machine-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.root = self.work + "/root"
        for name in ("root", "upper", "scratch"):
            os.mkdir("%s/%s" % (self.work, name))
        run("mount", "-t", "overlay", "overlay", "-o",
            "lowerdir=/,upperdir={0}/upper,workdir={0}/scratch".format(self.work), self.root)
        self.nspawn, self.leader = None, None
        try:
            with open(self.root + "/etc/hostname", "w", encoding="ascii") as out:
                out.write(HOST + "\n")
            with open("%s/etc/systemd/system/%s" % (self.root, TARGET), "w", encoding="ascii") as out:
                out.write("[Unit]\nRequires=basic.target\nAfter=basic.target remote-fs.target\nWants=remote-fs.target\n")
            # The search for leaks stops the process as a debugger would; hardened units forbid that.
            os.makedirs(self.root + "/etc/systemd/system.conf.d", exist_ok=True)
            with open(self.root + "/etc/systemd/system.conf.d/sanitizer.conf", "w", encoding="ascii") as out:
                out.write("[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
            run("cmake", "--install", os.path.dirname(BIN), env=dict(os.environ, DESTDIR=self.root))
            self.boot()
            self.put("/etc/vgerfs/passphrase", "the passphrase of the machine\n", 0o600)
            self.admin("init")
        except BaseException:
            self.close()
            raise

    def boot(self):
        with open(self.work + "/console", "wb") as console:
            self.nspawn = subprocess.Popen(
                [NSPAWN, "--quiet", "--directory=" + self.root, "--machine=vgerfs-%d" % os.getpid(),
                 "--register=no", "--keep-unit", "--boot", "--private-network", "--bind=/dev/fuse", "--bind=/dev/autofs",
                 "systemd.unit=" + TARGET], stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        for _ in range(600):
            if self.nspawn.poll() is not None:
                break
            with contextlib.suppress(OSError, IndexError), \
                    open("/proc/{0}/task/{0}/children".format(self.nspawn.pid), encoding="ascii") as children:
                self.leader = children.read().split()[0]
            if self.leader and self.run("systemctl", "is-system-running", ok=None).text.strip() in ("running", "degraded"):
                return
            time.sleep(0.1)
        with open(self.work + "/console", encoding="utf-8", errors="replace") as console:
            check(False, "the machine does not boot:\n" + console.read()[-3000:])

    def shut_down(self):
        """In order, as the machine's owner would."""
        self.systemctl("poweroff", ok=None)
        self.nspawn.wait(timeout=120)
        self.leader = None

    def run(self, *command, ok=(0,), timeout=120):
        return run("nsenter", "--target", self.leader, "--all", "--root", "--wd", "env", "-i",
                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", *command, ok=ok,
                   timeout=timeout)

    def shell(self, script, ok=(0,)):
        return self.run("sh", "-c", script, ok=ok)

    def systemctl(self, *arguments, ok=(0,)):
        """Says what the journal knows if it fails unexpectedly."""
        done = self.run("systemctl", "--no-pager", *arguments, ok=None)
        check(ok is None or done.returncode in ok, "systemctl %s: exit code %d\n%s%s\n%s" % (
            " ".join(arguments), done.returncode, done.text, done.errors, self.journal()))
        return done

    def journal(self, *arguments):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-n", "40", *arguments, ok=None).text

    def state(self, unit):
        return self.systemctl("is-active", unit, ok=None).text.strip()

    def admin(self, *arguments, ok=(0,)):
        return self.run("vgerfs-admin", "-r", "/srv/backup", "--passphrase-file", "/etc/vgerfs/passphrase", *arguments, ok=ok)

    def put(self, path, text, mode=0o644):
        """Writes a file inside."""
        self.run("mkdir", "-p", os.path.dirname(path))
        inside = "/proc/%s/root%s" % (self.leader, path)
        with open(inside, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(inside, mode)

    def wait_for(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < deadline, "%s\n%s" % (what, self.journal()))
            time.sleep(0.2)

    def close(self):
        if self.nspawn is not None:
            if self.leader and self.nspawn.poll() is None:
                self.systemctl("poweroff", "--force", "--force", ok=None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.nspawn.wait(timeout=30)
            if self.nspawn.poll() is None:
                self.nspawn.kill()
                self.nspawn.wait()
        run("umount", self.root)
        shutil.rmtree(self.work, ignore_errors=True)
