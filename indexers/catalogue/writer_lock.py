"""Who may write, and who may look: a lock between processes that names its holder, and one between threads."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexers.errors import WriteFailed, WriterBusy


class WriterLock:
    """At most one writer at a time over all processes and threads. The system frees it when its holder dies."""

    def __init__(self, folder: Path, wait: float) -> None:
        self._lock = FileLock(folder / "writer.lock", poll_interval=0.005)
        self._holder = folder / "writer.json"
        self.wait = wait

    @contextmanager
    def held(self, wait: float | None = None) -> Iterator[None]:
        """Hold it. Raises WriterBusy, which names the holder, when it is not free within `wait` seconds."""
        try:
            self._lock.acquire(timeout=self.wait if wait is None else wait)
        except Timeout as error:
            raise WriterBusy(f"another writer is at work: {self.holder()}; try again when it is done") from error
        except OSError as error:
            raise WriteFailed(
                f"{self._lock.lock_file} can't be opened ({error.strerror}); mend its permissions"
            ) from error
        try:
            self._sign()
            yield
        finally:
            self._lock.release()

    def _sign(self) -> None:
        since = datetime.now().isoformat(sep=" ", timespec="seconds")
        signature = {"pid": os.getpid(), "command": " ".join(sys.argv)[:200], "since": since}
        try:
            self._holder.write_text(json.dumps(signature))
        except OSError:  # a full disk must not hide the real error, which the write itself will meet
            return

    def holder(self) -> str:
        """Who holds it, or held it last."""
        try:
            found = json.loads(self._holder.read_text())
            return f"process {found['pid']} ({found['command']}), since {found['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "an unknown process"
