"""What a command of the command line consists of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_type_hints

import typer

Panel = Literal["Pictures", "Search", "Clusters", "Learning", "Duplicates", "Spaces and data", "Maintenance", "Serve"]
"""A heading in the list of commands."""


class Command(NamedTuple):
    """A command: the function that runs it, its panel in the help, and an example of its use.

    `name`: None for the function's own name.
    """

    function: Callable[..., None]
    panel: Panel
    example: str
    name: str | None = None

    def register(self, app: typer.Typer) -> None:
        """Add the command to `app`. Its help is the function's docstring, with the example at the end."""
        # a paragraph as one line: Typer would keep the line ends of the source
        paragraphs = inspect.cleandoc(self.function.__doc__ or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        epilog = f"Example: {self.example}"
        check_paths(self.function)
        app.command(self.name, help=text, epilog=epilog, rich_help_panel=self.panel)(self.function)


def check_paths(function: Callable[..., None]) -> None:
    """Let every argument and option of a command that takes a path refuse an empty one."""
    function.__annotations__ = get_type_hints(function, include_extras=True)  # evaluated once, for Typer too
    for hint in function.__annotations__.values():
        if hasattr(hint, "__metadata__") and Path in _list_types(hint.__origin__):
            hint.__metadata__[0].parser = path


def path(text: str) -> Path:
    """Return a path. Raises BadParameter for an empty text, such as that of a variable that is not set: Path takes it
    for the current folder. (Help shows the name of this function as that of the type.)"""
    if not text:
        raise typer.BadParameter("an empty path; give the current folder as '.'")
    return Path(text)


def _list_types(hint: object) -> set[object]:
    return {hint}.union(*map(_list_types, get_args(hint)))
