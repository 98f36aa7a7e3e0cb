"""A client of other people as a process: it is given cursors, and reports what it is sent."""

import json
import os
import pathlib
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).parent


class Client:
    """The program is left alone until it is ended: whatever it does, it does by itself."""

    def __init__(self, name, command, server, streams, folder):
        self.name = name
        self.streams = {stream: Stream() for stream in streams}
        task = {"url": server.url, "key": server.key, "streams": streams, "folder": str(folder)}
        environment = os.environ | {"CLIENT_TASK": json.dumps(task)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, text=True
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            report = json.loads(line)
            self.streams[report["stream"]].take(report)

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()


class Stream:
    """What one stream of a client has brought."""

    def __init__(self):
        self.items, self.ids = [], []
        self.readies = []
        # Of each: how many items came before it, its id and its data.
        self.resets = []
        self.gave_up = False

    def take(self, report):
        kind = report["event"]
        if kind == "error":
            self.gave_up |= report["closed"]
            return
        data = json.loads(report["data"])
        if kind == "message":
            self.items.append(data)
            self.ids.append(report["id"])
        elif kind == "ready":
            self.readies.append(data)
        elif kind == "reset":
            self.resets.append((len(self.items), report["id"], data))


def all_clients(packages):
    """Name and command of each client; `packages` is where npm has installed."""
    node = lambda program: ["node", str(packages / program)]
    return {
        "eventsource (npm)": node("eventsource.mjs"),
        "eventsource-client (npm)": node("eventsource-client.mjs"),
        "httpx-sse (PyPI)": [sys.executable, str(HERE / "httpx_sse_client.py")],
        "Chromium": node("chromium.mjs"),
    }
