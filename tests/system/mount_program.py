#!/usr/bin/python3
"""The program vgerfs and its helpers: starting, failing, ending (issue items 8 and 9, and §5 of mounting)."""
import json
import os
import signal
import subprocess
import time

from world import BIN, HOST, World, check, main, run

VGERFS = os.path.join(BIN, "vgerfs")


def mounts_on(path):
    with open("/proc/mounts", encoding="utf-8") as mounts:
        return [line.split() for line in mounts if line.split()[1] == path]


def ended(pid):
    """Gone, or a zombie that its new parent has not looked at yet."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as handle:
            return handle.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def gone(pid, seconds=20):
    for _ in range(seconds * 20):
        if ended(pid):
            return True
        time.sleep(0.05)
    return False


def one_line(done, code, part):
    lines = [line for line in done.errors.split("\n") if line and not line.startswith("hint:")]
    check(done.returncode == code, "exit code %d instead of %d: %s" % (done.returncode, code, done.errors))
    check(len(lines) == 1 and part in lines[0], "not one clear line with %r: %r" % (part, done.errors))


def failures_are_one_line_and_an_exit_code(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    good = "passphrase-file=" + world.full

    def mount(repository, directory, options):
        return run("mount", "-t", "fuse.vgerfs", repository, directory, "-o", options, ok=None, env=world.environment("client"))

    one_line(mount(world.repository, target, "passphrase-file=" + world.secret("wrong")), 32, "no key slot opens")
    one_line(mount(world.work + "/nothing", target, good), 32, "no repository")
    one_line(mount(world.repository, target, good + ",no-such-option"), 1, "no-such-option")
    one_line(mount(world.repository, target, good + ",setuid=nobody"), 1, "setuid")
    one_line(mount(world.repository, target, good + ",drop_privileges"), 1, "drop_privileges")
    one_line(mount("nolabel", target, good), 1, "nolabel")
    one_line(mount(world.repository, target, "passphrase-file=/no/such/file"), 32, "/no/such/file")
    one_line(mount(world.repository, target, "rw"), 1, "no passphrase")
    # mount(8) itself looks whether the place exists; called directly it is ours to say.
    one_line(run(VGERFS, world.repository, world.work + "/absent", "-o", good, ok=None), 1, "does not exist")
    one_line(run(VGERFS, world.repository, world.full, "-o", good, ok=None), 1, "not a directory")
    ingest = world.add_ingest_key()
    one_line(mount(world.repository, target, "ro,passphrase-file=" + ingest), 1, "read-only")
    check(not mounts_on(target), "a failure left a mount")
    check(not [name for name in world.objects() if name.startswith("locks/")], "a failure left a lease")


def a_fake_mount_does_nothing(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    run("mount", "-f", "-t", "fuse.vgerfs", world.repository, target, "-o", "passphrase-file=" + world.full)
    run("mount", "-s", "-f", "-t", "fuse.vgerfs", world.repository, target, "-o", "whatever,passphrase-file=" + world.full)
    check(not mounts_on(target), "mount -f mounted")


def it_is_seen_as_what_it_is(world: World):
    odd = world.work + "/a, b\\c"
    os.rename(world.repository, odd)
    world.repository = odd
    mount = world.mount("ro", repository=odd)
    line = mounts_on(mount.path)[0]
    check(line[0].replace("\\040", " ").replace("\\134", "\\") == odd and line[2] == "fuse.vgerfs", "mounted as %r" % line)
    for option in ("ro", "nosuid", "nodev", "default_permissions"):
        check(option in line[3].split(","), "%s is missing: %s" % (option, line[3]))
    check("allow_other" not in line[3], "allow_other without being asked")
    mount.unmount()
    mount = world.mount("allow_dev,allow_suid,allow_other", repository=odd)
    options = mounts_on(mount.path)[0][3].split(",")
    check("nosuid" not in options and "nodev" not in options and "allow_other" in options, options)
    mount.unmount()


def the_status_says_who_serves(world: World):
    mount = world.mount("ro")
    with open(mount.path + "/.vgerfs/status.json", encoding="utf-8") as handle:
        status = json.load(handle)
    check(status["pid"] == mount.pid(), "another pid: %r" % status)
    check(status["repository"] == world.repository and status["host"] == HOST and status["role"] == "full", status)
    with open(mount.path + "/.vgerfs/status", encoding="utf-8") as handle:
        check(world.repository in handle.read(), "the text does not name the repository")
    check("commit" not in os.listdir(mount.path + "/.vgerfs"), "a read-only mount offers to commit")
    mount.unmount()


def other_users_stay_out(world: World):
    for options, allowed in (("ro", False), ("ro,allow_other", True)):
        mount = world.mount(options)
        os.chmod(world.work, 0o755)
        done = run("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "ls", mount.path, ok=None)
        check((done.returncode == 0) == allowed, "%s: ls as another user: %d" % (options, done.returncode))
        mount.unmount()


def a_dead_mount_is_replaced(world: World):
    mount = world.mount("ro")
    mount.kill()
    try:
        os.listdir(mount.path)
        check(False, "the mount lives on without its daemon")
    except OSError:
        pass
    mount.start()
    check(len(mounts_on(mount.path)) == 1, "the new mount lies on top of the dead one")
    check("snapshots" in os.listdir(mount.path), "it does not work")
    mount.kill()
    mount.unmount()
    check(not mounts_on(mount.path), "umount of a dead mount left it")


def a_second_mount_on_top_is_refused(world: World):
    mount = world.mount("ro")
    one_line(mount.start(ok=None), 16, "already")
    check(len(mounts_on(mount.path)) == 1, "there are two mounts")
    mount.unmount()
    mount.start()
    mount.unmount()


def sigterm_ends_it_in_order(world: World):
    mount = world.mount()
    pid = mount.pid()
    os.kill(pid, signal.SIGTERM)
    check(gone(pid), "the daemon does not end")
    check(not mounts_on(mount.path), "the mount is still there")
    mount.start()
    mount.unmount()


def the_foreground_ends_by_a_signal(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    daemon = subprocess.Popen([VGERFS, "-f", world.repository, target, "-o", "ro,passphrase-file=" + world.full],
                              env=world.environment("client"), stderr=subprocess.PIPE)
    for _ in range(200):
        if mounts_on(target):
            break
        time.sleep(0.05)
    check("snapshots" in os.listdir(target), "it does not work")
    daemon.send_signal(signal.SIGINT)
    check(daemon.wait(timeout=20) == 0, "exit code %d" % daemon.returncode)
    check(daemon.stderr.read() == b"", "it said something")
    check(not mounts_on(target), "the mount is still there")


def umount_waits_for_the_daemon(world: World):
    for options in ((), ("ro",)):
        mount = world.mount(*options)
        pid = mount.pid()
        mount.unmount()
        check(not mounts_on(mount.path), "it is still mounted")
        check(ended(pid), "umount returned before the daemon ended")


def a_mount_in_use_stays(world: World):
    mount = world.mount("ro")
    handle = os.open(mount.path + "/snapshots", os.O_RDONLY)
    failed = mount.unmount(ok=None)
    check(failed.returncode != 0 and "busy" in failed.errors, "umount of a mount in use: %r" % failed.errors)
    check(mounts_on(mount.path), "it is gone")
    pid = mount.pid()
    run("umount", "-l", mount.path)
    check(not mounts_on(mount.path), "umount -l left it")
    os.close(handle)
    check(gone(pid), "the daemon of a detached mount does not end")


def fstab_lines_work(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    with open(world.work + "/fstab", "w", encoding="utf-8") as out:
        out.write("%s %s fuse.vgerfs noauto,_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=30s,ro,"
                  "passphrase-file=%s 0 0\n" % (world.repository, target, world.full))
    run("mount", "-T", world.work + "/fstab", target, env=world.environment("client"))
    check(mounts_on(target)[0][2] == "fuse.vgerfs", "not mounted")
    run("umount", target)


def a_configuration_gives_place_and_secret(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    config = world.work + "/vgerfs.yaml"
    with open(config, "w", encoding="utf-8") as out:
        out.write("repositories:\n  - url: %s\n    label: home\n    encryption:\n      passphrase_file: %s\nhost: confighost\n"
                  % (world.repository, world.full))
    os.chmod(config, 0o600)
    run("mount", "-t", "fuse.vgerfs", "home", target, "-o", "ro,config=" + config, env=world.environment("client"))
    with open(target + "/.vgerfs/status.json", encoding="utf-8") as handle:
        check(json.load(handle)["host"] == "confighost", "the configuration's host does not count")
    run("umount", target)


def the_admin_program_mounts_and_unmounts(world: World):
    target = world.work + "/mnt"
    os.mkdir(target)
    world.admin("mount", target, "-o", "autocommit=0", "-o", "cache-size=32M")
    check(mounts_on(target)[0][2] == "fuse.vgerfs", "not mounted")
    os.mkdir(target + "/ingest/s")
    with open(target + "/ingest/s/file", "w", encoding="utf-8") as out:
        out.write("content")
    busy = world.admin("backup", "--source", "s", world.work, ok=(11,))
    with open(target + "/.vgerfs/status.json", encoding="utf-8") as handle:
        pid = json.load(handle)["pid"]
    check(str(pid) in busy.errors, "who holds the source is not said: " + busy.errors)
    done = world.admin_json("umount", target)
    check(done["mount_point"] == target and not mounts_on(target), "it is still mounted")
    check(world.admin("dump", "latest:s:file").text == "content", "unmounting did not commit")
    one_line(world.admin("umount", target, ok=None), 1, "no repository is mounted")
    one_line(world.admin("mount", target, "-o", "nonsense", ok=None), 1, "nonsense")


def an_idle_source_is_committed(world: World):
    mount = world.mount("autocommit=2s")
    os.mkdir(mount.ingest + "/s")
    with open(mount.ingest + "/s/file", "w", encoding="utf-8") as out:
        out.write("content")
    for _ in range(300):
        if world.snapshots("s", client="other"):
            break
        time.sleep(0.2)
    made = world.snapshots("s", client="other")
    check(len(made) == 1 and made[0]["trigger"] == "idle", "nothing was committed: %r" % made)
    mount.unmount()


def an_ordinary_user_mounts_for_himself(world: World):
    # Device nodes belong to root: a copy of /dev/fuse for everybody, in this namespace only.
    device = world.work + "/fuse"
    os.mknod(device, 0o666 | 0o020000, os.makedev(10, 229))
    os.chmod(device, 0o666)
    run("mount", "--bind", device, "/dev/fuse")
    try:
        home = world.work + "/user"
        os.mkdir(home)
        os.chmod(world.work, 0o755)
        run("cp", "-a", world.repository, home + "/repository")
        os.mkdir(home + "/mnt")
        os.mkdir(home + "/other")
        run("cp", world.full, home + "/pass")
        run("chown", "-R", "65534:65534", home)
        env = world.environment("client")
        env.update(HOME=home, VGERFS_CACHE_DIR=home + "/cache", VGERFS_STATE_DIR=home + "/state")
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        run(*as_user, VGERFS, home + "/repository", home + "/mnt", "-o", "ro,passphrase-file=" + home + "/pass", env=env)
        line = mounts_on(home + "/mnt")[0]
        check(line[2] == "fuse.vgerfs" and "user_id=65534" in line[3], "mounted as %r" % line)
        check("snapshots" in run(*as_user, "ls", home + "/mnt").text, "the user cannot look")
        check(run("ls", home + "/mnt", ok=None).returncode != 0, "root can look without allow_other")
        failed = run(*as_user, VGERFS, home + "/repository", home + "/other", "-o", "allow_other,passphrase-file=" + home + "/pass",
                     env=env, ok=None)
        one_line(failed, 2, "allow_other")
        helper = os.path.join(world.work, "umount.fuse.vgerfs")
        os.symlink(VGERFS, helper)
        run(*as_user, helper, home + "/mnt")
        check(not mounts_on(home + "/mnt"), "the user cannot unmount")
    finally:
        run("umount", "-l", "/dev/fuse")


main(failures_are_one_line_and_an_exit_code, a_fake_mount_does_nothing, it_is_seen_as_what_it_is, the_status_says_who_serves,
     other_users_stay_out, a_dead_mount_is_replaced, a_second_mount_on_top_is_refused,
     sigterm_ends_it_in_order, the_foreground_ends_by_a_signal,
     umount_waits_for_the_daemon, a_mount_in_use_stays, fstab_lines_work, a_configuration_gives_place_and_secret,
     the_admin_program_mounts_and_unmounts, an_idle_source_is_committed, an_ordinary_user_mounts_for_himself)
