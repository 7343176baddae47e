#!/usr/bin/python3
"""The units of contrib/systemd and fstab lines do what their README says, under a systemd that really boots."""
import json
import os

from machine import TARGET, Machine, need_machine
from world import HOST, SOURCE, check, main

UNITS = "/usr/local/share/doc/vgerfs/systemd"
SNAPSHOT = "/mnt/backup/snapshots/%s/home/latest/file" % HOST


def is_mounted(machine: Machine):
    # Seen from outside: a look at the place itself would mount it, and keep it from being idle.
    with open("/proc/%s/mountinfo" % machine.leader, encoding="utf-8") as mounts:
        return any(line.split()[4] == "/mnt/backup" and " - fuse.vgerfs " in line for line in mounts)


def dumped(machine: Machine):
    return machine.admin("dump", "latest:home:file").text


def take_example_units(machine: Machine, *names):
    machine.run("cp", *["%s/mnt-backup.%s" % (UNITS, name) for name in names], "/etc/systemd/system/")
    machine.systemctl("daemon-reload")
    for name in names:
        # systemd breaks such a cycle by leaving out one job, a different one each time.
        before, after = [set(machine.systemctl("show", "-P", order, "mnt-backup." + name).text.split()) for order in ("Before", "After")]
        check(before and after and not before & after, "%s comes before and after %s" % (name, before & after))


def write_into_ingest(machine: Machine, text):
    machine.shell("mkdir -p /mnt/backup/ingest/home && printf '%s' >/mnt/backup/ingest/home/file" % text)


def add_fstab_line(machine: Machine):
    """That of the README."""
    with open(os.path.join(SOURCE, "contrib/systemd/README.md"), encoding="utf-8") as readme:
        line = [each.strip() for each in readme if "x-systemd.automount" in each]
    check(len(line) == 1, "the README has %d lines for fstab" % len(line))
    machine.run("mkdir", "-p", "/mnt/backup")
    machine.shell("echo '%s' >>/etc/fstab" % line[0])


def the_mount_unit_works_and_its_stop_commits(machine: Machine):
    take_example_units(machine, "mount")
    machine.systemctl("start", "mnt-backup.mount")
    check(is_mounted(machine) and machine.state("mnt-backup.mount") == "active", "it is not mounted")
    status = json.loads(machine.run("cat", "/mnt/backup/.vgerfs/status.json").text)
    cgroup = machine.run("cat", "/proc/%d/cgroup" % status["pid"]).text
    check("mnt-backup.mount" in cgroup, "the daemon lives elsewhere: " + cgroup)
    write_into_ingest(machine, "one")
    machine.run("sync", "/mnt/backup/ingest/home")
    check(machine.run("cat", SNAPSHOT).text == "one", "the snapshot has other content")
    write_into_ingest(machine, "two")
    machine.systemctl("stop", "mnt-backup.mount")
    check(not is_mounted(machine) and machine.state("mnt-backup.mount") == "inactive", "it is still mounted")
    check(dumped(machine) == "two", "stopping the unit did not commit")


def a_stop_that_cannot_commit_leaves_the_mount(machine: Machine):
    take_example_units(machine, "mount")
    machine.systemctl("start", "mnt-backup.mount")
    write_into_ingest(machine, "kept")
    machine.run("mv", "/srv/backup", "/srv/away")
    stopped = machine.systemctl("stop", "mnt-backup.mount", ok=None)
    check(stopped.returncode != 0, "systemctl says that it stopped")
    check(is_mounted(machine) and machine.state("mnt-backup.mount") == "active", "the mount is gone although its commit failed")
    check("commit failed" in machine.journal("-u", "mnt-backup.mount"), "the journal does not say why:\n" + machine.journal())
    machine.run("mv", "/srv/away", "/srv/backup")
    machine.systemctl("stop", "mnt-backup.mount")
    check(not is_mounted(machine) and dumped(machine) == "kept", "what was written is lost")


def a_boot_mounts_and_a_shutdown_commits(machine: Machine):
    def boots_and_shuts_down(text):
        machine.shut_down()
        machine.boot()
        write_into_ingest(machine, text)
        check(is_mounted(machine), "it is not mounted after a boot\n" + machine.journal("-b"))
        machine.shut_down()
        machine.boot()
        check(dumped(machine) == text, "the shutdown did not commit\n" + machine.journal("-b", "-1"))

    take_example_units(machine, "mount")
    machine.systemctl("add-wants", TARGET, "mnt-backup.mount")
    boots_and_shuts_down("unit")
    machine.run("rm", "-r", "/etc/systemd/system/mnt-backup.mount", "/etc/systemd/system/%s.wants" % TARGET)
    add_fstab_line(machine)
    boots_and_shuts_down("fstab")


def the_automount_unit_mounts_at_a_look_and_unmounts_when_idle(machine: Machine):
    take_example_units(machine, "mount", "automount")
    machine.put("/etc/systemd/system/mnt-backup.automount.d/idle.conf", "[Automount]\nTimeoutIdleSec=2s\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "mnt-backup.automount")
    check(not is_mounted(machine), "it is mounted before anybody looked")
    write_into_ingest(machine, "looked")
    check(is_mounted(machine), "the look did not mount it")
    machine.wait_for(lambda: not is_mounted(machine), "it stays mounted although nobody uses it")
    check(dumped(machine) == "looked", "the unmount of an idle mount did not commit")
    check(machine.run("cat", SNAPSHOT).text == "looked" and is_mounted(machine), "it does not come again")
    machine.systemctl("stop", "mnt-backup.automount", "mnt-backup.mount")
    check(not is_mounted(machine), "it is still mounted")


def an_fstab_line_mounts_at_a_look(machine: Machine):
    add_fstab_line(machine)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "mnt-backup.automount")
    check(not is_mounted(machine), "it is mounted before anybody looked")
    write_into_ingest(machine, "fstab")
    check(is_mounted(machine), "the look did not mount it")
    machine.run("umount", "/mnt/backup")
    check(not is_mounted(machine) and dumped(machine) == "fstab", "umount did not commit")


def configure(machine: Machine):
    machine.shell("mkdir -p /home/somebody && printf backed-up >/home/somebody/file && chmod 0700 /home/somebody "
                  "&& chown -R 12345:12345 /home/somebody")
    machine.put("/etc/vgerfs/config.yaml", "repositories:\n  - url: /srv/backup\nsources:\n  - label: home\n"
                "    path: /home/somebody\n", 0o600)


def the_backup_service_has_its_passphrase_as_a_credential(machine: Machine):
    configure(machine)
    machine.systemctl("start", "vgerfs-backup@home.service")
    check(dumped(machine) == "backed-up", "the snapshot has other content")
    machine.systemctl("start", "vgerfs-backup@home.service")
    check("unchanged" in machine.journal("-u", "vgerfs-backup@home.service"), "the second run says nothing of an unchanged source")
    check(len(machine.admin("list").text.strip().split("\n")) == 2, "an unchanged source made a snapshot:\n" +
          machine.admin("list").text)
    # Without the credential it fails and says why; nothing is asked for and nothing waits.
    machine.run("mv", "/etc/vgerfs/passphrase", "/etc/vgerfs/hidden")
    failed = machine.systemctl("start", "vgerfs-backup@home.service", ok=None)
    check(failed.returncode != 0 and machine.state("vgerfs-backup@home.service") == "failed", "it works without a passphrase")
    machine.put("/etc/vgerfs/passphrase", "another one\n", 0o600)
    machine.systemctl("start", "vgerfs-backup@home.service", ok=(1,))
    check(machine.systemctl("show", "-P", "ExecMainStatus", "vgerfs-backup@home.service").text.strip() == "12",
          "a wrong passphrase has another exit code")


def an_ingest_key_serves_as_a_credential(machine: Machine):
    configure(machine)
    machine.admin("key", "add", "--role", "ingest", "--new-key-file", "/etc/vgerfs/ingest.key")
    machine.put("/etc/systemd/system/vgerfs-backup@.service.d/key.conf",
                "[Service]\nLoadCredential=\nLoadCredential=vgerfs-key:/etc/vgerfs/ingest.key\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "vgerfs-backup@home.service")
    check(dumped(machine) == "backed-up", "the snapshot has other content")


def the_timer_starts_the_backup(machine: Machine):
    configure(machine)
    machine.systemctl("enable", "vgerfs-backup@home.timer")
    check("vgerfs-backup@home.timer" in machine.run("ls", "/etc/systemd/system/timers.target.wants").text, "it is not enabled")
    machine.systemctl("start", "vgerfs-backup@home.timer")
    check("vgerfs-backup@home.timer" in machine.systemctl("list-timers").text, "it does not wait for its time")
    machine.put("/etc/systemd/system/vgerfs-backup@.timer.d/now.conf",
                "[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1us\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "vgerfs-backup@home.timer")
    machine.wait_for(lambda: "home" in machine.admin("list").text, "the timer made no backup")
    check(dumped(machine) == "backed-up", "the snapshot has other content")


def the_maintenance_service_prunes_compacts_and_checks(machine: Machine):
    configure(machine)
    service = "vgerfs-maintenance.service"
    # Without rules nothing is removed: it says so and does nothing else.
    machine.systemctl("start", service, ok=(1,))
    check(machine.systemctl("show", "-P", "ExecMainStatus", service).text.strip() == "2", "without rules it fails in another way")
    machine.shell("printf 'retention: {keep_last: 1}\\n' >>/etc/vgerfs/config.yaml")
    for text in ("one", "two", "three"):
        machine.shell("printf %s >/home/somebody/file" % text)
        machine.systemctl("start", "vgerfs-backup@home.service")
    check(len(json.loads(machine.admin("list", "--json").text)) == 3, "there are not three snapshots")
    machine.systemctl("start", service)
    check(len(json.loads(machine.admin("list", "--json").text)) == 1, "it did not prune")
    check(dumped(machine) == "three", "the wrong snapshot was kept")
    journal = machine.journal("-u", service)
    for said in ("kept 1, removed 2", "condemned 0,", "checked 1 snapshot"):
        check(said in journal, "the journal does not tell what it did: %r is not in\n%s" % (said, journal))
    # What is damaged fails the unit.
    machine.shell("for pack in $(find /srv/backup/data -type f); do rm -f $pack; done")
    machine.systemctl("start", service, ok=(1,))
    check(machine.state(service) == "failed", "it does not notice that all data is gone")


def the_maintenance_timer_starts_it(machine: Machine):
    configure(machine)
    machine.shell("printf 'retention: {keep_last: 1}\\n' >>/etc/vgerfs/config.yaml")
    timer = "vgerfs-maintenance.timer"
    machine.systemctl("enable", timer)
    check(timer in machine.run("ls", "/etc/systemd/system/timers.target.wants").text, "it is not enabled")
    machine.systemctl("start", timer)
    check(machine.systemctl("show", "-P", "NextElapseUSecRealtime", timer).text.strip() != "", "it does not wait for its time")
    machine.put("/etc/systemd/system/vgerfs-maintenance.timer.d/now.conf",
                "[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1us\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", timer)
    machine.wait_for(lambda: "Finished" in machine.journal("-u", "vgerfs-maintenance.service"), "the timer started nothing")


need_machine()
main(the_mount_unit_works_and_its_stop_commits, a_stop_that_cannot_commit_leaves_the_mount, a_boot_mounts_and_a_shutdown_commits,
     the_automount_unit_mounts_at_a_look_and_unmounts_when_idle, an_fstab_line_mounts_at_a_look,
     the_backup_service_has_its_passphrase_as_a_credential, an_ingest_key_serves_as_a_credential, the_timer_starts_the_backup,
     the_maintenance_service_prunes_compacts_and_checks, the_maintenance_timer_starts_it,
     world=Machine)
