"""Ctrl+C while the application is imported."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from retrieval.cli.start import main
main()
"""


def test_an_interrupted_import_is_a_sentence() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: interrupted before anything was done\n"


def test_it_runs_the_application() -> None:
    code = "import sys; sys.argv = ['nearkin', '--version']; from retrieval.cli.start import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("nearkin ")
