#!/usr/bin/python3
"""The wire: every detail of the restic REST protocol that real clients rely on, and the limits on those that play with it."""
import contextlib
import email.utils
import http.client
import json
import os
import socket
import threading
import time

from server_world import TOKEN, V2, Server, check, main, name_of

ABSENT = "0" * 64


def receive(connection, at_least=1, until_end=False):
    """What a raw connection gives: up to its end, or until the header and so many bytes are there."""
    got = b""
    while until_end or b"\r\n\r\n" not in got or len(got) < at_least:
        with contextlib.suppress(ConnectionResetError):
            part = connection.recv(65536)
            if part:
                got += part
                continue
        break
    return got


def status_of(raw):
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.1 ") else None


def request_text(method, target, *lines, token=TOKEN):
    return ("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n" % (
        method, target, token, "".join(line + "\r\n" for line in lines))).encode()


def objects_come_and_go(server):
    server.start().make_repository()
    data = os.urandom(300_000)
    name = server.put(data)
    head = server.expect(200, "HEAD", "/repo/data/" + name)
    check(head.headers["Content-Length"] == "300000" and not head.body, "HEAD says %s" % head.headers)
    sent = email.utils.parsedate_to_datetime(head.headers["Date"]).timestamp()
    check(abs(sent - time.time()) < 60, "it is now %s" % head.headers["Date"])
    stored = os.stat("%s/repo/data/%s/%s" % (server.data, name[:2], name)).st_mtime_ns
    check(head.headers["Vgerfs-Stored-At"] == str(stored), "stored at %s, its file says %d" % (head.headers["Vgerfs-Stored-At"], stored))
    check(server.expect(200, "GET", "/repo/data/" + name).body == data, "other bytes came back")
    server.put(data)
    server.expect(200, "DELETE", "/repo/data/" + name)
    server.expect(200, "DELETE", "/repo/data/" + name)
    server.expect(404, "GET", "/repo/data/" + name)
    server.expect(404, "HEAD", "/repo/data/" + name)
    check(server.expect(200, "GET", "/repo/config").body == b"the config", "the config is another")
    server.expect(403, "POST", "/repo/config", b"another")
    server.expect(200, "POST", "/repo/config", b"the config")
    server.expect(200, "POST", "/repo/?create=true")
    server.expect(405, "DELETE", "/repo/")
    server.expect(404, "GET", "/none/config")


def ranges_have_exact_lengths(server):
    server.start().make_repository()
    for size in (10, 70_000, 3 << 20):
        data = os.urandom(size)
        target = "/repo/data/" + server.put(data)
        for first, last in ((0, size - 1), (0, 0), (size - 1, size - 1), (3, 7), (size // 3, size // 2)):
            answer = server.expect(206, "GET", target, headers={"Range": "bytes=%d-%d" % (first, last)})
            check(answer.body == data[first:last + 1], "bytes %d-%d of %d are wrong" % (first, last, size))
            check(answer.headers["Content-Length"] == str(last - first + 1), "a length of %s" % answer.headers["Content-Length"])
            check(answer.headers["Content-Range"] == "bytes %d-%d/%d" % (first, last, size), "wrong Content-Range")
        check(server.expect(206, "GET", target, headers={"Range": "bytes=0-"}).body == data, "bytes=0- is not all")
        check(server.expect(206, "GET", target, headers={"Range": "bytes=5-%d" % (size + 5)}).body == data[5:], "not clipped")
        answer = server.expect(416, "GET", target, headers={"Range": "bytes=%d-" % size})
        check(answer.headers["Content-Range"] == "bytes */%d" % size, "416 without the size")


def bodies_may_come_in_chunks(server):
    """As restic 0.17 and later create repositories, and for uploads too."""
    server.start()
    for target, body in (("/repo/?create=true", []), ("/repo/config", [b"the ", b"config"])):
        with contextlib.closing(server.connect()) as connection:
            connection.request("POST", target, body=iter(body), headers={"Authorization": "Bearer " + TOKEN}, encode_chunked=True)
            check(connection.getresponse().status == 200, "a chunked body to " + target)
    data = os.urandom(1_000_000)
    with contextlib.closing(server.connect()) as connection:
        connection.request("POST", "/repo/data/" + name_of(data), body=iter([data[:1], data[1:500_000], data[500_000:]]),
                           headers={"Authorization": "Bearer " + TOKEN}, encode_chunked=True)
        check(connection.getresponse().status == 200, "a chunked upload")
    check(server.expect(200, "GET", "/repo/data/" + name_of(data)).body == data, "a chunked upload came back otherwise")


def who_expects_to_continue_is_told(server):
    server.start().make_repository()
    data = os.urandom(1000)
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(request_text("POST", "/repo/data/" + name_of(data), "Content-Length: 1000", "Expect: 100-continue"))
        check(receive(connection).startswith(b"HTTP/1.1 100 Continue"), "no 100")
        connection.sendall(data)
        check(status_of(receive(connection)) == 200, "the upload failed")
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(request_text("POST", "/repo/data/" + ABSENT, "Content-Length: 1000", "Expect: 100-continue", token="wrong"))
        check(status_of(receive(connection)) == 401, "a refused body was asked for")


def connections_are_kept(server):
    server.start().make_repository()
    with contextlib.closing(server.connect()) as connection:
        for i in range(20):
            data = b"%d" % i
            server.expect(200, "POST", "/repo/data/" + name_of(data), data, connection=connection)
            check(server.expect(200, "GET", "/repo/data/" + name_of(data), connection=connection).body == data, "wrong bytes")
            server.expect(404, "GET", "/repo/data/" + ABSENT, connection=connection)
    # Many requests in one packet: answers in their order.
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(b"".join(request_text("GET", "/repo/data/" + name_of(b"%d" % i)) for i in range(10)))
        connection.shutdown(socket.SHUT_WR)
        got = receive(connection, until_end=True)
        bodies = [part.rpartition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 ")[1:]]
        check(bodies == [b"%d" % i for i in range(10)], "pipelined requests got %s" % bodies)


def what_follows_a_body_is_the_next_request(server):
    """However both come: with the header, or after it."""
    server.start().make_repository()
    for size in (1, 100, 5000, 300_000, 3 << 20):
        bodies = [os.urandom(size) for _ in range(3)]
        with contextlib.closing(server.raw()) as connection:
            def send(connection=connection, bodies=bodies):
                connection.sendall(b"".join(request_text("POST", "/repo/data/" + name_of(body), "Content-Length: %d" % len(body)) + body
                                            + request_text("HEAD", "/repo/data/" + name_of(body)) for body in bodies))
                connection.shutdown(socket.SHUT_WR)
            thread = threading.Thread(target=send)
            thread.start()
            got = receive(connection, until_end=True)
            thread.join()
        check(got.count(b"HTTP/1.1 200 ") == got.count(b"HTTP/1.1 ") == 6, "bodies of %d bytes: %r" % (size, got[:1000]))


def lists_come_in_both_versions(server):
    server.start().make_repository()
    name = server.put(b"bytes")
    check(server.listed() == {name: 5}, "version 2 lists %s" % server.listed())
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/vnd.x.restic.rest.v1"}, {"Accept": V2 + "; q=1"}):
        answer = server.expect(200, "GET", "/repo/data/", headers=accept)
        check(answer.headers["Content-Type"] == "application/vnd.x.restic.rest.v1" and json.loads(answer.body) == [name],
              "version 1 lists %s" % answer.text)
    check(server.listed("index") == {}, "an empty list is %s" % server.listed("index"))
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(request_text("GET", "/repo/data/", "Accept: " + V2))
        check(b"\r\nContent-Type: application/vnd.x.restic.rest.v2\r\n" in receive(connection), "the type is not bare")


def long_lists_are_whole(server):
    names = {}
    for kind in ("data", "index", "keys", "locks", "snapshots"):
        os.makedirs(server.data + "/repo/" + kind)
    for i in range(5000):
        names[name_of(b"%d" % i)] = len(b"%d" % i)
        with open("%s/repo/index/%s" % (server.data, name_of(b"%d" % i)), "wb") as out:
            out.write(b"%d" % i)
    with open(server.data + "/repo/config", "wb") as out:
        out.write(b"the config")
    server.start()
    check(server.listed("index") == names, "the list of 5000 is not whole")
    check(not os.listdir(server.private("uploads")), "the list has left a file")


def who_sends_a_refused_body_reads_the_answer(server):
    """Without Expect the client has sent much of it before anybody could say no."""
    server.start().make_repository()
    data = os.urandom(8 << 20)
    for target, token, status in (("/repo/data/" + name_of(data), "wrong", 401), ("/none/data/" + name_of(data), TOKEN, 404),
                                  ("/repo/locks/" + name_of(data), TOKEN, 413), ("/repo/nothing", TOKEN, 404),
                                  ("/repo/data/", TOKEN, 405)):
        answer = server.send("POST", target, data, token=token)
        check(answer.status == status, "%s: %d instead of %d" % (target, answer.status, status))
        check(answer.headers["Connection"] == "close", "the connection goes on in the middle of a body")


def slow_clients_are_cut_off(server):
    server.configure("request_timeout_seconds = 1", "stall_timeout_seconds = 1", "idle_timeout_seconds = 1")
    server.start().make_repository()
    data = os.urandom(50 << 20)
    name = server.put(data)

    def ends(connection, what):
        connection.settimeout(20)
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while connection.recv(65536):
                pass
        check(time.monotonic() - started < 15, what)

    with contextlib.closing(server.raw()) as connection:
        ends(connection, "who says nothing stays")
    with contextlib.closing(server.raw()) as connection:
        connection.sendall(b"GET /repo/config HTTP/1.1\r\n")
        stop = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                while not stop.wait(0.2):
                    connection.sendall(b"X-A: b\r\n")
        thread = threading.Thread(target=drip)
        thread.start()
        ends(connection, "a header that comes in drops is waited for")
        stop.set()
        thread.join()
    # A body of known length and one in chunks are taken in two ways.
    for length, first, more in (("Content-Length: 1000000", b"x", b"x"), ("Transfer-Encoding: chunked", b"f4240\r\nx", b"x"),
                                ("Transfer-Encoding: chunked", b"1\r\nx\r\n", b"1\r\nx\r\n")):
        with contextlib.closing(server.raw()) as connection:
            connection.sendall(request_text("POST", "/repo/data/" + ABSENT, length) + first)
            ends(connection, "a body that does not go on is waited for (%s)" % length)
        with contextlib.closing(server.raw()) as connection:
            connection.sendall(request_text("POST", "/repo/data/" + ABSENT, length) + first)
            stop = threading.Event()

            def drip_body(connection=connection, more=more, stop=stop):
                with contextlib.suppress(OSError):
                    while not stop.wait(0.2):
                        connection.sendall(more)
            thread = threading.Thread(target=drip_body)
            thread.start()
            ends(connection, "a body of five bytes a second is waited for (%s)" % length)
            stop.set()
            thread.join()
    with contextlib.closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(request_text("GET", "/repo/data/" + name))
        deadline = time.monotonic() + 20
        while server.expect(200, "GET", "/metrics").text.find("vgerfs_connections 1\n") < 0:
            check(time.monotonic() < deadline, "who takes nothing of a download keeps it")
            time.sleep(0.1)
    check(not os.listdir(server.private("uploads")), "files are left in uploads/")
    check("vgerfs_reserved_bytes 0\n" in server.expect(200, "GET", "/metrics").text, "space stays reserved")


def changes_are_told(server):
    server.configure("io_threads = 2")
    server.start().make_repository()
    head = json.loads(server.expect(200, "GET", "/api/v1/changes/repo").text)["head"]["sequence"]
    target = "/api/v1/changes/repo?since=%d" % head
    started = time.monotonic()
    check(not json.loads(server.expect(200, "GET", target + "&wait=1").text)["changes"], "changes out of nothing")
    check(0.9 < time.monotonic() - started < 10, "it did not wait for a second")

    # Many wait at a time; none of them holds a thread.
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(server.expect(200, "GET", target + "&wait=40"))) for _ in range(40)]
    for waiter in waiters:
        waiter.start()
    with contextlib.closing(server.raw()) as events:
        events.sendall(request_text("GET", target, "Accept: text/event-stream"))
        check(status_of(receive(events)) == 200, "no events")
        time.sleep(0.3)
        started = time.monotonic()
        names = [server.put(b"one"), server.put(b"two")]
        for waiter in waiters:
            waiter.join()
        check(time.monotonic() - started < 20, "who waits for a change was not told")
        for answer in answers:
            changes = json.loads(answer.text)["changes"]
            check(changes and changes[0]["name"] == names[0] and changes[0]["token"] == "configured", "told: %s" % changes)
        text = b""
        while text.count(b"\n\n") < 2:
            part = events.recv(65536)
            check(part, "the events ended: %s" % text)
            text += part
        told = [json.loads(line[6:]) for line in text.decode().splitlines() if line.startswith("data: ")]
        check([each["name"] for each in told] == names, "events: %s" % told)
        check(told[-1]["hash"] == json.loads(server.expect(200, "GET", "/api/v1/changes/repo").text)["head"]["hash"], "another hash")

        # A stop does not wait for who waits.
        with contextlib.closing(server.raw()) as waiting:
            waiting.sendall(request_text("GET", "/api/v1/changes/repo?since=%d&wait=40" % (head + 2)))
            time.sleep(0.3)
            started = time.monotonic()
            server.stop()
            check(time.monotonic() - started < 10, "the stop took %.1f s" % (time.monotonic() - started))
            check(status_of(receive(waiting)) == 200, "who waited got no answer")


if __name__ == "__main__":
    main(objects_come_and_go, ranges_have_exact_lengths, bodies_may_come_in_chunks, who_expects_to_continue_is_told,
         connections_are_kept, what_follows_a_body_is_the_next_request,
         lists_come_in_both_versions, long_lists_are_whole, who_sends_a_refused_body_reads_the_answer,
         slow_clients_are_cut_off, changes_are_told)
