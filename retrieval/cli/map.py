"""The command that draws the map of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say, show_steps
from retrieval.cli.viewer import Html, Open, place_page, write_page
from retrieval.pages.page import format_count


def draw_map(
    collection: Folder = DEFAULT,
    html: Html = None,
    is_opened: Open = False,
    png: Annotated[Path | None, typer.Option("--png", help="Write the map as a picture to this file.")] = None,
    edge: Annotated[int, typer.Option(min=200, max=8000, help="Pixels of the picture's width and height.")] = 1600,
    is_rebuilt: Annotated[
        bool, typer.Option("--rebuild", help="Lay all pictures out anew, turned to lie as before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a map: every picture lies near to what it is like, and stays where it is as others come and go."""
    with open_collection(collection) as source, show_steps() as progress:
        drawn = source.map(rebuild=is_rebuilt, progress=progress)
        if png is not None:
            from indexers.files import write_file
            from retrieval.pages.map import render_png

            write_file(png, render_png(drawn, edge))
        if html is not None or is_opened:
            from retrieval.pages.map import render_page

            title = f"Map of {format_count(len(drawn.items), 'picture')}"
            page = render_page(drawn, title, source._parts.pictures.make_thumbnail)
            target = place_page(html, source.path, "map.html")
            write_page(page, target, f"a map of {format_count(len(drawn.items), 'picture')}", is_opened)
    if as_json:
        return print_json(drawn.to_dict())
    if png is not None:
        say(f"wrote the map to {png}")
    levels = ", ".join(
        f"{sum(territory.level == level for territory in drawn.territories)} {level}"
        for level in ("coarse", "medium", "fine")
    )
    say(f"{format_count(len(drawn.items), 'picture')} on the map, in {levels} clusters, as of change {drawn.as_of}")


COMMANDS = (Command(draw_map, "Search", "nearkin map --html map.html", name="map"),)
