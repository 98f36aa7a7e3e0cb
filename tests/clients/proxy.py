"""nginx as it is put before a server by default, and how long it keeps an item."""

import contextlib
import json
import math
import pathlib
import subprocess
import threading
import time

import httpx
from httpx_sse import connect_sse

from server import free_port, wait_for

ITEMS = 40
PAUSE = 0.05
KEPT_SECONDS_MAX = 0.1


@contextlib.contextmanager
def nginx(server, folder):
    """A process of its own with a configuration of its own; nothing of the system's is touched."""
    port = free_port()
    text = (pathlib.Path(__file__).parent / "nginx.conf").read_text()
    places = {"FOLDER": str(folder), "PORT": str(port), "UPSTREAM": f"127.0.0.1:{server.port}"}
    for name, value in places.items():
        text = text.replace(name, value)
    conf = folder / "nginx.conf"
    conf.write_text(text)
    paths = ["-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(conf)]
    process = subprocess.Popen(["/usr/sbin/nginx", *paths])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for("nginx answers", lambda: process.poll() is not None or answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/health").status_code == 200
    return False


class Arrivals:
    """When each item came, over one way to the server."""

    def __init__(self, url, key):
        self.at, self.ready = {}, threading.Event()
        self.url, self.key = url, key
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        headers = {"authorization": f"Bearer {self.key}"}
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.Client(headers=headers, timeout=httpx.Timeout(5, read=30)) as client,
            connect_sse(client, "GET", f"{self.url}/v1/stream") as source,
        ):
            for sse in source.iter_sse():
                now = time.monotonic()
                if sse.event == "message" and sse.data:
                    self.at[json.loads(sse.data)["position"]] = now
                self.ready.set()


def measure(tenant, server, folder):
    """Seconds that nginx has kept each item: over HTTP/1.1, over 1.0, and deaf to the server."""
    with nginx(server, folder) as url:
        direct = Arrivals(server.url, tenant.key)
        heeding = [Arrivals(url, tenant.key), Arrivals(f"{url}/1.0", tenant.key)]
        deaf = Arrivals(f"{url}/deaf", tenant.key)
        opened = lambda: all(way.ready.is_set() for way in [direct, *heeding])
        wait_for("streams are open", opened)
        # The deaf one does not even show that it is open.
        time.sleep(1)
        first = len(tenant.acknowledged)
        for _ in range(ITEMS):
            tenant.commit()
            time.sleep(PAUSE)
        positions = tenant.acknowledged[first:]
        arrived = lambda way: all(position in way.at for position in positions)
        wait_for("items come directly", lambda: arrived(direct))
        time.sleep(1)
        return [
            [way.at.get(position, math.inf) - direct.at[position] for position in positions]
            for way in [*heeding, deaf]
        ]
