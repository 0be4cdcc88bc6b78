"""The command line, run by tests as a user runs it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from retrieval.cli import app as cli

RUN = (sys.executable, "-c", "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()")


class Shell:
    """Runs the command in a folder of its own, within this process."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self._monkeypatch = place, monkeypatch

    def __call__(self, *words: Any, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        out, err = io.StringIO(), io.StringIO()
        arguments = [os.fsdecode(word) if isinstance(word, bytes | os.PathLike) else str(word) for word in words]
        handlers = list(logging.getLogger("nearkin").handlers)
        with self._monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.place)
            patch.setattr(sys, "argv", ["nearkin", *arguments])
            patch.setenv("COLUMNS", "300")
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as exit_info:
                cli.main()
        logging.getLogger("nearkin").handlers[:] = handlers
        assert (exit_info.value.code or 0) == code, (words, out.getvalue(), err.getvalue())
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def json(self, *words: Any, code: int = 0) -> Any:
        result = self(*words, "--json", code=code)
        return json.loads(result.stdout)

    def run_alone(self, *words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own, where streams are real."""
        done = subprocess.run([*RUN, *map(str, words)], cwd=self.place, text=True, **options)
        assert "Traceback" not in (done.stderr or ""), done.stderr
        return done


def run(*words: object) -> Result:
    """Run the command in this folder, its exceptions as they are."""
    return CliRunner().invoke(cli.app, [str(word) for word in words])
