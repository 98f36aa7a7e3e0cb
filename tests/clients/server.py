"""A real `exhibit serve` with its private PostgreSQL, what is committed to it, and its log."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import httpx

START_SECONDS_MAX = 120


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """Starts, is killed and starts again on the same port and data."""

    def __init__(self, binary, folder):
        self.binary, self.data = binary, folder / "data"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process, self.key = None, None
        # What the caller has set for another server is not meant for this one.
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("EXHIBIT_")}
        self.environment.pop("DATABASE_URL", None)

    def start(self, *settings):
        command = [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}"]
        command += ["--data", self.data, *settings]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=self.environment, text=True
            )
        timer = threading.Timer(START_SECONDS_MAX, self.process.kill)
        timer.start()
        for line in self.process.stdout:
            if "(shown this once): " in line:
                self.key = line.split("(shown this once): ")[1].strip()
            if line.startswith("listening on "):
                timer.cancel()
                return
        timer.cancel()
        raise RuntimeError(f"the server did not start: {self.process.wait()}")

    def kill(self):
        """SIGKILL: nobody is told, and the private PostgreSQL goes down with it."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()

    def show_log(self):
        """What the server had to complain about."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        complaints = [line for line in lines if '"level":"INFO"' not in line]
        print(*complaints[-20:], sep="\n", file=sys.stderr)

    def command(self, *arguments):
        command = [self.binary, *arguments, "--data", self.data]
        return subprocess.check_output(command, env=self.environment, text=True).strip()

    def other_tenant(self, name):
        self.command("tenant", "add", name)
        scopes = "evidence:read,ingest:write"
        key = self.command("key", "add", "--tenant", name, "--scopes", scopes)
        return Tenant(self.url, key)


class Tenant:
    """One tenant's log: what is committed to it, and what it says was committed."""

    def __init__(self, url, key):
        headers = {"authorization": f"Bearer {key}"}
        # No connection is kept: the next request may be to the next server.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=url, headers=headers, limits=limits, timeout=30)
        self.key = key
        self.session, self.sequence = None, 0
        self.acknowledged = []

    def commit(self, count=1):
        """So many items, one after the other: session starts and appends to them."""
        for _ in range(count):
            self._commit_one()

    def _commit_one(self):
        # A new session for each fourth item, and after an outage: the append's fate is unknown.
        if self.session is None or self.sequence == 3:
            self.session = None
            answer = self.http.post("/v1/sessions", json={"agent_id": "x"})
            answer.raise_for_status()
            self.session, self.sequence = answer.json()["session_id"], 0
        else:
            session, self.session = self.session, None
            answer = self.http.post(f"/v1/sessions/{session}/events", json=self._event(session))
            answer.raise_for_status()
            self.session, self.sequence = session, self.sequence + 1
        self.acknowledged.append(answer.json()["position"])

    def _event(self, session):
        event = {
            "event_id": str(uuid.uuid4()),
            "session_id": session,
            "sequence_number": self.sequence,
            "timestamp_wall": "2026-03-01T10:00:00.120Z",
            "event_type": "TOOL_CALL",
            "payload": {"tool_name": "look_up_order", "args": {"order": self.sequence}},
        }
        if self.sequence == 0:
            event["event_type"] = "SESSION_START"
            event["payload"] = {
                "agent_id": "x", "environment": "dev", "framework": "langchain",
                "framework_version": "1.0.0", "sdk_version": "1.0.0",
            }
        return {"events": [event]}

    def head(self):
        """The cursor of everything that was committed so far, as a new stream is told it."""
        with self.http.stream("GET", "/v1/stream") as answer:
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    return line.removeprefix("id: ")
        raise RuntimeError("a stream without a cursor")

    def history(self, after):
        """Every item after a cursor, from the pages of the log."""
        items, query = [], {"order": "asc", "after": after, "limit": 200}
        while query:
            page = self.http.get("/v1/events/history", params=query)
            page.raise_for_status()
            items += page.json()["items"]
            cursor = page.json()["next_cursor"]
            query = {"order": "asc", "cursor": cursor, "limit": 200} if cursor else None
        return items


class Writer:
    """Commits without end, so that a kill hits a stream in the middle."""

    def __init__(self, tenant, pause=0):
        self.tenant, self.pause, self.ended = tenant, pause, threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            while not self.ended.wait(self.pause):
                self.tenant.commit()
        except httpx.TransportError:
            pass  # The server was killed under it.

    def stop(self):
        self.ended.set()
        self.thread.join()


def wait_for(what, holds, seconds=90):
    """Waits until a condition holds; names it when it does not."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
