"""Collections that may only be read, and programs that may not do what their user may (in a container, root)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]


def protect(folder: Path, is_writable: bool = False) -> None:
    """Take the right to write from a folder and all below it, or give it back."""
    for directory, _, names in os.walk(folder, topdown=False):
        for name in names:
            (Path(directory) / name).chmod(0o644 if is_writable else 0o444)
        Path(directory).chmod(0o755 if is_writable else 0o555)


def run_without_rights(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process that permissions hold for."""
    is_root = os.name == "posix" and os.getuid() == 0
    if is_root and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv")
    command = [*(UNPRIVILEGED if is_root else []), sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
