#!/usr/bin/python3
"""Requests that are broken in every way, over real sockets: the server lives, leaks nothing, and never takes the blame (5xx).

server_fuzz.py [--seconds N]: how long (default: 60, 5 with small sizes). VGERFS_TEST_SEED gives the same requests again, not the same timing.
"""
import contextlib
import json
import os
import random
import re
import socket
import sys
import threading
import time

from server_attacks import LOCK, VICTIM, prepared, unharmed
from server_operation import eventually
from server_protocol import receive, request_text, status_of
from server_world import TOKEN, Failure, check, main, name_of
from world import SMALL

SEED = int(os.environ.get("VGERFS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
SECONDS = 5.0 if SMALL else 60.0
THREADS = 3
BATCH_SECONDS = 1.0
# Another HTTP version is the client's matter, whatever the number says.
ALLOWED_5XX = {505}
# One verification and one compaction of a repository at a time.
MAY_BE_BUSY = ("/api/v1/verify/", "/api/v1/compact/")
BODY = b"abc"

NUMBERS = ["0", "1", "3", "-1", "+3", "03", "0x3", "3.0", "3e1", "3 ", " 3", "3,3", "3;q=1", "", "4294967296", "9223372036854775807",
           "9223372036854775808", "18446744073709551615", "18446744073709551616", "9" * 400, "\u0663", "3\0", "NaN"]
CHUNKS = [b"3\r\nabc\r\n0\r\n\r\n", b"3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n",
          b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n",
          b"\r\nabc\r\n", b"fffffffffffffffff\r\nabc", b"ffffffffffffffff\r\nabc", b"7fffffffffffffff\r\nabc", b"3;" + b"x" * 20_000 + b"\r\nabc\r\n0\r\n\r\n",
          b"0" * 5000 + b"3\r\nabc\r\n0\r\n\r\n", b"3\0\r\nabc\r\n0\r\n\r\n", b"1\r\na\r\n" * 300 + b"0\r\n\r\n", b"0\r\n" + b"T: x\r\n" * 3000 + b"\r\n", b"0\r\n",
          b"zz\r\n", b"3\r\nabc0\r\n\r\n"]
NAME = name_of(VICTIM)
# By the word of /api/v1/ that takes them; then what all words get.
JSON = {
    "have": ['{"type":"data","names":["%s"]}' % NAME, '{"type":"data"}', '{"type":7,"names":[1]}', '{"type":"locks","names":[]}', '{"type":"data","names":[[]]}', '{"type":"data","names":{}}'],
    "leases": ['{"object":"00ff","kind":"shared","ttl_seconds":%s}' % number for number in ("1", "0", "-1", "1e999", "9" * 30, "null", "1.5")]
              + ['{"object":"%s","kind":"exclusive","ttl_seconds":1}' % text for text in ("", "0", "zz", "00" * 70_000, "\u00e9")] + ['{"object":"00","kind":"both","ttl_seconds":1}'],
    "renew": ['{"lease":"%s"}' % NAME, '{"lease":""}', '{"lease":5}', '{"lease":"%s"}' % name_of(LOCK)],
    "release": ['{"lease":"%s"}' % NAME, '{"lease":[]}', '{"lease":"%s"}' % name_of(LOCK)],
    "compact": ['{"operation":"%s","packs":[{"header":"%s","sources":[{"pack":"%s","runs":[[%s,%s]]}]}]}' % ("a" * 32, "56474552504143" + "00" * 25, NAME, offset, size)
                for offset in ("0", "-1", "32", "18446744073709551615", "1e300") for size in ("0", "1", "18446744073709551615", "[]")] + ['{"operation":"","packs":[]}', '{"packs":null}'],
    "verify": ['{"level":"hash","max_bytes":%s}' % number for number in ("0", "1", "-1", "18446744073709551616")] + ['{"level":"structure"}', '{"level":"all"}', '{}'],
}
ODD_JSON = ["[" * 50_000, '{"a":' * 9000, "[1", "null", "1e999", '{"type":"data","type":"index","names":[]}', '{"\ud800":"\udfff"}', '"' + "x" * 100_000, "{}", "\ufeff{}"]
METHODS = ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "G ET", "", "X" * 300, "GET\0", "GE\tT", "\u00c4"]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/11.1", "http/1.1", "HTTP/1", "HTTP/1.1 x", "", "RTSP/1.0"]
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b"\xff", b" ", b"\t", b":", b"HTTP/1.1", b"Content-Length: 99999\r\n", b"chunked", b"%00", b"../", b"\r\n\r\n",
          b"9" * 30, b"a" * 5000, b"\r\n folded", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"]


def targets(chance):
    name = name_of(chance.choice((VICTIM, BODY, LOCK)))
    good = chance.choice(("/repo/data/" + name, "/repo/locks/" + name, "/repo/config", "/repo/data/", "/repo/keys/", "/repo/?create=true", "/repo/", "/health",
                          "/metrics", "/api/v1/health", "/none/config", "/api/v1/repositories", "/api/v1/repositories/repo", "/api/v1/have/repo",
                          "/api/v1/changes/repo", "/api/v1/changes/repo?since=0", "/api/v1/changes/repo?since=99"))
    return chance.choice((good,) * 6 + ("http://x" + good, "http://127.0.0.1:1" + good, "//x" + good, "*", "x:443", "", good + "?" + "a" * 300, good + "#x", good + "%00",
                                        good + "\0", good.upper(), good.replace("/", "//"), "/.." + good, good + "/..", "/" + "a/" * 3000, "\\repo\\config", good + " ",
                                        "http://" + "[" * 50 + good, "/repo/data/" + "\u00e9" * 64))


def headers(chance, token):
    """Some lines; few of them make sense together."""
    lines = ["Authorization: Bearer " + token] if chance.randrange(8) else []
    many = [
        lambda: "Content-Length: " + chance.choice(NUMBERS),
        lambda: "Content-Length: 3\r\nContent-Length: " + chance.choice(NUMBERS),
        lambda: "Transfer-Encoding: " + chance.choice(("chunked", "Chunked", "chunked, chunked", "gzip, chunked", "chunked, gzip", "identity", "xchunked", "\x0bchunked",
                                                        "chunked\0", "\"chunked\"", ";", "")),
        lambda: "Transfer-Encoding: chunked\r\nContent-Length: 3",
        lambda: "Content-Length : 3", lambda: "Transfer-Encoding\t: chunked", lambda: "X-A: b\r\n folded", lambda: " Content-Length: 3", lambda: "X-A: b\r\n\t\r\n c",
        lambda: "Range: bytes=%s-%s" % (chance.choice(NUMBERS), chance.choice(NUMBERS)),
        lambda: "Range: " + chance.choice(("bytes=", "bytes=-", "bytes=-0", "bytes=0-0,1-1", "items=0-1", "bytes=" + "0-1," * 500)),
        lambda: "Expect: " + chance.choice(("100-continue", "100-Continue", "200-ok", "x" * 200)),
        lambda: "Connection: " + chance.choice(("close", "keep-alive", "close, keep-alive", "Upgrade", "Transfer-Encoding", "," * 500)),
        lambda: "Vgerfs-Fence: " + chance.choice(NUMBERS), lambda: "Upgrade: h2c", lambda: "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", lambda: "Accept: " + chance.choice(("*/*", "application/vnd.x.restic.rest.v2", "," * 900)),
        lambda: "Authorization: Basic " + chance.choice(("%%%", "====", "QQ", "A" * 5000, "dTo=")), lambda: "X-Forwarded-For: " + chance.choice(("::1", "\x1b[2J", "a" * 100)),
        lambda: "no colon", lambda: ": no name", lambda: "X\0: y", lambda: "X-%d: y" % chance.randrange(9), lambda: "X-Long: " + "y" * chance.randrange(17_000), lambda: "Host: a\r\nHost: b",
    ]
    lines += [chance.choice(many)() for _ in range(chance.randrange(5))]
    chance.shuffle(lines)
    return "".join(line + "\r\n" for line in lines)


def request(chance, token):
    method = chance.choice(METHODS[:4]) if chance.randrange(4) else chance.choice(METHODS)
    version = "HTTP/1.1" if chance.randrange(5) else chance.choice(VERSIONS)
    head = "%s %s %s\r\nHost: x\r\n%s\r\n" % (method, targets(chance), version, headers(chance, token))
    body = chance.choice((b"", BODY, BODY * 100, chance.choice(CHUNKS), chance.choice(CHUNKS)))
    if chance.randrange(6) == 0:
        word = chance.choice(sorted(JSON))
        text = chance.choice(JSON[word] * 3 + ODD_JSON).encode("utf-8", "surrogatepass")
        # Of the admin, who may ask for all of it and changes nothing.
        return request_text("POST", "/api/v1/%s/repo" % word, "Content-Length: %d" % len(text), token=TOKEN if word in ("compact", "verify") else token) + text
    return head.encode("utf-8", "surrogateescape") + body


def valid(token):
    target = "/repo/data/" + name_of(BODY)
    return [request_text("GET", "/repo/data/" + name_of(VICTIM), "Range: bytes=0-5", token=token),
            request_text("POST", target, "Content-Length: 3", token=token) + BODY,
            request_text("POST", target, "Transfer-Encoding: chunked", token=token) + CHUNKS[0],
            request_text("POST", "/repo/?create=true", "Content-Length: 0", token=token),
            request_text("DELETE", "/repo/data/" + name_of(VICTIM), token=token),
            request_text("GET", "/repo/data/", "Accept: application/vnd.x.restic.rest.v2", token=token)]


def mutated(chance, token):
    """Requests one after the other, as a pipelining client would send them, and then hurt."""
    seeds = valid(token)
    raw = bytearray(b"".join(request(chance, token) if chance.randrange(2) else chance.choice(seeds) for _ in range(chance.randrange(1, 5))))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(raw) + 1)
        way = chance.randrange(4)
        if way == 0 and at < len(raw):
            raw[at] = chance.randrange(256)
        elif way == 1:
            del raw[at:at + chance.randrange(1, 20)]
        elif way == 2:
            raw[at:at] = chance.choice(PIECES)
        else:
            raw[at:at] = raw[max(0, at - 30):at]
    return bytes(raw)


def judge(raw, got, token):
    check(not got or got.startswith(b"HTTP/1.1 "), "an answer that is none: %r to %r" % (got[:100], raw[:3000]))
    for status in re.findall(rb"HTTP/1\.1 (\d+)", got):
        is_busy = status == b"503" and any(word.encode() in raw for word in MAY_BE_BUSY)
        check(int(status) < 500 or int(status) in ALLOWED_5XX or is_busy, "%s to %r" % (status.decode(), raw[:3000]))
    check(token.encode() not in got, "the token is in an answer to %r" % raw[:3000])


def talk(server, raw, chance, token):
    with contextlib.closing(server.raw()) as connection:
        with contextlib.suppress(OSError):
            cut = chance.randrange(len(raw) + 1)
            connection.sendall(raw[:cut])
            connection.sendall(raw[cut:])
            if chance.randrange(4) == 0:
                return  # gone before the answer
            connection.shutdown(socket.SHUT_WR)
        judge(raw, receive(connection, until_end=True), token)


def descriptors(server):
    """But for those of the database: readers of it are kept for later."""
    directory = "/proc/%d/fd" % server.process.pid
    found = []
    for number in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(directory + "/" + number))
    return sorted(re.sub(r"\d+", "N", each) for each in found if "database.sqlite" not in each)


def is_at_rest(server):
    return "vgerfs_connections 1\n" in server.expect(200, "GET", "/metrics").text


def broken_requests_do_no_harm(server):
    attacker = prepared(server, "request_timeout_seconds = 2", "stall_timeout_seconds = 2")
    print("       seed %d" % SEED)
    chances = [random.Random(SEED + i) for i in range(THREADS)]
    problems, counts = [], [0] * THREADS

    def torment(i, until):
        try:
            while time.monotonic() < until and not problems:
                raw = mutated(chances[i], attacker)
                talk(server, raw, chances[i], attacker)
                counts[i] += 1
        except Exception as problem:  # noqa: BLE001 - it is told in the main thread
            problems.append(problem)

    eventually(lambda: descriptors(server).count("socket:[N]") == 1, "there are other sockets than the one that listens")
    before = descriptors(server)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        until = min(end, time.monotonic() + BATCH_SECONDS)
        threads = [threading.Thread(target=torment, args=(i, until)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(server.process.poll() is None, "the server died:\n" + server.log()[-3000:])
        if problems:
            raise problems[0]
        check(json.loads(server.expect(200, "GET", "/health", token=None).body)["status"] == "ok", "it is not well")
        eventually(lambda: is_at_rest(server), "connections are kept")
        check(not os.listdir(server.private("uploads")), "files are left in uploads/: %s" % os.listdir(server.private("uploads")))
        check("vgerfs_reserved_bytes 0\n" in server.expect(200, "GET", "/metrics").text, "space stays reserved")
        # It may still be closing what it sent.
        with contextlib.suppress(Failure):
            eventually(lambda: descriptors(server) == before, "")
        check(descriptors(server) == before, "open now: %s\nopen before: %s" % (descriptors(server), before))
    print("       %d connections" % sum(counts))
    server.expect(200, "GET", "/repo/data/" + name_of(BODY))  # many of them did get through
    failed = [line for line in server.log().splitlines() if " failed " in line and not any(word in line for word in MAY_BE_BUSY)]
    check(not failed, "the log says that requests failed:\n" + "\n".join(failed[:10]))
    unharmed(server)


def nothing_is_smuggled_in_a_body(server):
    """Whatever says in two ways, or in a strange one, how long a body is: what lies in it is never taken for a request."""
    attacker = prepared(server)
    canary = b"a lock that nobody asked for"
    inner = request_text("POST", "/repo/locks/" + name_of(canary), "Content-Length: %d" % len(canary), token=attacker) + canary
    for body in (inner, b"0\r\n\r\n" + inner):
        length = "Content-Length: %d" % len(body)
        for lines in (("Transfer-Encoding: chunked", length), (length, "Transfer-Encoding: chunked"), ("Content-Length: 0", length), (length, "Content-Length: 0"),
                      (length, "Transfer-Encoding: xchunked"), (length, "Transfer-Encoding: gzip"), ("Transfer-Encoding : chunked", length),
                      ("Transfer-Encoding:\x0bchunked", length), ("X-A: b\r\n Transfer-Encoding: chunked", length), ("Transfer-Encoding: chunked, identity", length),
                      ("Content-Length : 0", length), ("Content-Length: +0", length), ("Content-Length: 0, %d" % len(body),), (length + "\r\n 0",),
                      ("Content-Length: 0x0", length), ("Transfer-Encoding: identity", length), (length, "Connection: Content-Length")):
            for target in ("/repo/data/" + name_of(BODY), "/repo/?create=true", "/none/data/" + name_of(BODY)):
                with contextlib.closing(server.raw()) as connection:
                    connection.sendall(request_text("POST", target, *lines, token=attacker) + body)
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                    got = receive(connection, until_end=True)
                check(got.count(b"HTTP/1.1 ") <= 1, "%s: %r" % (lines, got[:500]))
                answer = server.send("HEAD", "/repo/locks/" + name_of(canary), token=TOKEN)
                check(answer.status == 404, "%s to %s: what lay in the body was done" % (lines, target))
                check(status_of(got) is None or status_of(got) < 500, "%s: %r" % (lines, got[:200]))
    unharmed(server)


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        place = sys.argv.index("--seconds")
        SECONDS = float(sys.argv[place + 1])
        del sys.argv[place:place + 2]
    main(broken_requests_do_no_harm, nothing_is_smuggled_in_a_body)
