#!/usr/bin/python3
"""Compaction from a client's plan: what it gives, what a forged plan does not, and a server that is killed in the middle of it."""
import hashlib
import json
import os
import random
import re
import struct
import threading
import time

from rest_backend import RestWorld, give_new_token, restored
from server_operation import eventually
from server_world import SMALL, check, main, make_tree, name_of

SEED = int(os.environ.get("VGERFS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


class Pack:
    """As FORMAT.md section 8 lays it out; its blocks are no blocks, which nobody without a key can tell."""

    def __init__(self, blocks, salt, kind=1):
        self.header = b"VGERPACK" + struct.pack("<HB5x", 1, kind) + hashlib.sha256(salt.encode()).digest()[:16]
        self.blocks = blocks
        table = b"".join(struct.pack("<I", len(block)) for block in blocks)
        self.bytes = self.header + b"".join(blocks) + table + struct.pack("<II", len(blocks), 0) + b"VGERPEND"
        self.name = name_of(self.bytes)

    def run(self, first, count=1):
        return [32 + sum(map(len, self.blocks[:first])), sum(map(len, self.blocks[first:first + count]))]

    def source(self, *runs):
        return {"pack": self.name, "runs": list(runs)}


def random_pack(salt, sizes, kind=1):
    chance = random.Random(salt)
    return Pack([chance.randbytes(size) for size in sizes], salt, kind)


def plan_of(operation, *packs):
    """Packs: (header, sources)."""
    return {"operation": operation * 32, "packs": [{"header": header.hex(), "sources": sources} for header, sources in packs]}


def ask(server, plan, status=200, repository="repo", **options):
    body = plan if isinstance(plan, (bytes, str)) else json.dumps(plan)
    answer = server.expect(status, "POST", "/api/v1/compact/" + repository, body, **options)
    return json.loads(answer.body) if status == 200 else answer


def unharmed(server, expected, repository="repo"):
    """These packs and no others, everywhere; nothing half done."""
    check(server.listed(repository=repository) == expected, "the list differs: %s" % server.listed(repository=repository))
    check(server.stored(repository=repository) == expected, "the directory differs")
    check(not os.listdir(server.private("uploads")), "files are left in uploads/")
    metrics = server.expect(200, "GET", "/metrics").text
    check("vgerfs_reserved_bytes 0\n" in metrics, "space stays reserved")
    counted = int(re.search(r'vgerfs_stored_bytes\{repository="%s",type="data"\} (\d+)' % repository, metrics).group(1))
    check(counted == sum(expected.values()), "%d bytes are counted, %d are there" % (counted, sum(expected.values())))


def token_of(server, role):
    token = server.make_token(role, role, "repo")
    eventually(lambda: server.send("GET", "/repo/config", token=token).status == 200, "a new token is not known")
    return token


def forged_plans_make_nothing(server):
    server.start().make_repository()
    server.make_repository("other")
    one, two, meta = random_pack("one", [300, 400, 500]), random_pack("two", [600, 700]), random_pack("meta", [300], kind=2)
    foreign = random_pack("foreign", [800])
    for pack in (one, two, meta):
        server.put(pack.bytes)
    server.put(foreign.bytes, repository="other")
    there = {pack.name: len(pack.bytes) for pack in (one, two, meta)}
    header = Pack([], "new").header
    good = (header, [one.source(one.run(0))])

    def forged(status, *sources, **options):
        ask(server, plan_of("f", (Pack([], "first").header, [two.source(two.run(1))]), (header, list(sources))), status, **options)
        unharmed(server, there)

    start = one.run(1)[0]
    forged(422, one.source([start + 1, 400]))
    forged(422, one.source([start, 399]))
    forged(422, one.source([start, 401]))
    forged(422, one.source([start, 500]))
    forged(422, one.source([32 + 1200, 300]))  # the table
    forged(422, one.source([1 << 28, 300]))  # beyond the end
    forged(400, one.source([(1 << 64) - 100, 300]))
    forged(400, one.source([start, 1 << 62]))
    forged(422, one.source(one.run(0, 2)), one.source(one.run(1)))  # overlap
    forged(400, one.source(one.run(0, 2), one.run(1)))
    forged(422, two.source(two.run(1)))  # in two packs
    forged(422, foreign.source(foreign.run(0)))  # another repository's
    forged(422, meta.source(meta.run(0)))  # another kind
    forged(400, {"pack": "../other/data/" + foreign.name, "runs": [foreign.run(0)]})
    forged(400, {"pack": foreign.name.upper(), "runs": [foreign.run(0)]})
    for body in (b"", b"{}", b"[]", b"null", b"[" * 100_000, b'{"operation":', b"\xff\x00", json.dumps({**plan_of("f", good), "more": 1})):
        ask(server, body, 400)
    ask(server, b" " * (2 << 20), 413)
    ask(server, plan_of("f", good), 404, repository="nowhere")
    ask(server, plan_of("f", good), 404, repository="data")
    for method in ("GET", "PUT", "DELETE"):
        server.expect(405, method, "/api/v1/compact/repo")
    unharmed(server, there)


def only_maintainers_may(server):
    server.start().make_repository()
    server.make_repository("other")
    one = random_pack("one", [300, 400])
    for repository in ("repo", "other"):
        server.put(one.bytes, repository=repository)
    plan = plan_of("a", (Pack([], "new").header, [one.source(one.run(1))]))
    ask(server, plan, 401, token=None)
    ask(server, plan, 401, token="wrong")
    for role in ("read", "append"):
        ask(server, plan, 403, token=token_of(server, role))
    maintainer = token_of(server, "maintain")
    ask(server, plan, 403, repository="other", token=maintainer)
    unharmed(server, {one.name: len(one.bytes)})
    ask(server, plan, token=maintainer)
    check("compacted" in server.log(), "the log does not tell")
    check(len(server.stored()) == 2 and len(server.stored(repository="other")) == 1, "more than the one was made")


def a_replay_makes_nothing(server):
    server.start().make_repository()
    one = random_pack("one", [300, 400, 500])
    server.put(one.bytes)
    new = Pack([one.blocks[2], one.blocks[0]], "new")
    plan = plan_of("a", (new.header, [one.source(one.run(2)), one.source(one.run(0))]))
    made = ask(server, plan)
    check(made == {"packs": [{"id": new.name, "bytes": len(new.bytes)}], "damaged": []}, "another answer: %s" % made)
    check(server.expect(200, "GET", "/repo/data/" + new.name).body == new.bytes, "another pack")
    server.expect(200, "DELETE", "/repo/data/" + new.name)
    check(ask(server, plan) == made, "a replay got another answer")
    server.stop()
    server.start()
    check(ask(server, plan) == made, "a replay got another answer after a restart")
    ask(server, plan_of("a", (new.header, [one.source(one.run(1))])), 409)
    unharmed(server, {one.name: len(one.bytes)})


def a_damaged_source_is_named(server):
    server.start().make_repository()
    one, two = random_pack("one", [300, 400]), random_pack("two", [500])
    for pack in (one, two):
        server.put(pack.bytes)
    path = "%s/repo/data/%s/%s" % (server.data, one.name[:2], one.name)
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(32 + 300 + 7)
        file.write(bytes([one.bytes[32 + 300 + 7] ^ 1]))
    new = Pack(two.blocks, "new")
    made = ask(server, plan_of("a", (Pack([], "bad").header, [one.source(one.run(0))]), (new.header, [two.source(two.run(0))])))
    check(made == {"packs": [None, {"id": new.name, "bytes": len(new.bytes)}], "damaged": [one.name]}, "another answer: %s" % made)
    unharmed(server, {pack.name: len(pack.bytes) for pack in (one, two, new)})


def a_quota_holds(server):
    one = random_pack("one", [1_000_000, 1_000_000])
    server.configure("quota_bytes = %d" % (len(one.bytes) + 1_000_000))
    server.start().make_repository()
    server.put(one.bytes)
    token = token_of(server, "maintain")
    ask(server, plan_of("a", (Pack([], "new").header, [one.source(one.run(0, 2))])), 507, token=token)
    unharmed(server, {one.name: len(one.bytes)})


def killed_in_the_middle_it_makes_the_same(server):
    print("VGERFS_TEST_SEED=%d" % SEED)
    chance = random.Random(SEED)
    server.start().make_repository()
    sources = [random_pack("source%d" % i, [1 << 20] * 16) for i in range(8)]
    for pack in sources:
        server.put(pack.bytes)
    there = {pack.name: len(pack.bytes) for pack in sources}
    in_time = 0
    for turn in range(3 if SMALL else 12):
        new = [Pack([pack.blocks[i] for pack in sources[half:half + 4] for i in (0, 1, 5)], "%d %d" % (turn, half)) for half in (0, 4)]
        plan = plan_of("%x" % (turn % 16), *[
            (pack.header, [source.source(source.run(0, 2), source.run(5)) for source in sources[half:half + 4]])
            for pack, half in zip(new, (0, 4))])
        asked = threading.Thread(target=lambda: ask_whatever(server, plan))
        asked.start()
        time.sleep(chance.uniform(0, 0.3))
        in_time += asked.is_alive()
        server.kill()
        asked.join()
        server.start()
        made = ask(server, plan)
        check(made["packs"] == [{"id": pack.name, "bytes": len(pack.bytes)} for pack in new], "turn %d: %s" % (turn, made))
        there.update({pack.name: len(pack.bytes) for pack in new})
        unharmed(server, there)
        for pack in new:
            check(server.expect(200, "GET", "/repo/data/" + pack.name).body == pack.bytes, "another pack")
    check(in_time > 0, "every answer had come before the kill")


def ask_whatever(server, plan):
    try:
        server.send("POST", "/api/v1/compact/repo", json.dumps(plan))
    except OSError:
        pass
    except Exception as error:  # noqa: BLE001 - http.client has many for a connection that ends
        check("http.client" in type(error).__module__, "%r" % error)


def on_the_wire(world):
    metrics = world.server.expect(200, "GET", "/metrics").text
    return sum(int(re.search(r"^vgerfs_%s_bytes_total (\d+)" % way, metrics, re.M).group(1)) for way in ("received", "sent"))


def big_files(path, count, size):
    os.makedirs(path, exist_ok=True)
    for i in range(count):
        with open("%s/%d" % (path, i), "wb") as out:
            out.write(random.Random(i).randbytes(size))
    return path


def half_of_it_dead(world):
    """A repository over REST; the snapshot that needs half of it."""
    world.on_our_server()
    world.admin("init")
    source = make_tree(big_files(world.work + "/source", 24, 2 << 20))
    world.admin("backup", "--source", "home", source)
    first = world.snapshots("home")[0]["id"]
    for i in range(0, 24, 2):
        os.unlink("%s/%d" % (source, i))
    world.admin("backup", "--source", "home", source)
    world.admin("delete", first)
    return source


def a_client_has_the_server_compact(world):
    source = half_of_it_dead(world)
    give_new_token(world, "maintain")
    before, sent_before = world.stored(), on_the_wire(world)
    done = world.admin_json("compact", "--now")
    sent = on_the_wire(world) - sent_before
    check(done["store_moved_bytes"] > 20 << 20, "the server moved %d bytes" % done["store_moved_bytes"])
    check(done["deleted_bytes"] > 40 << 20, "%d bytes were deleted" % done["deleted_bytes"])
    check(world.stored() < before - (20 << 20), "only %d bytes came back" % (before - world.stored()))
    check(sent < 4 << 20, "%d bytes went over the wire" % sent)
    world.admin("check", "--read-data")
    world.admin("check", "--read-data", client="who knows nothing")
    restored(world, "latest:home", source)
    again = world.admin_json("compact", "--now")
    check(again["moved_packs"] == 0, "it does not come to an end: %s" % again)
    # The local directory is a repository all the same.
    world.server.stop()
    world.admin("check", "--read-data", repository=world.data, client="on the directory")


def without_the_service_the_client_does_it(world):
    source = half_of_it_dead(world)
    sent_before = on_the_wire(world)
    done = world.admin_json("compact", "--now", "--reseal")
    check(done["store_moved_bytes"] == 0, "the server moved %d bytes" % done["store_moved_bytes"])
    check(done["written_bytes"] > 20 << 20, "the client wrote %d bytes" % done["written_bytes"])
    check(on_the_wire(world) - sent_before > 40 << 20, "nothing went over the wire")
    world.admin("check", "--read-data")
    restored(world, "latest:home", source)


def a_server_that_is_killed_meanwhile_loses_nothing(world):
    source = half_of_it_dead(world)
    port = world.server.port
    world.server.configure('listen = "127.0.0.1:%d"' % port)

    def torment():
        for pause in (0.1, 0.3, 0.5, 0.8):
            time.sleep(pause)
            world.server.kill()
            time.sleep(0.2)
            world.server.start()
    tormentor = threading.Thread(target=torment)
    tormentor.start()
    try:
        done = world.admin_json("compact", "--now")
    finally:
        tormentor.join()
    check(done["store_moved_bytes"] > 20 << 20, "the server moved %d bytes" % done["store_moved_bytes"])
    world.admin("check", "--read-data", client="who knows nothing")
    restored(world, "latest:home", source)


def with_a_world(test):
    """A test of a client, as one of the server's."""
    def run(_):
        world = RestWorld()
        try:
            test(world)
        finally:
            world.close()
    run.__name__ = test.__name__
    return run


if __name__ == "__main__":
    main(forged_plans_make_nothing, only_maintainers_may, a_replay_makes_nothing, a_damaged_source_is_named, a_quota_holds,
         killed_in_the_middle_it_makes_the_same, with_a_world(a_client_has_the_server_compact),
         with_a_world(without_the_service_the_client_does_it), with_a_world(a_server_that_is_killed_meanwhile_loses_nothing))
