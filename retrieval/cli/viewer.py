"""Pages that a command writes to a file and opens in the system's browser."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.output import say, show_message, write_text

Html = Annotated[Path | None, typer.Option("--html", help="Write a page with pictures to this file.")]
Open = Annotated[bool, typer.Option("--open", help="Write a page with pictures and open it in the browser.")]


def place_page(html: Path | None, folder: Path, name: str) -> Path:
    """Return where to write a page: the file that the user names, else `name` in the collection's folder, else in a
    temporary one (which some browsers may not read)."""
    if html is not None:
        return html
    return (folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="nearkin-"))) / name


def write_page(page: str, file: Path, description: str, is_opened: bool) -> None:
    """Write a page and say so; open it in the browser if that is asked for."""
    write_text(file, page)
    say(f"wrote {description} to {file}")
    if is_opened and not _open(file):
        show_message("note: no browser could be started; open the file yourself")


def _open(file: Path) -> bool:
    import webbrowser

    try:
        return webbrowser.open(file.resolve().as_uri())
    except (webbrowser.Error, OSError):
        return False
