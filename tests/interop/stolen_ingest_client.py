#!/usr/bin/python3
"""Who steals an ingest client (credential, cache, state and repository) cannot read what it backed up (issue item 3).

The thief knows FORMAT.md: with the independent reader he opens the key slot, and then tries every 32 bytes that lie anywhere in the
bundle and on the client's disk as the secret key of the repository and as a data key. The same search finds both where they are.
"""
import os
import sys

SOURCE = os.environ["VGERFS_SOURCE"]
sys.path[:0] = [SOURCE + "/tests/system", SOURCE + "/tests/interop"]
from nacl.public import PrivateKey  # noqa: E402
from vgerfs_reader import BLOCK, Repository, hkdf  # noqa: E402
from world import World, check, main, run  # noqa: E402


def open_repository(world, passphrase_file):
    protos = world.work + "/protos"
    if not os.path.exists(protos):
        os.mkdir(protos)
        run("sh", "-c", 'protoc --proto_path="$1" --python_out="$2" "$1"/format/*.proto', "sh", SOURCE + "/src", protos)
    with open(passphrase_file, encoding="utf-8") as handle:
        os.environ["VGERFS_PASSPHRASE"] = handle.read().rstrip("\n")
    return Repository(world.repository, protos)


def block_headers(repository):
    """Of one block for each data key that was used."""
    found = {}
    for _, pack in files_of(repository.path + "/data"):
        header = pack[32:32 + 168]
        found[header[88:168]] = header
    return list(found.values())


def what_opens(repository, candidate, headers):
    """What these 32 bytes are, if they help."""
    if bytes(PrivateKey(candidate).public_key) == repository.bundle.data_public_key:
        return "the secret key"
    for header in headers:
        if hkdf(candidate + repository.bundle.meta_key, header[24:56],
                b"vgerfs/1\0" + repository.id + bytes([BLOCK]))[1] == header[56:88]:
            return "a data key"
    return None


def windows(text):
    """All 32 bytes in a row that may be a key: random ones have many different values."""
    for i in range(len(text) - 31):
        window = text[i:i + 32]
        if len(set(window)) >= 20:
            yield window


def files_of(directory):
    for top, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(top, name), "rb") as handle:
                yield os.path.join(top, name), handle.read()


def nothing_on_its_disk_opens_old_data(world: World):
    key = world.add_ingest_key()
    marker = b"content that was backed up; "
    os.mkdir(world.work + "/source")
    with open(world.work + "/source/file", "wb") as out:
        out.write(marker * 1000)
    world.admin("backup", "--source", "first", world.work + "/source", key=key, client="thief")
    # And a session that was interrupted, with bytes in its journal.
    mount = world.mount(key=key, client="thief")
    os.mkdir(mount.ingest + "/second")
    with open(mount.ingest + "/second/file", "wb") as out:
        out.write(os.urandom(1000) + marker * 100)
        out.flush()
        os.fsync(out.fileno())
    mount.kill()

    owner = open_repository(world, world.full)
    thief = open_repository(world, key)
    headers = block_headers(thief)
    check(headers, "there are no blocks")
    # The search works: it finds the secret key in a full bundle, and a data key where one lies.
    found = {what_opens(owner, each, headers) for each in windows(owner.bundle.SerializeToString())}
    check("the secret key" in found, "the search does not find the secret key in a full bundle: %r" % found)
    data_key = owner.box.decrypt(headers[0][88:168])
    check(what_opens(thief, data_key, headers) == "a data key", "the search does not know a data key")

    check(not thief.bundle.data_secret_key and not thief.bundle.root_seed, "the bundle holds a secret of full keys")
    tried = 0
    for name, text in [("the bundle", thief.bundle.SerializeToString()), *files_of(world.work + "/thief")]:
        check(marker not in text, "plain content in " + name)
        for window in windows(text):
            tried += 1
            what = what_opens(thief, window, headers)
            check(what is None, "%s lies in %s" % (what, name))
    print("%d keys tried" % tried)
    check(tried > 1000, "too few to mean anything")


main(nothing_on_its_disk_opens_old_data)
