"""`httpx-sse` of PyPI, which leaves reconnecting to its user: the loop is the one of its README."""

import json
import os
import threading
import time

import httpx
from httpx_sse import connect_sse

TASK = json.loads(os.environ["CLIENT_TASK"])


def report(**line):
    # In one piece: streams are threads.
    os.write(1, f"{json.dumps(line)}\n".encode())


def retrying(client, url, last_event_id):
    reconnection_delay = 0.0
    while True:
        time.sleep(reconnection_delay)
        try:
            headers = {"Last-Event-ID": last_event_id}
            with connect_sse(client, "GET", url, headers=headers) as event_source:
                for sse in event_source.iter_sse():
                    last_event_id = sse.id
                    if sse.retry is not None:
                        reconnection_delay = sse.retry / 1000
                    yield sse
        # The README retries on ReadError; a killed server also gives the others of this family.
        except httpx.TransportError:
            pass
        yield None


def follow(stream, cursor):
    # A stream is silent for up to 15 s between two signs of life.
    headers = {"authorization": f"Bearer {TASK['key']}"}
    with httpx.Client(headers=headers, timeout=httpx.Timeout(5, read=30)) as client:
        for sse in retrying(client, f"{TASK['url']}/v1/stream", cursor):
            if sse is None:
                report(stream=stream, event="error", closed=False)
            elif sse.data:  # The library also shows checkpoints and heartbeats, which have none.
                report(stream=stream, event=sse.event, id=sse.id, data=sse.data)


for name, first_cursor in TASK["streams"].items():
    threading.Thread(target=follow, args=(name, first_cursor)).start()
