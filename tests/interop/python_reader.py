#!/usr/bin/python3
"""The independent reader restores snapshots of full and ingest authors; compared with the source. It also refuses damage."""
import os
import sys

SOURCE = os.environ["VGERFS_SOURCE"]
sys.path[:0] = [SOURCE + "/tests/system", SOURCE + "/tests/golden"]
import manifest  # noqa: E402
from world import HOST, World, check, compare, main, nasty_tree, run, slice_of_usr  # noqa: E402

READER = SOURCE + "/tests/interop/vgerfs_reader.py"


GOLDEN = SOURCE + "/tests/golden/"


def read(world, *arguments, ok=(0,), repository=None, **secrets):
    protos = world.work + "/protos"
    if not os.path.exists(protos):
        os.mkdir(protos)
        run("sh", "-c", 'protoc --proto_path="$1" --python_out="$2" "$1"/format/*.proto', "sh", SOURCE + "/src", protos)
    env = {key: value for key, value in os.environ.items() if not key.startswith("VGERFS_")}
    env.update(secrets or {"VGERFS_PASSPHRASE": open(world.full).read().rstrip("\n")})
    return run("/usr/bin/python3", READER, repository or world.repository, protos, *arguments, ok=ok, env=env)


def restores_what_was_backed_up(world: World):
    slice_of_usr(world.work + "/usr", 400)
    nasty_tree(world.work + "/nasty")
    key = world.add_ingest_key()
    world.admin("backup", "--source", "usr", world.work + "/usr", key=key, client="ingest")
    world.admin("backup", "--source", "nasty", world.work + "/nasty")
    listed = [line.split() for line in read(world, "list").text.splitlines()]
    check(sorted((line[1], line[2]) for line in listed) == [(HOST, "nasty"), (HOST, "usr")], "lists %r" % listed)
    for snapshot, _, source, _ in listed:
        read(world, "restore", snapshot, world.work + "/out-" + source)
        compare(world.work + "/" + source, world.work + "/out-" + source)


def opens_with_a_key_file(world: World):
    key_file = world.work + "/key"
    world.admin("key", "add", "--role", "full", "--new-key-file", key_file)
    read(world, "list", VGERFS_KEY_FILE=key_file)


def refuses_damage(world: World):
    os.mkdir(world.work + "/s")
    with open(world.work + "/s/file", "wb") as out:
        out.write(os.urandom(500_000))
    made = world.admin_json("backup", "--source", "s", world.work + "/s")
    pack = max((size, name) for name, size in world.objects().items() if name.startswith("data/"))[1]
    os.chmod(world.repository + "/" + pack, 0o600)
    with open(world.repository + "/" + pack, "r+b") as handle:
        handle.seek(100_000)
        handle.write(b"damage")
    read(world, "restore", made["snapshot"], world.work + "/out", ok=(1,))


def restores_the_golden_repositories(world: World):
    with open(GOLDEN + "everything/passphrase", encoding="ascii") as secret:
        passphrase = secret.read().rstrip("\n")
    for name, secrets in (("everything", {"VGERFS_PASSPHRASE": passphrase}),
                          ("chacha20poly1305", {"VGERFS_KEY_FILE": GOLDEN + "chacha20poly1305/key"})):
        listed = read(world, "list", repository=GOLDEN + name + "/repository", **secrets).text.splitlines()
        snapshots = manifest.read(GOLDEN + name + "/manifest.txt")
        check(sorted(line.split()[0] for line in listed) == sorted(fields["id"] for fields, _ in snapshots), "lists %r" % listed)
        for fields, lines in snapshots:
            out = "%s/out-%s" % (world.work, fields["id"])
            read(world, "restore", fields["id"], out, repository=GOLDEN + name + "/repository", **secrets)
            found = manifest.describe(out)
            wrong = ["%s\n%s" % pair for pair in zip(lines, found) if pair[0] != pair[1]]
            check(len(lines) == len(found) and not wrong, "%s differs:\n%s" % (fields["source"], "\n".join(wrong[:5])))


main(restores_what_was_backed_up, opens_with_a_key_file, refuses_damage, restores_the_golden_repositories)
