"""A server's process gives memory back that it no longer needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json
import threading
from pathlib import Path

from retrieval.server.memory import return_freed_memory

def read_megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

assert return_freed_memory()
before, barrier = read_megabytes(), threading.Barrier(8)

def work():
    barrier.wait()
    for size in (20, 12, 4):  # the first makes glibc keep what is smaller
        blocks = [bytes(size << 20) for _ in range(2)]
        for block in blocks:
            memoryview(bytearray(block)).release()
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(read_megabytes() - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc keeps so much, and can be told not to")
def test_large_blocks_go_back_to_the_system() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) < 20
