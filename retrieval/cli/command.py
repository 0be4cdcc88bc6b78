"""What a command of the command line consists of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Literal, NamedTuple

import typer

Panel = Literal["Pictures", "Search", "Clusters", "Duplicates", "Spaces and data", "Maintenance", "Serve"]
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
        app.command(self.name, help=text, epilog=epilog, rich_help_panel=self.panel)(self.function)
