"""The command line: its commands, its entry point, and errors as sentences with exit codes.

Exit codes: 0 done, 1 the work failed or is incomplete, 2 wrong usage.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import tempfile
import traceback
from typing import Annotated, NoReturn

import typer

from retrieval.cli import (
    clusterings,
    clusters,
    corrections,
    duplicates,
    evaluate,
    items,
    learning,
    maintenance,
    map,
    mcp,
    parts,
    proposals,
    reading,
    search,
    serve,
    spaces,
    stacks,
    structure,
    together,
    transfer,
    trash,
    work,
)
from retrieval.cli.output import Notes, say, show_message

COMMANDS = (
    *items.COMMANDS,
    *trash.COMMANDS,
    *reading.COMMANDS,
    *parts.COMMANDS,
    *work.COMMANDS,
    *search.COMMANDS,
    *structure.COMMANDS,
    *map.COMMANDS,
    *clusters.COMMANDS,
    *corrections.COMMANDS,
    *learning.COMMANDS,
    *together.COMMANDS,
    *clusterings.COMMANDS,
    *evaluate.COMMANDS,
    *duplicates.COMMANDS,
    *stacks.COMMANDS,
    *spaces.COMMANDS,
    *transfer.COMMANDS,
    *maintenance.COMMANDS,
    *proposals.COMMANDS,
    *serve.COMMANDS,
    *mcp.COMMANDS,
)
"""All commands, in the order of the help."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Start with: nearkin add ~/Pictures, then nearkin search photo.jpg. "
    "Each command has an example: nearkin COMMAND --help.",
)


def show_version(is_asked: bool) -> None:
    """Print the version and exit, if the option was given."""
    if is_asked:
        from retrieval import __version__

        say(f"nearkin {__version__}")
        raise typer.Exit


@app.callback()
def describe_app(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find similar pictures, clusters of pictures, and duplicates."""


for command in COMMANDS:
    command.register(app)

# ---- running


def main() -> NoReturn:
    """Run the command line and exit."""
    from indexers.errors import NearkinError, UsageError

    logging.getLogger("nearkin").addHandler(Notes())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold letters that the terminal cannot show
    try:
        code = app(standalone_mode=False)
        code = code or (2 if len(sys.argv) < 2 else 0)  # click before 8.2 ends with 0 where it was given nothing
        print(end="", flush=True)  # while a failure can still be reported
    except typer.Abort:
        code = fail("interrupted", 1)
    except KeyboardInterrupt:
        code = fail("interrupted; finished work is kept, run the same command again to continue", 1)
    except UsageError as error:
        code = fail(str(error), 2)
    except NearkinError as error:
        code = fail(str(error), 1)
    except SystemExit as error:  # raised by the parser itself
        code = 0 if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        mute_output()
        code = 0
    except OSError as error:  # of the output: errors of files are translated where they happen
        mute_output()
        code = fail(f"cannot write the output: {error.strerror or error}", 1)
    except Exception as error:
        code = show_error(error)
    sys.exit(code)


def mute_output() -> None:
    """Discard whatever is still written to standard output, also by Python at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_error(error: Exception) -> int:
    """Print an error of the argument parser; any other is a bug: print a sentence and save the traceback to a file."""
    show = getattr(error, "show", None)
    if getattr(error, "option_name", None) and re.fullmatch("-[^-]", str(getattr(error, "option_name", ""))):
        error.message += "; names that begin with - go after --"  # type: ignore[attr-defined]
    if show is None:
        with tempfile.NamedTemporaryFile(
            "w", prefix="nearkin-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            traceback.print_exception(error, file=file)
        return fail(f"internal error ({type(error).__name__}: {error}); please report it with {file.name}", 1)
    show()
    return int(getattr(error, "exit_code", 2))


def fail(message: str, code: int) -> int:
    """Print an error message. Return the exit code."""
    show_message(f"error: {message}")
    return code
