#!/usr/bin/python3
"""Somebody with an append token, and somebody with none, tries to destroy, to read, to fill and to stop."""
import contextlib
import json
import os
import resource
import shutil
import socket
import threading

from server_protocol import receive, request_text, status_of
from server_world import SMALL, TOKEN, Server, check, main, name_of
from server_operation import eventually

VICTIM = b"what a victim has backed up"
LOCK = b"a lock of the victim"


def prepared(server, *lines):
    """A repository with a victim's object and lock; the attacker's token for it."""
    server.configure(*lines)
    server.start().make_repository()
    victim = server.make_token("victim", "append", "repo")
    attacker = server.make_token("attacker", "append", "repo")
    eventually(lambda: server.send("GET", "/repo/config", token=attacker).status == 200, "a new token is not known")
    server.put(VICTIM, token=victim)
    server.put(LOCK, "locks", token=victim)
    return attacker


def unharmed(server):
    check(server.expect(200, "GET", "/repo/data/" + name_of(VICTIM)).body == VICTIM, "the victim's object is harmed")
    check(server.expect(200, "GET", "/repo/locks/" + name_of(LOCK)).body == LOCK, "the victim's lock is harmed")
    check(server.expect(200, "GET", "/repo/config").body == b"the config", "the config is harmed")
    check(server.listed() == server.stored(), "list and directory differ")
    check(not os.listdir(server.private("uploads")), "files are left in uploads/: %s" % os.listdir(server.private("uploads")))
    check(not os.listdir(server.private("trash")), "something was removed")
    check("vgerfs_reserved_bytes 0\n" in server.expect(200, "GET", "/metrics").text, "space stays reserved")
    for token in ("attacker", "victim"):
        check("vgt_" not in server.log(), "the log holds a token")
    check(TOKEN not in server.log(), "the log holds the configuration's token")


PLACES = ("/repo/data/" + name_of(VICTIM), "/repo/locks/" + name_of(LOCK), "/repo/config", "/repo/", "/repo/data/", "/repo", "/")
VERBS = ("DELETE", "PUT", "PATCH", "POST", "MOVE", "COPY", "PROPFIND", "MKCOL", "TRACE", "OPTIONS", "CONNECT", "LOCK", "BREW")


def nothing_is_deleted_or_overwritten_by_any_verb(server):
    attacker = prepared(server)
    for token in (attacker, None, "wrong"):
        for place in PLACES:
            for verb in VERBS:
                answer = server.send(verb, place, b"other bytes" if verb not in ("TRACE", "CONNECT") else None,
                                     headers={"X-HTTP-Method-Override": "DELETE", "Overwrite": "T", "If-Match": "*"}, token=token)
                check(400 <= answer.status < 500, "%s %s: %d" % (verb, place, answer.status))
    # No header makes another verb of one that may be used.
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        server.expect(200, "GET", PLACES[0], headers={header: "DELETE"})
        server.expect(200, "POST", PLACES[0], VICTIM, headers={header: "DELETE"})
    unharmed(server)


def anothers_lease_stays(server):
    attacker = prepared(server)
    sealed = b"a sealed lease"
    wanted = json.dumps({"object": sealed.hex(), "kind": "exclusive", "ttl_seconds": 600})
    lease = json.loads(server.expect(200, "POST", "/api/v1/leases/repo", wanted).body)
    for token, refusal in ((attacker, 403), (None, 401), ("wrong", 401)):
        for word in ("renew", "release"):
            server.expect(refusal, "POST", "/api/v1/%s/repo" % word, json.dumps({"lease": lease["lease"]}), token=token)
        server.expect(refusal, "DELETE", "/repo/locks/" + lease["lease"], token=token)
        server.expect(refusal, "POST", "/api/v1/leases/repo", wanted, token=token)
    own = wanted.replace(sealed.hex(), b"the attacker's".hex())
    check(json.loads(server.expect(409, "POST", "/api/v1/leases/repo", own, token=attacker).body)["token"] == "configured", "whose it is")
    for lie in ("' OR 1=1 --", "-1", "1e3", " ", str(1 << 64)):
        answer = server.send("POST", "/repo/data/" + name_of(b"x"), b"x", headers={"Vgerfs-Fence": lie}, token=attacker)
        check(answer.status in (200, 400), "a fence of %r: %d" % (lie, answer.status))
    live = json.loads(server.expect(200, "GET", "/api/v1/leases/repo").body)["leases"]
    check([each["lease"] for each in live] == [lease["lease"]], "another's lease is gone, or there is one more: %s" % live)
    server.expect(200, "POST", "/api/v1/release/repo", json.dumps({"lease": lease["lease"]}))
    unharmed(server)


def append_only_binds_the_admin_too(server):
    prepared(server, "append_only = true")
    for place in PLACES:
        answer = server.send("DELETE", place)
        check(answer.status in (403, 404, 405), "DELETE %s: %d" % (place, answer.status))
    server.restic("init", repository="own")
    os.mkdir(server.work + "/tree")
    server.restic("backup", server.work + "/tree", repository="own")
    server.restic("backup", server.work + "/tree", repository="own")
    server.restic("forget", "--keep-last", "1", repository="own", ok=(0, 1, 3))
    check(len(server.listed("snapshots", "own")) == 2, "forget went through")
    server.restic("unlock", "--remove-all", repository="own", ok=(0, 1))
    server.restic("check", "--read-data", repository="own")
    unharmed(server)


def races_for_a_name_have_one_winner(server):
    attacker = prepared(server)
    for _ in range(10):
        data = os.urandom(200_000)
        target = "/repo/data/" + name_of(data)
        bodies = [data, data, data, data[:-1] + bytes([data[-1] ^ 1]), b"", data[:100]]
        statuses = [None] * len(bodies)

        def send(i):
            statuses[i] = server.send("POST", target, bodies[i], token=attacker).status
        threads = [threading.Thread(target=send, args=(i,)) for i in range(len(bodies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(statuses[:3] == [200] * 3 and set(statuses[3:]) == {400}, "they got %s" % statuses)
        check(server.expect(200, "GET", target).body == data, "another body won")
    unharmed(server)


def paths_lead_nowhere(server):
    attacker = prepared(server)
    secret = server.work + "/secret"
    with open(secret, "wb") as out:
        out.write(b"secret")
    name = name_of(VICTIM)
    tricks = ["/repo/../repo/config", "/repo/./config", "/repo//config", "//repo/config", "/repo/data/../config", "/../" * 20 + "etc/passwd",
              "/%2e%2e/%2e%2e/etc/passwd", "/repo/data/%2e%2e/config", "/repo/data/..%2fconfig", "/repo/config%00", "/re%00po/config",
              "/repo/data/" + name.upper(), "/repo/data/" + name[:2] + "/" + name, "/repo/data/" + name + "/", "/repo/data/" + name + "%20",
              "/.vgerfs-server/config", "/.vgerfs-server/database.sqlite", "/.vgerfs-server/data/" + name, "/repo/.vgerfs-server/config",
              "/%2evgerfs-server/config", "/repo\\config", "/repo;x/config", "/repo/config?x", "/repo/config#x", "/a" * 4000, "/" + "a" * 10000,
              "/repo/data/" + "a" * 63, "/repo/data/" + "g" * 64, "/repo/data/" + "0" * 65, "/r\u00e9po/config", "/repo/\u2024\u2024/config",
              "/repo/config ", "http://127.0.0.1/repo/config", "repo/config", "*", "/repo/locks", "/repo/data/%s?create=true" % name,
              "/.vgerfs-server/?create=true", "/.hidden/?create=true", "/../outside/?create=true", "/./?create=true", "/repo/../outside/?create=true",
              "/data/?create=true", "/api/?create=true", "/a/b/c/?create=true", "/a%2fb/?create=true"]
    for trick in tricks:
        for verb in ("GET", "POST", "DELETE", "HEAD"):
            for token in (attacker, TOKEN):
                with contextlib.closing(server.raw()) as connection:
                    connection.sendall(request_text(verb, trick, "Content-Length: 6", "Connection: close", token=token) + b"secret")
                    status = status_of(receive(connection, until_end=True))
                    check(status in (400, 401, 404, 405, 431, 505), "%s %s: %s" % (verb, trick[:80], status))
    for raw in (b"GET /re\0po/config HTTP/1.1\r\n\r\n", b"GET /\xff\xfe/config HTTP/1.1\r\n\r\n", b"GET /repo/config\r\n\r\n",
                b"GET  /repo/config  HTTP/1.1\r\n\r\n", b"GET /repo/config HTTP/2.0\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\x02\x00" * 50,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with contextlib.closing(server.raw()) as connection:
            connection.sendall(raw)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            status = status_of(receive(connection, until_end=True))
            check(status in (None, 400, 401, 404, 505), "%s: %s" % (raw[:30], status))
    unharmed(server)


def symbolic_links_are_not_followed(server):
    attacker = prepared(server)
    outside = server.work + "/outside"
    os.makedirs(outside + "/data/aa")
    secret_name = "aa" + "0" * 62
    for path in ("/config", "/data/aa/" + secret_name):
        with open(outside + path, "wb") as out:
            out.write(b"secret")
    os.symlink(outside, server.data + "/linked")
    os.symlink(outside, server.data + "/repo/sub")
    os.makedirs(server.data + "/repo/data/aa", exist_ok=True)
    os.symlink(outside + "/config", server.data + "/repo/data/aa/" + secret_name)
    os.symlink(outside, server.data + "/repo/data/bb")
    os.mkdir(server.data + "/planted")
    os.symlink(outside + "/config", server.data + "/planted/config")
    os.mkfifo(server.data + "/repo/data/aa/aa" + "1" * 62)
    for target in ("/linked/config", "/repo/sub/config", "/repo/data/" + secret_name, "/planted/config", "/repo/data/aa" + "1" * 62):
        answer = server.send("GET", target)
        check(answer.status in (403, 404, 500) and b"secret" not in answer.body, "GET %s: %d" % (target, answer.status))
    # Whoever could choose the name: a body whose hash begins with bb.
    number = next(i for i in range(100000) if name_of(b"%d" % i).startswith("bb"))
    answer = server.send("POST", "/repo/data/" + name_of(b"%d" % number), b"%d" % number, token=attacker)
    check(answer.status in (403, 500), "written through a symbolic link: %d" % answer.status)
    check(sorted(os.listdir(outside)) == ["config", "data"], "something was written outside")
    shutil.rmtree(server.data + "/repo/data/aa")
    os.unlink(server.data + "/repo/data/bb")
    unharmed(server)


def bodies_that_lie_leave_nothing(server):
    attacker = prepared(server)
    data = os.urandom(10_000)
    target = "/repo/data/" + name_of(data)

    def answer_to(*lines, body=b"", end=True):
        with contextlib.closing(server.raw()) as connection:
            connection.sendall(request_text("POST", target, *lines, token=attacker) + body)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return status_of(receive(connection, until_end=end))

    check(answer_to("Content-Length: 10001", body=data) in (400, None), "a short body")
    check(answer_to("Content-Length: 9999", "Connection: close", body=data) == 400, "a long body")
    check(answer_to(body=data) == 411, "no length")
    for length in ("-1", "1e3", "0x10", "99999999999999999999", "10, 20", "", " ", "1 0"):
        check(answer_to("Content-Length: " + length, body=data) in (400, 411, 413), "a length of %r" % length)
    check(answer_to("Content-Length: 4611686018427387904", body=data, end=False) == 413, "a length of 2^62")
    check(answer_to("Content-Length: 5", "Content-Length: 6", body=data) == 400, "two lengths")
    check(answer_to("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n") == 400, "a length and chunks")
    check(answer_to("Transfer-Encoding: gzip", body=data) in (400, 411, 501), "gzip")
    for chunks in (b"zz\r\n", b"ffffffffffffffffff\r\n", b"-1\r\nx\r\n", b"5\r\nabc", b"3\r\nabcd\r\n0\r\n\r\n", b"3;" + b"x" * 100_000):
        check(answer_to("Transfer-Encoding: chunked", body=chunks) in (400, None), "chunks %r" % chunks[:20])
    check(answer_to("Transfer-Encoding: chunked", body=b"5\r\nother\r\n0\r\n\r\n") == 400, "other content in chunks")
    check(server.expect(404, "GET", target), "it is there")
    # Smuggled: what follows a refused request is no request.
    with contextlib.closing(server.raw()) as connection:
        inner = request_text("DELETE", "/repo/data/" + name_of(VICTIM))
        connection.sendall(request_text("POST", "/none/data/" + name_of(data), "Content-Length: %d" % len(inner), token=attacker) + inner)
        check(receive(connection, until_end=True).count(b"HTTP/1.1 ") == 1, "a body was taken for a request")
    unharmed(server)


def headers_have_a_limit(server):
    prepared(server)
    for lines in (["X-A: " + "a" * 100_000], ["X-%d: b" % i for i in range(20_000)], ["a" * 50_000 + ": b"], ["Authorization: Basic " + "QUFB" * 10_000]):
        with contextlib.closing(server.raw()) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request_text("GET", "/repo/config", *lines))
            status = status_of(receive(connection, until_end=True))
            check(status in (431, None), "huge headers: %s" % status)
    for lines in (["Authorization: Bearer"], ["Authorization: Basic %%%"], ["Authorization: Basic " + "A" * 5000], ["Authorization: Bearer '; DROP TABLE tokens; --"],
                  ["Authorization: Basic JzsgRFJPUCBUQUJMRSB0b2tlbnM7IC0tOicgT1IgMT0xIC0t"]):
        with contextlib.closing(server.raw()) as connection:
            connection.sendall(b"GET /repo/config HTTP/1.1\r\nHost: x\r\n" + lines[0].encode() + b"\r\n\r\n")
            check(status_of(receive(connection)) == 401, "let in by " + lines[0][:40])
    unharmed(server)


def a_quota_holds_against_fifty_uploads_at_once(server):
    quota = 1_000_000
    attacker = prepared(server, "quota_bytes = %d" % quota)
    statuses = []
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(request_text("POST", "/repo/data/" + name_of(b""), "Content-Length: %d" % (quota + 1), token=attacker))
        check(status_of(receive(connection)) == 507, "what cannot have room was asked for")

    def send(i):
        data = os.urandom(100_000)
        if i % 2:
            status = server.send("POST", "/repo/data/" + name_of(data), data, token=attacker).status
        else:
            # Without a length that could be reserved before.
            with contextlib.closing(server.connect()) as connection:
                connection.request("POST", "/repo/data/" + name_of(data), body=iter([data[:50_000], data[50_000:]]),
                                   headers={"Authorization": "Bearer " + attacker}, encode_chunked=True)
                status = connection.getresponse().status
        statuses.append(status)
    threads = [threading.Thread(target=send, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(set(statuses) <= {200, 507} and statuses.count(200) >= 1, "they got %s" % statuses)
    check(sum(server.stored().values()) <= quota, "the quota was passed: %d" % sum(server.stored().values()))
    check(statuses.count(200) == len(server.stored()) - 1, "acknowledged and stored differ")
    # What was refused is free again: the rest of the quota can be used.
    left = quota - sum(server.stored().values()) - len(b"the config") - len(LOCK)
    server.put(os.urandom(left), token=attacker)
    server.put(b"x", token=attacker, status=507)
    unharmed(server)


def a_token_has_a_quota(server):
    prepared(server)
    token = server.make_token("small", "append", "repo", "--quota", "1000")
    eventually(lambda: server.send("GET", "/repo/config", token=token).status == 200, "a new token is not known")
    server.put(b"a" * 900, token=token)
    server.put(b"b" * 200, token=token, status=507)
    server.put(b"b" * 100, token=token)
    server.put(b"c" * 200)
    unharmed(server)


def many_connections_starve_nobody(server):
    count = 500 if SMALL else 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    prepared(server, "max_connections = %d" % (count + 100))
    connections = []
    try:
        for i in range(count):
            try:
                connections.append(server.raw())
            except OSError as error:
                check(len(connections) > 400, "only %d connections: %s" % (len(connections), error))
                print("       %d connections are possible here: %s" % (len(connections), error))
                break
        for connection in connections[::7]:
            connection.sendall(b"GET /repo/config HTTP/1.1\r\nHost")
        server.put(b"while they wait")
        with open("/proc/%d/status" % server.process.pid, encoding="ascii") as status:
            rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        print("       %d connections: %d KiB resident" % (len(connections), rss))
    finally:
        for connection in connections:
            connection.close()
    eventually(lambda: "vgerfs_connections 1\n" in server.expect(200, "GET", "/metrics").text, "connections are kept")
    unharmed(server)


def the_limit_of_connections_holds(server):
    prepared(server, "max_connections = 10")
    connections = [server.raw() for _ in range(20)]
    connections[0].sendall(request_text("GET", "/repo/config"))
    check(status_of(receive(connections[0])) == 200, "the first is not served")
    connections[-1].settimeout(20)
    with contextlib.suppress(ConnectionResetError):
        check(connections[-1].recv(10) == b"", "one too many is served")
    for connection in connections:
        connection.close()
    eventually(lambda: server.send("GET", "/repo/config").status == 200 if can_connect(server) else False, "places do not come free")
    unharmed(server)


def can_connect(server):
    with contextlib.suppress(OSError, Exception):
        server.send("GET", "/health")
        return True
    return False


def odd_tokens_and_names_break_no_statement(server):
    prepared(server)
    for name in ("'; DROP TABLE tokens; --", "a\"b", "", " ", "x" * 200, "a\nb", "\u00e9"):
        server.command("token", "create", name, "--repo", "repo", "--role", "append", ok=(1, 2))
    for repository in ("../x", "data", "a/b/c", "*x", "", ".vgerfs-server", "a/*/b"):
        server.command("token", "create", "odd", "--repo", repository, "--role", "append", ok=(1, 2))
        server.command("rescan", repository, ok=(1, 2, 106, 109))
    for role in ("root", "", "ADMIN"):
        server.command("token", "create", "odd", "--repo", "repo", "--role", role, ok=(1, 2))
    for expires in ("never", "-1d", "99999999999999999999d", "1y"):
        server.command("token", "create", "odd", "--repo", "repo", "--expires", expires, ok=(1, 2, 106, 109))
    check([each["name"] for each in json.loads(server.command("token", "list", "--json").text)] == ["victim", "attacker"], "odd tokens were made")
    unharmed(server)


if __name__ == "__main__":
    main(nothing_is_deleted_or_overwritten_by_any_verb, anothers_lease_stays, append_only_binds_the_admin_too, races_for_a_name_have_one_winner, paths_lead_nowhere,
         symbolic_links_are_not_followed, bodies_that_lie_leave_nothing, headers_have_a_limit, a_quota_holds_against_fifty_uploads_at_once,
         a_token_has_a_quota, many_connections_starve_nobody, the_limit_of_connections_holds,
         odd_tokens_and_names_break_no_statement)
