"""What the tests of vgerfs-server share: a server on a directory of its own, requests, restic, a main().

No mounts and no root are needed: whatever listens, listens on 127.0.0.1.
"""
import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from world import BIN, Failure, SMALL, check, run, skip  # noqa: F401 - for the tests

SERVER = os.path.join(BIN, "vgerfs-server")
V2 = "application/vnd.x.restic.rest.v2"
TOKEN = "the-token-of-the-configuration"
PASSWORD = "the password of the repository"
PATIENCE = 60


def name_of(data):
    return hashlib.sha256(data).hexdigest()


def clean_environment(**more):
    """Without proxies, certificates and settings of whoever runs the tests."""
    keep = ("PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "TMPDIR", "VGERFS_TEST_SIZE", "VGERFS_TEST_SEED")
    return {**{key: os.environ[key] for key in keep if key in os.environ}, "LC_ALL": "C", **more}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode(errors="replace")


class Server:
    """A server that runs, or can be started again on its directory. Extra lines go into [server]."""

    def __init__(self, *lines, token=TOKEN, data=None):
        self.work = tempfile.mkdtemp(prefix="vgerfs-server-")
        self.data = data or self.work + "/data"
        self.token = token
        self.process, self.address, self.log_path = None, None, self.work + "/log"
        self.config = self.work + "/server.toml"
        self.configure(*lines)

    def configure(self, *lines, tables=""):
        if not any(line.startswith("listen") for line in lines):
            lines = ('listen = "127.0.0.1:0"',) + lines
        if self.token:
            lines += ('token = "%s"' % self.token,)
        if not any(line.startswith("min_free_bytes") for line in lines):
            lines += ("min_free_bytes = 0",)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("[server]\ndata_dir = \"%s\"\n%s\n%s\n" % (self.data, "\n".join(lines), tables))

    def start(self, *arguments, wrapper=(), env=None):
        self.offset = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrapper, SERVER, "--config", self.config, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=clean_environment(**(env or {})))
        self.address = self.wait_for_log(r"listening\W+address\W+([^\s\"]+)").group(1)
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.offset)
            return log.read()

    def wait_for_log(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            check(self.process.poll() is None, "the server ended with %s:\n%s" % (self.process.returncode, self.log()[-3000:]))
            check(time.monotonic() < deadline, "the server's log never said %s:\n%s" % (pattern, self.log()[-3000:]))
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM, status=0):
        """Ends the server and waits for it; the status counts for a SIGTERM only."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            ended = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("the server did not stop:\n" + self.log()[-3000:]) from None
        finally:
            self.process = None
        if how == signal.SIGTERM:
            check(ended == status, "the server ended with %d:\n%s" % (ended, self.log()[-3000:]))

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
            elif self.process is not None:
                raise Failure("the server had died (%d):\n%s" % (self.process.returncode, self.log()[-3000:]))
        finally:
            shutil.rmtree(self.work, ignore_errors=True)

    # Commands on the host.
    def command(self, *arguments, ok=(0,)):
        return run(SERVER, "--config", self.config, *arguments, ok=ok, env=clean_environment())

    def make_token(self, name, role, repositories="*", *more):
        return self.command("token", "create", name, "--repo", repositories, "--role", role, *more).text.strip()

    # Requests.
    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def connect(self, timeout=PATIENCE):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def raw(self, timeout=PATIENCE):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, method, target, body=None, headers=None, token=True, connection=None):
        """One request; `token`: True (the configured one), None, or another."""
        headers = dict(headers or {})
        token = self.token if token is True else token
        if token:
            headers["Authorization"] = "Bearer " + token
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(contextlib.closing(self.connect()))
            connection.request(method, target, body=body, headers=headers)
            answer = Answer(connection.getresponse())
            check(not token or token not in answer.text + str(answer.headers), "%s %s: the answer holds the token" % (method, target[:200]))
            return answer

    def expect(self, status, method, target, *args, **options):
        answer = self.send(method, target, *args, **options)
        check(answer.status == status, "%s %s: %d instead of %d: %r" % (method, target[:200], answer.status, status, answer.body[:300]))
        return answer

    def make_repository(self, name="repo", config=b"the config", **options):
        self.expect(200, "POST", "/%s/?create=true" % name, **options)
        self.expect(200, "POST", "/%s/config" % name, config, **options)

    def put(self, data, kind="data", repository="repo", status=200, **options):
        name = name_of(data)
        self.expect(status, "POST", "/%s/%s/%s" % (repository, kind, name), data, **options)
        return name

    def listed(self, kind="data", repository="repo", **options):
        answer = self.expect(200, "GET", "/%s/%s/" % (repository, kind), headers={"Accept": V2}, **options)
        check(answer.headers["Content-Type"] == V2, "a list of type %s" % answer.headers["Content-Type"])
        return {each["name"]: each["size"] for each in json.loads(answer.body)}

    def stored(self, kind="data", repository="repo"):
        """Names and sizes in the directory itself."""
        found = {}
        for top, _, names in os.walk(os.path.join(self.data, repository, kind)):
            for name in names:
                found[name] = os.path.getsize(os.path.join(top, name))
        return found

    def private(self, *names):
        return os.path.join(self.data, ".vgerfs-server", *names)

    def restic(self, *arguments, repository="repo", token=True, ok=(0,), cwd=None, url=None, env=None):
        token = self.token if token is True else token
        url = url or "http://127.0.0.1:%d/" % self.port
        if token:
            url = url.replace("://", "://user:%s@" % token, 1)
        environment = clean_environment(RESTIC_PASSWORD=PASSWORD, RESTIC_CACHE_DIR=self.work + "/restic-cache", HOME=self.work,
                                        RESTIC_PROGRESS_FPS="0.1", **(env or {}))
        return run("restic", "-r", "rest:%s%s/" % (url, repository), *arguments, ok=ok, env=environment, cwd=cwd)


def make_tree(path, seed=1, files=40, large=6 << 20):
    """A directory worth a backup; another seed changes part of it."""
    os.makedirs(path + "/some", exist_ok=True)
    for i in range(files):
        with open("%s/some/%03d" % (path, i), "wb") as out:
            out.write((b"%d %d " % (i, seed if i % 4 == 0 else 0)) * (200 + i * 50))
    with open(path + "/large", "wb") as out:
        out.write(random.Random(seed).randbytes(large))
    return path


def main(*tests, world=Server):
    """Runs each test with a server of its own (not started yet); reports all failures."""
    failed = []
    for test in tests:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        started = time.monotonic()
        server = world()
        try:
            try:
                test(server)
            finally:
                server.close()
            print("ok     %s (%.1f s)" % (test.__name__, time.monotonic() - started), flush=True)
        except Failure as failure:
            failed.append(test.__name__)
            print("FAILED %s: %s" % (test.__name__, failure), flush=True)
        except Exception as error:  # noqa: BLE001 - a broken test is a failed test
            failed.append(test.__name__)
            traceback.print_exc()
            print("FAILED %s: %s" % (test.__name__, error), flush=True)
    sys.exit(1 if failed else 0)
