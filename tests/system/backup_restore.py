#!/usr/bin/python3
"""`vgerfs-admin backup` and `restore` give every kind of file back; unchanged and changed trees (issue items 1, 2)."""
import os
import shutil

from world import SMALL, World, check, compare, files_below, main, nasty_tree, run, slice_of_usr


def real_files_come_back(world: World):
    slice_of_usr(world.work + "/usr")
    world.admin("backup", "--source", "usr", world.work + "/usr")
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:usr", world.work + "/out")
    compare(world.work + "/usr", world.work + "/out")
    world.admin("check", "--read-data")


def nasty_files_come_back(world: World):
    nasty_tree(world.work + "/nasty")
    world.admin("backup", "--source", "nasty", world.work + "/nasty")
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:nasty", world.work + "/out")
    compare(world.work + "/nasty", world.work + "/out")
    size = os.stat(world.work + "/out/sparse").st_blocks * 512
    check(size < 1 << 20, "the sparse file was restored with %d bytes allocated" % size)


def an_unchanged_tree_makes_no_snapshot(world: World):
    slice_of_usr(world.work + "/usr", 500)
    first = world.admin_json("backup", "--source", "usr", world.work + "/usr")
    before = world.objects()
    second = world.admin_json("backup", "--source", "usr", world.work + "/usr")
    check(second["unchanged"] is True and second["snapshot"] == first["snapshot"], "not recognised: %r" % second)
    check(world.objects() == before, "objects were added: %r" % (set(world.objects()) - set(before)))
    third = world.admin_json("backup", "--source", "usr", "--force-snapshot", world.work + "/usr")
    check(third["unchanged"] is False and third["snapshot"] != first["snapshot"], "--force-snapshot made none")


def a_changed_percent_costs_a_percent(world: World):
    source = world.work + "/usr"
    slice_of_usr(source)
    world.admin("backup", "--source", "usr", source)
    before = world.repository_bytes()
    added = 0
    for path in files_below(source)[::100]:
        data = os.urandom(500)
        with open(path, "r+b") as out:
            out.seek(0, os.SEEK_END)
            out.write(data)
        added += os.path.getsize(path)
    world.admin("backup", "--source", "usr", source)
    grown = world.repository_bytes() - before
    check(0 < grown < added + (2 << 20), "%d bytes of files changed, the repository grew by %d" % (added, grown))
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:usr", world.work + "/out")
    compare(source, world.work + "/out")


def an_ingest_key_backs_up_what_it_cannot_read(world: World):
    key = world.add_ingest_key()
    source = world.work + "/usr"
    slice_of_usr(source, 500)
    world.admin("backup", "--source", "usr", source, key=key, client="ingest")
    again = world.admin_json("backup", "--source", "usr", source, key=key, client="ingest")
    check(again["unchanged"] is True, "the second backup did not see that nothing changed: %r" % again)
    os.mkdir(world.work + "/refused")
    refused = world.admin("restore", "latest:usr", world.work + "/refused", key=key, client="ingest", ok=None)
    check(refused.returncode != 0 and not os.listdir(world.work + "/refused"), "an ingest key restored something")
    os.mkdir(world.work + "/out")
    world.admin("restore", "latest:usr", world.work + "/out")
    compare(source, world.work + "/out")
    elsewhere = world.admin("backup", "--source", "usr", "--host", "other", source, key=key, client="ingest", ok=None)
    check(elsewhere.returncode != 0, "an ingest key wrote for another host")


def standard_input_and_dump(world: World):
    data = os.urandom(300_000)
    world.admin("backup", "--source", "pipe", "--stdin", "--stdin-name", "dump.sql", stdin=data)
    dumped = world.admin("dump", "latest:pipe:dump.sql").stdout
    check(dumped == data, "dump gave %d other bytes" % len(dumped))


def restore_never_leaves_its_target(world: World):
    source = world.work + "/source"
    os.makedirs(source + "/directory")
    with open(source + "/directory/file", "w") as out:
        out.write("from the backup")
    world.admin("backup", "--source", "s", source)
    outside = world.work + "/outside"
    os.mkdir(outside)
    target = world.work + "/target"
    os.mkdir(target)
    os.symlink(outside, target + "/directory")
    world.admin("restore", "latest:s", target, ok=None)
    check(os.listdir(outside) == [], "restore wrote through a link to %r" % os.listdir(outside))


def unreadable_and_vanishing_files_give_exit_code_3(world: World):
    source = world.work + "/source"
    os.makedirs(source)
    with open(source + "/good", "w") as out:
        out.write("good")
    run("mkdir", source + "/gone")
    world.admin("backup", "--source", "s", source, source + "/not there", ok=(1, 2, 3))
    shutil.rmtree(source + "/gone")
    world.admin("backup", "--source", "s", source)


main(real_files_come_back, nasty_files_come_back, an_unchanged_tree_makes_no_snapshot, a_changed_percent_costs_a_percent,
     an_ingest_key_backs_up_what_it_cannot_read, standard_input_and_dump, restore_never_leaves_its_target,
     unreadable_and_vanishing_files_give_exit_code_3)
