#!/usr/bin/python3
"""The server as a service: the install script and the units, under a systemd that boots a copy of this machine."""
import os
import shutil

from machine import Machine, need_machine
from world import BIN, SOURCE, check, main

URL = "http://127.0.0.1:9000"


def install(machine, *arguments):
    inside = "/proc/%s/root/opt/contrib" % machine.leader
    if not os.path.exists(inside):
        shutil.copytree(SOURCE + "/contrib", inside)
    done = machine.run("/opt/contrib/install-server.sh", "--port", "9000", *arguments, ok=None)
    check(done.returncode == 0, "%s\n%s" % (done.errors, machine.journal("-u", "vgerfs-server.service")))
    return done.text


def restic(machine, token, *arguments):
    return machine.shell("RESTIC_PASSWORD=x restic --no-cache -r rest:http://user:%s@127.0.0.1:9000/web1/ %s" % (token, " ".join(arguments)))


def the_script_installs_upgrades_and_removes_it(machine):
    said = install(machine)
    admin = said.split("server-token: ")[1].strip()
    check(URL in said, "the script says " + said)
    check('"status":"ok"' in machine.run("curl", "-sS", URL + "/health").text, "it is not well")
    token = machine.run("runuser", "-u", "vgerfs-server", "--", "vgerfs-server", "--data-dir", "/var/lib/vgerfs-server", "token", "create",
                        "web1", "--repo", "web1", "--role", "append").text.strip()
    machine.wait_for(lambda: machine.shell("curl -sS -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer %s' %s/web1/config"
                                           % (token, URL)).text == "404", "the token is not known")
    restic(machine, token, "init")
    restic(machine, token, "backup", "/etc/hostname")
    # Again, with another program: what was there stays.
    shutil.copy(BIN + "/vgerfs-server", "/proc/%s/root/opt/vgerfs-server" % machine.leader)
    said = install(machine, "--bin", "/opt/vgerfs-server")
    check("token" not in said, "a second token was made: " + said)
    check("hostname" in restic(machine, token, "ls", "latest").text, "the upgrade lost the snapshot")
    check("vgerfs_objects" in machine.run("curl", "-sS", "-H", "Authorization: Bearer " + admin, URL + "/metrics").text, "another admin token")
    # The service runs as its own user, and its directory belongs to that.
    pid = machine.systemctl("show", "-P", "MainPID", "vgerfs-server.service").text.strip()
    check(machine.run("stat", "-c", "%U", "/proc/" + pid).text.strip() == "vgerfs-server", "it runs as somebody else")
    check(machine.run("stat", "-c", "%U %a", "/var/lib/vgerfs-server").text.split() == ["vgerfs-server", "700"], "its directory is open")
    # Killed, it comes again; stopped, it drains; reloaded, it stays.
    machine.run("kill", "-9", pid)
    machine.wait_for(lambda: machine.state("vgerfs-server.service") == "active" and
                     machine.systemctl("show", "-P", "MainPID", "vgerfs-server.service").text.strip() not in ("0", pid), "it stays dead")
    machine.systemctl("reload", "vgerfs-server.service")
    machine.wait_for(lambda: "reloaded" in machine.journal("-u", "vgerfs-server"), "it was not reloaded")
    restic(machine, token, "check")
    check(admin not in machine.journal("-n", "1000") and token not in machine.journal("-n", "1000"), "the journal holds a token")
    machine.run("/opt/contrib/install-server.sh", "--uninstall")
    check(machine.state("vgerfs-server.service") == "inactive", "it still runs")
    check(machine.run("test", "-d", "/var/lib/vgerfs-server/web1").returncode == 0, "uninstalling removed the data")
    machine.run("/opt/contrib/install-server.sh", "--uninstall", "--purge")


def an_odd_call_changes_nothing(machine):
    inside = "/proc/%s/root/opt/contrib" % machine.leader
    shutil.copytree(SOURCE + "/contrib", inside)
    for arguments in (["--port", "0"], ["--port", "99999"], ["--port", "x"], ["--data-dir", "relative"], ["--admin-token", "/none"], ["--bin", "/none"],
                      ["--nonsense"]):
        machine.run("/opt/contrib/install-server.sh", *arguments, ok=(1, 2))
    check(machine.run("test", "-e", "/etc/systemd/system/vgerfs-server.service", ok=None).returncode != 0, "a unit was made")


need_machine()
main(the_script_installs_upgrades_and_removes_it, an_odd_call_changes_nothing, world=Machine)
