"""Hostile requests to a real server: huge, deep, malformed and forbidden ones, beside slow uploads and open streams.

Half of them go to a server without tokens, half to one with tokens that a proxy shows below a prefix. Beyond the
folders that a server may read lies a secret: no answer may hold it, and nothing may change there.
"""

from __future__ import annotations

import random
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from retrieval import Collection
from tests.bench.faults_attacks import MALFORMED, Arsenal, Attack
from tests.support import pictures
from tests.support.serving import READ, WRITE, ServerProcess, paint_folder

CLIENTS = 32
PREFIX = "/pictures"
SECRET = b"what lies beyond the allowed folders"
MAX_MEGABYTES = 1000
"""What the server's process may hold; its decoders are limited by themselves."""
PATIENCE = 120.0
"""Seconds until an answer counts as missing."""
END_SECONDS = 90.0
"""Time in which a server has to end that is asked to: as much as systemd gives."""
ALLOWED_FAULTS = (503, 504)
"""Statuses above 499 that are no faults of the server: it is busy, and says so."""


@dataclass
class Requests:
    """What came of them. `statuses`: how often each request had each status. `megabytes`: the highest memory of a
    server's process. `slowest`: the longest answer to a harmless request beside them, in seconds."""

    tried: int = 0
    problems: list[str] = field(default_factory=list)
    statuses: dict[str, Counter[int | str]] = field(default_factory=dict)
    megabytes: float = 0.0
    slowest: float = 0.0


# ---- the siege


class Siege:
    """A server, and those who attack it until `count` requests are answered."""

    def __init__(self, server: ServerProcess, attacks: list[Attack], count: int, outcome: Requests) -> None:
        self.server, self.attacks, self.outcome = server, attacks, outcome
        self._left, self._lock, self._over = count, threading.Lock(), threading.Event()

    def run(self, clients: int, reading: dict[str, str]) -> None:
        """Attack by so many clients at once, beside slow uploads, streams, malformed requests and a patient visitor."""
        url = urlsplit(self.server.url)
        lines = [f"Host: {url.netloc}", *(f"{name}: {value}" for name, value in reading.items())]
        stream = "\r\n".join([f"GET {url.path}/v1/changes HTTP/1.1", *lines, "", ""]).encode()
        kind = "Content-Type: multipart/form-data; boundary=x"
        slow = [f"POST {url.path}/v1/uploads HTTP/1.1", *lines, kind, "Content-Length: 60000000", "", "x" * 200_000]
        helpers = (
            partial(self._hold, "\r\n".join(slow).encode(), 4 * clients),
            partial(self._hold, stream, 6 * clients),
            self._send_malformed,
            self._visit,
        )
        with ThreadPoolExecutor(clients + len(helpers)) as pool:
            beside = [pool.submit(helper) for helper in helpers]
            workers = [pool.submit(self._attack, random.Random(number)) for number in range(clients)]
            try:
                for worker in workers:
                    worker.result()
            finally:
                self._over.set()
            for helper_done in beside:
                helper_done.result()

    def _attack(self, draw: random.Random) -> None:
        with httpx.Client(base_url=self.server.url, timeout=PATIENCE) as client:
            while True:
                for attack in draw.sample(self.attacks, len(self.attacks)):
                    with self._lock:
                        if self._left <= 0:
                            return
                        self._left -= 1
                    self._judge(attack, client)

    def _judge(self, attack: Attack, client: httpx.Client) -> None:
        status: int | str
        problem = ""
        try:
            answer = client.request(attack.method, attack.path, **attack.options)
            status = answer.status_code
            if SECRET in answer.content:
                problem = "the answer holds the secret"
            elif attack.expected and status not in (*attack.expected, *ALLOWED_FAULTS):
                problem = f"answered with {status}: {answer.text[:300]}"
            elif status >= 500 and status not in ALLOWED_FAULTS:
                problem = f"a fault of the server, {status}: {answer.text[:300]}"
        except httpx.TransportError as error:
            status = type(error).__name__
            problem = f"no answer, {error!r}"
        with self._lock:
            self.outcome.tried += 1
            self.outcome.statuses.setdefault(attack.name, Counter())[status] += 1
            self.outcome.problems += [f"{attack.name}: {problem}"] if problem else []

    def _hold(self, start: bytes, count: int) -> None:
        """Begin requests that never end, and hold them; begin again when the server may have closed them."""
        url = urlsplit(self.server.url)
        while not self._over.is_set():
            with ExitStack() as connections:
                for _ in range(count):
                    try:
                        connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
                        connections.enter_context(connection)
                        connection.sendall(start)
                    except OSError:  # refused, which is right
                        break
                self._over.wait(20)

    def _send_malformed(self) -> None:
        url = urlsplit(self.server.url)
        while not self._over.is_set():
            for request in MALFORMED:
                answer = b""
                try:
                    with socket.create_connection((url.hostname or "", url.port or 0), timeout=3) as connection:
                        connection.sendall(request)
                        answer = connection.recv(65_536)
                except OSError:  # it was closed, or is left to wait for the rest: both are right
                    pass
                found = re.match(rb"HTTP/1\.1 (\d+)", answer)
                if SECRET in answer or (found and found[1] == b"500"):
                    self.outcome.problems.append(f"{request[:60]!r}: {answer[:300]!r}")
                if self._over.wait(0.2):
                    return

    def _visit(self) -> None:
        with httpx.Client(base_url=self.server.url, timeout=PATIENCE) as client:
            while not self._over.is_set():
                started = time.monotonic()
                try:
                    client.get("/healthz")
                except httpx.TransportError as error:
                    self.outcome.problems.append(f"the visitor got no answer, {error!r}")
                self.outcome.slowest = max(self.outcome.slowest, time.monotonic() - started)
                self._over.wait(1)


def attack_server(
    folder: Path, outcome: Requests, count: int, *, has_tokens: bool, clients: int = CLIENTS, edge: int = 7000
) -> None:
    """Attack a server of a new collection, and judge it, what it has kept, and what lies beyond it."""
    arsenal = Arsenal(has_tokens, edge, _fill(folder, edge), folder)
    before = _read_beyond(folder)
    tokens = {"NEARKIN_READ_TOKEN": READ, "NEARKIN_WRITE_TOKEN": WRITE} if has_tokens else {}
    options = ["--allow", folder / "allowed", *(["--root-path", PREFIX] if has_tokens else [])]
    with ServerProcess(folder / "collection", *options, **tokens) as server:
        Siege(server, arsenal.list_attacks(), count, outcome).run(clients, arsenal.reading)
        counted = httpx.get(f"{server.url}/v1/count", headers=arsenal.reading, timeout=PATIENCE)
        if counted.status_code != 200:
            outcome.problems.append(f"afterwards the server answers with {counted.status_code}: {counted.text}")
        megabytes = _read_peak(server.process.pid)
        outcome.megabytes = max(outcome.megabytes, megabytes)
        if megabytes > MAX_MEGABYTES:
            outcome.problems.append(f"the server's process took {megabytes:.0f} MB")
        outcome.problems += _end(server)
        outcome.problems += ["the server logged a fault: " + server.log[-1500:]] * ("an error in the" in server.log)
    if _read_beyond(folder) != before:
        outcome.problems.append("something beyond the allowed folders has changed")
    outcome.problems += _check_kept(folder, len(arsenal.ids))


def _end(server: ServerProcess) -> list[str]:
    """End the server as a service manager does, with its patience; return what is wrong with its end."""
    server.process.terminate()
    try:
        server.process.wait(END_SECONDS)
        problems = []
    except subprocess.TimeoutExpired:
        server.process.kill()
        problems = [f"the server did not end within {END_SECONDS:.0f} s"]
    server.end()  # closes what this process holds of it
    return problems


def _fill(folder: Path, edge: int) -> list[int]:
    """Make a collection, a folder that may be read with links that lead out of it, and the secret; return the ids."""
    allowed, beyond = folder / "allowed", paint_folder(folder / "beyond", 1)
    allowed.mkdir()
    for number in range(min(120, edge // 50)):
        pictures.noise(number, (80, 60)).save(allowed / f"{number}.png")
    pictures.gradient((edge, edge)).save(allowed / "large.png", compress_level=1)
    pictures.noise(999, (edge // 3, edge // 3)).save(allowed / "noisy.png", compress_level=1)
    (beyond / "secret.txt").write_bytes(SECRET)
    with Collection.open(folder / "collection", create=True, embedder="tiny") as collection:
        collection.add(allowed, metadata={"a": 1, "t": "hello"})
        ids = sorted(item.id for item in collection.walk())
    (allowed / "linked").symlink_to(beyond)
    (allowed / "link.png").symlink_to(beyond / "00000.png")
    return ids


def _read_beyond(folder: Path) -> dict[str, bytes]:
    known = {folder / "allowed", folder / "collection"}
    places = [folder, *(folder / "beyond").rglob("*"), *(folder / "allowed").iterdir()]
    return {str(place): place.read_bytes() if place.is_file() else b"" for place in places if place not in known}


def _check_kept(folder: Path, count: int) -> list[str]:
    """Return what is wrong with what the collection holds: fewer items than before, or one from beyond."""
    with Collection.open(folder / "collection", embedder="tiny") as collection:
        problems = list(collection.verify().problems)
        problems += [] if collection.count() >= count else [f"only {collection.count()} items are left"]
        outside = str(folder / "beyond")
        for item in collection.walk():
            problems += [f"{uri} was added" for uri in item.uris if outside in str(Path(uri).resolve())]
    return problems


def _read_peak(pid: int) -> float:
    """Return the most memory that a process has held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def run(count: int, folder: Path, report: Callable[[str], object] = print) -> Requests:
    """Send so many requests, half of them to a server with tokens below a prefix."""
    outcome = Requests()
    for has_tokens in (False, True):
        place = folder / ("tokens" if has_tokens else "open")
        place.mkdir(parents=True)
        attack_server(place, outcome, count // 2, has_tokens=has_tokens)
        report(
            f"{outcome.tried} hostile requests, {outcome.megabytes:.0f} MB, slowest visit {outcome.slowest:.1f} s, "
            f"{len(outcome.problems)} problems"
        )
    return outcome
