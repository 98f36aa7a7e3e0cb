#!/usr/bin/env python3
"""Other people's clients against a real server: cut off, they resume by themselves, miss nothing.

usage: run.py EXHIBIT PACKAGES (the binary, and where npm has installed)
"""

import contextlib
import pathlib
import sys
import tempfile
import time

import proxy
from client import Client, all_clients
from server import Server, Tenant, Writer, wait_for

CUTS = 2
# Between two items while clients start: a browser that takes its time must not be 500 behind.
PAUSE_SECONDS = 0.05
# Of the server that resets for `expired_cursor`, and of the one that does for `replay_limit`.
WINDOW_SECONDS = 2
REPLAY_ITEMS_MAX = 5


class Verdicts:
    """One line a check."""

    def __init__(self):
        self.failed = 0

    def say(self, who, what, faults):
        print(f"{'FAILED' if faults else 'ok    '} {who}: {what}", flush=True)
        for fault in faults:
            print(f"         {fault}", flush=True)
        self.failed += bool(faults)


@contextlib.contextmanager
def clients_of(server, packages, folder, streams):
    """Every client with the same streams, a process each."""
    clients = []
    try:
        for name, command in all_clients(packages).items():
            profile = tempfile.mkdtemp(dir=folder)
            clients.append(Client(name, command, server, streams, profile))
        yield clients
    finally:
        for client in clients:
            client.end()


def each_stream(clients):
    return [stream for client in clients for stream in client.streams.values()]


def wait_for_all(clients, what, holds):
    """Waits for all streams, but not for ever: who is late is shown by its check."""
    with contextlib.suppress(TimeoutError):
        wait_for(what, lambda: all(holds(stream) for stream in each_stream(clients)))


def wait_until_connected(clients, times):
    wait_for_all(clients, "clients connect", lambda stream: len(stream.readies) >= times)


def wait_until_seen(clients, tenant):
    head = tenant.head()
    wait_for_all(clients, "clients catch up", lambda stream: stream.ids[-1:] == [head])


def differences(items, ids, expected, after):
    """How what a client saw departs from what was committed after a cursor."""
    epoch, begin = after.split("-")
    faults = []
    seen = [item["position"] for item in items]
    committed = [item["position"] for item in expected]
    if committed != list(range(int(begin) + 1, int(begin) + 1 + len(committed))):
        faults.append(f"the history after {after} has holes: {committed}")
    if seen != committed:
        doubled = sorted({p for p in seen if seen.count(p) > 1})
        missed = sorted(set(committed) - set(seen))
        alien = sorted(set(seen) - set(committed))
        faults.append(
            f"saw {len(seen)} items, expected {len(committed)}: missed {missed}, "
            f"doubled {doubled}, not in the history {alien}, in order: {seen == sorted(seen)}"
        )
    elif items != expected:
        faults.append("the items are not those of the history")
    if ids != [f"{epoch}-{position}" for position in seen]:
        faults.append(f"ids are not the items' cursors: {ids}")
    return faults


def resumes(server, tenant, packages, folder, verdicts):
    """Cut off amid commits, more than once, with items that wait for whoever comes back."""
    start = tenant.head()
    tenant.commit(30)
    with clients_of(server, packages, folder, {"all": start}) as clients:
        # Replay meets live while items come in.
        writer = Writer(tenant, PAUSE_SECONDS)
        wait_until_connected(clients, 1)
        writer.stop()
        for cut in range(CUTS):
            writer = Writer(tenant)
            time.sleep(1)
            server.kill()
            writer.stop()
            server.start()
            # The clients wait up to 3 s before they try again: these are there before them.
            tenant.commit(20)
            wait_until_connected(clients, 2 + cut)
        tenant.commit(20)
        wait_until_seen(clients, tenant)
        history = tenant.history(start)
        # The server's word for what it has committed, and then its answers'.
        acknowledged = {p for p in tenant.acknowledged if p > int(start.split("-")[1])}
        lost = sorted(acknowledged - {item["position"] for item in history})
        what = f"all {len(acknowledged)} items that were answered 201 are in the history"
        verdicts.say("server", what, [f"not there: {lost}"] if lost else [])
        for client in clients:
            stream = client.streams["all"]
            faults = differences(stream.items, stream.ids, history, start)
            replays = [ready["replay"] for ready in stream.readies]
            if len(replays) <= CUTS:
                faults.append(f"connected {len(replays)} times, expected {CUTS + 1} at least")
            if stream.resets:
                faults.append(f"was reset: {stream.resets}")
            if stream.gave_up:
                faults.append("gave up for good")
            what = (
                f"cut off {CUTS} times by SIGKILL, came back by itself, replayed {replays}, saw "
                f"{len(stream.items)} of {len(history)} items, each once and in order"
            )
            verdicts.say(client.name, what, faults)


def resets(server, tenant, other, packages, folder, verdicts):
    """What cannot be resumed is reset, goes on live, and is not reset again after a cut."""
    server.kill()
    server.start("--stream-replay-items-max", str(REPLAY_ITEMS_MAX))
    behind = tenant.head()
    tenant.commit(REPLAY_ITEMS_MAX + 1)
    with contextlib.ExitStack() as stack:
        start_clients = lambda streams: stack.enter_context(
            clients_of(server, packages, folder, streams)
        )
        far = {"replay_limit: a cursor too far behind": behind}
        clients = start_clients(far)
        wait_until_connected(clients, 1)
        tenant.commit(10)
        wait_until_seen(clients, tenant)

        server.kill()
        server.start("--stream-window-seconds", str(WINDOW_SECONDS))
        wait_until_connected(clients, 2)
        old = tenant.head()
        tenant.commit()
        time.sleep(WINDOW_SECONDS + 0.5)
        sent = {
            "unknown_cursor: what is no cursor": "nonsense",
            "unknown_cursor: a cursor of no log": "aaaaaaaa-1",
            "unknown_cursor: another tenant's cursor": other.head(),
            "expired_cursor: a cursor past the window": old,
        }
        clients += start_clients(sent)
        wait_until_connected(clients, 1)
        tenant.commit(10)
        wait_until_seen(clients, tenant)

        server.kill()
        server.start()
        tenant.commit(10)
        wait_until_connected(clients, 2)
        tenant.commit(10)
        wait_until_seen(clients, tenant)
        for client in clients:
            for name, stream in client.streams.items():
                say_reset(client, name, stream, (far | sent)[name], tenant, verdicts)


def say_reset(client, name, stream, sent, tenant, verdicts):
    reason, what = name.split(": ")
    if len(stream.resets) != 1:
        fault = f"saw {len(stream.resets)} resets, expected one: {stream.resets}"
        verdicts.say(client.name, f"{what} is reset", [fault])
        return
    before, cursor, reset = stream.resets[0]
    expected = {"type": "reset", "reason": reason, "last_event_id": sent, "cursor": cursor}
    faults = []
    if reset | expected != reset:
        faults.append(f"reset was {reset}, expected {expected}")
    if before:
        faults.append(f"saw {before} items before the reset, expected none")
    if stream.gave_up:
        faults.append("gave up for good")
    history = tenant.history(cursor)
    faults += differences(stream.items, stream.ids, history, cursor)
    verdicts.say(
        client.name,
        f"{what} is reset ({reason}) and goes on from {cursor}: {len(stream.items)} of "
        f"{len(history)} later items, no second reset after a restart",
        faults,
    )


def passes_nginx(server, tenant, folder, verdicts):
    *heeding, deaf = proxy.measure(tenant, server, folder)
    late = lambda kept: sum(seconds > proxy.KEPT_SECONDS_MAX for seconds in kept)
    for version, kept in zip(["1.1", "1.0"], heeding):
        what = (
            f"over HTTP/{version}, with its default buffering, it passes {len(kept)} items on, "
            f"keeping none for more than {max(kept) * 1000:.1f} ms (100 are allowed)"
        )
        verdicts.say("nginx", what, [f"kept {late(kept)}: {kept}"] if late(kept) else [])
    what = f"deaf to X-Accel-Buffering it keeps {late(deaf)} of {len(deaf)} for more than 100 ms"
    faults = [] if late(deaf) else ["it keeps none: the checks above prove nothing"]
    verdicts.say("nginx", what, faults)


def main():
    binary, packages = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    verdicts = Verdicts()
    # A browser that has been ended may still be writing to its profile.
    with tempfile.TemporaryDirectory(prefix="exhibit-clients-", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        server = Server(binary, folder)
        try:
            server.start()
            tenant = Tenant(server.url, server.key)
            other = server.other_tenant("other")
            resumes(server, tenant, packages, folder, verdicts)
            resets(server, tenant, other, packages, folder, verdicts)
            passes_nginx(server, tenant, folder, verdicts)
        except BaseException:
            server.show_log()
            raise
        finally:
            server.stop()
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
