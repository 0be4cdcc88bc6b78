"""The server beside the library itself: one client, thirty-two, thumbnails, and memory after many requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import Collection
from tests.bench.harness import ROOT, Bench, run_python, time_in_turns
from tests.support import pictures

CLIENTS, SECONDS, REQUESTS = 32, 60.0, 100_000
PICTURES = 100
RUN = "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()"
MEASURE = "import json, sys; from tests.bench.methods_server import load"
LOAD = f"{MEASURE}; print(json.dumps(load(*map(json.loads, sys.argv[1:]))))"
Request = tuple[str, str, str]
"""Method, path, body."""


def run(bench: Bench) -> None:
    with Collection.open(bench.folder) as collection:
        clusters = [cluster.id or 0 for cluster in collection.clusters("medium")[:200]]
        random = np.random.default_rng(0)
        items = [int(item_id) for item_id in random.integers(1, bench.count + 1, 1000)]
        with serve(bench.folder) as (port, pid):
            one_client(bench, collection, port, items)
            many_clients(bench, collection, port, pid, items, clusters)
            memory(bench, port, pid, items, clusters)
    thumbnails(bench)


def one_client(bench: Bench, collection: Collection, port: int, items: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(place: int) -> None:
        connection.request("POST", "/v1/search", json.dumps({"item": items[place]}), HEADERS)
        assert connection.getresponse().read().startswith(b'{"hits"')

    ours, peer = time_in_turns(500, ask, lambda place: collection.search(item=items[place]))
    connection.close()
    goal = "the library's own + 3 ms"
    bench.add("search by item over HTTP, one client", ours * 1e3, "ms", goal, peer=peer * 1e3, limit=peer * 1e3 + 3)


def many_clients(
    bench: Bench, collection: Collection, port: int, pid: int, items: list[int], clusters: list[int]
) -> None:
    requests = mix_requests(items, clusters)
    own = library_cpu(collection, requests)
    before = cpu(pid)
    done = run_python(LOAD, str(port), json.dumps(requests), str(CLIENTS), str(max(SECONDS * bench.scale, 2)), "0")
    used = (cpu(pid) - before) / done["requests"] * 1e3
    title = f"{CLIENTS} clients, searches, clusters and items"
    bench.add(f"{title}: errors", done["errors"], "", "none", limit=0)
    bench.add(f"{title}: p99", done["p99"], "ms", "10 x p50", peer=done["p50"], limit=10 * done["p50"])
    bench.add(f"{title}: requests", done["rate"], "/s", "")
    goal = "the library's own + 1 ms"
    bench.add(f"{title}: server CPU a request", used, "ms", goal, peer=own * 1e3, limit=own * 1e3 + 1)


def memory(bench: Bench, port: int, pid: int, items: list[int], clusters: list[int]) -> None:
    requests, count = mix_requests(items, clusters), max(int(REQUESTS * bench.scale), 4000)
    run_python(LOAD, str(port), json.dumps(requests), "8", "0", str(count // 10))
    before = resident(pid)
    run_python(LOAD, str(port), json.dumps(requests), "8", "0", str(count))
    growth = resident(pid) / before - 1
    bench.add(f"memory after {count:,} requests, growth", growth * 100, "%", "5 %", limit=5)


def thumbnails(bench: Bench) -> None:
    place = bench.work / "served-pictures"
    if not place.exists():
        with Collection.open(place, create=True, embedder="tiny") as collection:
            (place / "files").mkdir()
            for number in range(PICTURES):
                pictures.noise(number, (800, 600)).save(place / "files" / f"{number}.jpg", quality=85)
            collection.add(place / "files")
    requests = [("GET", f"/v1/items/{number}/thumbnail", "") for number in range(1, PICTURES + 1)]
    with serve(place) as (port, _):
        run_python(LOAD, str(port), json.dumps(requests), "4", "0", str(PICTURES))  # makes them
        done = run_python(LOAD, str(port), json.dumps(requests), "8", str(max(10 * bench.scale, 2)), "0")
    assert not done["errors"]
    bench.add("thumbnails from the cache, 8 clients", done["rate"], "/s", "at least 500", limit=500, more=True)


def mix_requests(items: list[int], clusters: list[int]) -> list[Request]:
    """Return requests; of ten, six searches, two items, a cluster, a page of a cluster's items."""
    requests: list[Request] = []
    for place, item in enumerate(items):
        cluster = clusters[place % len(clusters)]
        match place % 10:
            case 0 | 5:
                requests.append(("GET", f"/v1/items/{item}", ""))
            case 3:
                requests.append(("GET", f"/v1/clusters/{cluster}", ""))
            case 7:
                requests.append(("GET", f"/v1/clusters/{cluster}/items?size=20", ""))
            case _:
                requests.append(("POST", "/v1/search", json.dumps({"item": item})))
    return requests


def library_cpu(collection: Collection, requests: list[Request]) -> float:
    """Return the processor seconds that the library itself takes for one of these."""
    calls: list[Callable[[], object]] = []
    for method, path, body in requests:
        number = int((re.findall(r"/(\d+)", path) or [0])[0])
        if method == "POST":
            calls.append(lambda body=body: collection.search(**json.loads(body)))  # type: ignore[misc]
        elif "?" in path:
            calls.append(lambda number=number: collection.cluster(number).items(1, 20))  # type: ignore[misc]
        elif "clusters" in path:
            calls.append(lambda number=number: collection.cluster(number))  # type: ignore[misc]
        else:
            calls.append(lambda number=number: collection.get(number))  # type: ignore[misc]
    for call in calls:
        call()
    started = time.process_time()
    for call in calls:
        call()
    return (time.process_time() - started) / len(calls)


# ---- the server


HEADERS = {"Content-Type": "application/json"}


@contextmanager
def serve(folder: Path) -> Iterator[tuple[int, int]]:
    """Start a server; yield its port and its process id."""
    command = [sys.executable, "-c", RUN, "serve", "-c", str(folder), "--port", "0"]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert server.stdout
    try:
        port = int(re.findall(r":(\d+) ", server.stdout.readline())[0])
        until_ready(port)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def until_ready(port: int) -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/readyz")
            if connection.getresponse().read():
                connection.close()
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


def cpu(pid: int) -> float:
    """Seconds of the processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


# ---- in a process of its own


def load(port: int, calls: list[Request], clients: int, seconds: float, requests: int) -> dict[str, Any]:
    """Send requests over and over, by so many clients at once, for so many seconds or so often."""
    times, errors = asyncio.run(_load(port, calls, clients, seconds, requests))
    p50, p99 = np.percentile(np.array(times) * 1e3, [50, 99])
    rate = len(times) / max(sum(times) / clients, 1e-9)
    return {"requests": len(times), "errors": errors, "p50": float(p50), "p99": float(p99), "rate": rate}


async def _load(
    port: int, calls: list[Request], clients: int, seconds: float, requests: int
) -> tuple[list[float], int]:
    times: list[float] = []
    errors = 0
    end = time.monotonic() + (seconds or 1e9)

    async def client(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = first
        while time.monotonic() < end and (not requests or len(times) < requests):
            method, path, body = calls[place % len(calls)]
            place += clients
            started = time.perf_counter()
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
            times.append(time.perf_counter() - started)
            errors += not head.startswith(b"http/1.1 200")
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return times, errors
