"""The command line: one call into the library for each command, its errors as sentences and exit codes.

0 done, 1 the work failed or is incomplete, 2 wrong usage.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import traceback
from typing import Annotated, NoReturn

import typer

from retrieval.cli import (
    clusterings,
    clusters,
    duplicates,
    evaluate,
    items,
    maintenance,
    search,
    serve,
    spaces,
    transfer,
)
from retrieval.cli.output import Notes, say

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    if wanted:
        from retrieval import __version__

        say(f"nearkin {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Similar pictures, families of pictures, copies: an index that you can ask."""


for room in (items, search, clusters, clusterings, evaluate, duplicates, spaces, transfer, maintenance, serve):
    room.register(app)

# ---- running


def main() -> NoReturn:
    """The entry point."""
    from indexers.errors import NearkinError, UsageError

    logging.getLogger("nearkin").addHandler(Notes())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold letters that the terminal hasn't
    try:
        code = app(standalone_mode=False)
        print(end="", flush=True)  # while it can still be told that this fails
    except typer.Abort:
        code = fail("interrupted", 1)
    except KeyboardInterrupt:
        code = fail("interrupted; what was finished is kept, run the same again to go on", 1)
    except UsageError as error:
        code = fail(str(error), 2)
    except NearkinError as error:
        code = fail(str(error), 1)
    except SystemExit as ended:  # the parser's own way with the same
        code = 0 if isinstance(ended.__context__, BrokenPipeError) else int(ended.code or 0)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        hush()
        code = 0
    except OSError as error:  # of the output: what happens to files is translated where it happens
        hush()
        code = fail(f"the output can't be written: {error.strerror or error}", 1)
    except Exception as error:
        code = usage(error)
    sys.exit(code)


def hush() -> None:
    """Nothing more is written to the output, not even when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def usage(error: Exception) -> int:
    """Errors of the argument parser; anything else is a fault of ours: a sentence, and a file."""
    show = getattr(error, "show", None)
    if show is None:
        with tempfile.NamedTemporaryFile("w", prefix="nearkin-", suffix=".log", delete=False) as file:
            traceback.print_exception(error, file=file)
        return fail(f"a fault of nearkin's own ({type(error).__name__}: {error}); please report it with {file.name}", 1)
    show()
    return int(getattr(error, "exit_code", 2))


def fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
