"""The commands that make pictures of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import find_items
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
Words = Annotated[
    list[str], typer.Argument(metavar="ITEM... FILE", help="Items, by id, key or path; then the file to write.")
]


def stitch(words: Words, collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Put pictures together that overlap: crops, scans, the shots of a panorama."""
    names, target = split_target(words, "stitch ITEM ITEM... FILE", 2)
    with open_collection(collection) as source:
        stitched = source.stitch(find_items(source, names))
    write_picture(stitched.image(), target)
    if as_json:
        return print_json(stitched.to_dict())
    count, size = format_count(len(stitched.items), "picture"), f"{stitched.width} x {stitched.height}"
    say(f"wrote {count} as one of {size} pixels: {target}")
    for item in stitched.apart:
        say(f"  item {item} overlaps none of them and is left out")


def align(
    a: Annotated[str, typer.Argument(metavar="A", help="The item that is laid on the other.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The item that it is laid on.")],
    collection: Folder = DEFAULT,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="similarity, affine or homography.",
            autocompletion=complete_from("similarity", "affine", "homography"),
        ),
    ] = "homography",
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write where they differ to this file; grey: nowhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell how a picture lies on another, and where they differ."""
    if picture is not None:
        split_target(["", str(picture)], "--picture FILE", 1)
    with open_collection(collection) as source:
        first, second = find_items(source, [a, b])
        aligned = source.align(first, second, model=model)
        if picture is not None:
            write_picture(aligned.difference(), picture)
    if as_json:
        return print_json(aligned.to_dict())
    say(f"both show {aligned.overlap:.1%} of the smaller one; {aligned.inliers} of {aligned.matches} points agree,")
    say(f"off by {aligned.residual:.2f} pixels on average")
    for row in aligned.matrix:
        say("  " + "".join(f"{value:>14.6f}" for value in row))
    if picture is not None:
        say(f"wrote {picture}")


def fuse(
    words: Words,
    collection: Folder = DEFAULT,
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="median, or of each part the sharpest.",
            autocompletion=complete_from("median", "sharpest"),
        ),
    ] = "median",
) -> None:
    """Make one of several pictures of a scene, without what only one of them shows, or of the sharpest parts."""
    names, target = split_target(words, "fuse ITEM ITEM... FILE", 2)
    with open_collection(collection) as source:
        write_picture(source.fuse(find_items(source, names), kind=kind), target)
    say(f"wrote {format_count(len(names), 'picture')} as one: {target}")


def denoise(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="The item, by id, key or path.")],
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    collection: Folder = DEFAULT,
) -> None:
    """Write a picture with less noise; its own file stays as it is."""
    split_target([item, str(target)], "denoise ITEM FILE", 1)
    with open_collection(collection) as source:
        (found,) = find_items(source, [item])
        write_picture(source.denoise(found), target)
    say(f"wrote {target}")


def split_target(words: list[str], use: str, least: int) -> tuple[list[str], Path]:
    """Return the items, and the file to write. Raises BadParameter for too few, a file of no format for pictures, or
    one that exists: whoever forgets to name it would lose the last of the items."""
    if len(words) <= least or Path(words[-1]).suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"use: {use}, where FILE ends with one of {', '.join(FORMATS)}")
    return words[:-1], check_new(Path(words[-1]).expanduser(), use)


def check_new(target: Path, use: str) -> Path:
    """Return the file to write. Raises BadParameter if it exists."""
    if target.exists():
        raise typer.BadParameter(f"{target} exists; use: {use}, where FILE is a new file")
    return target


def write_picture(image: Image, target: Path) -> None:
    """Write a picture, whole or not at all."""
    from indexers.files import replace_file

    kind = FORMATS[target.suffix.lower()]
    with replace_file(target) as partial:
        image.save(partial, kind, **({"quality": 95} if kind in ("JPEG", "WEBP") else {}))


COMMANDS = (
    Command(stitch, "Pictures", "nearkin stitch left.jpg right.jpg whole.jpg"),
    Command(align, "Pictures", "nearkin align before.jpg after.jpg"),
    Command(fuse, "Pictures", "nearkin fuse 17 18 19 clean.jpg"),
    Command(denoise, "Pictures", "nearkin denoise night.jpg quiet.png"),
)
