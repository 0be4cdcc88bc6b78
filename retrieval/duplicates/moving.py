"""Moving duplicates out of the way: planned first, written to a manifest before anything moves, and undone by it.

Nothing is deleted. The last file of a picture is never touched: of every group one file stays where it is, and it is
checked again before another one moves.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TextIO

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import UsageError, WriteFailed
from indexers.pictures.images import hash_content, read_file, to_path
from indexers.pictures.remote import is_remote
from indexers.pictures.scan import find_pictures, to_uri
from indexers.types import FoundFile
from retrieval.items.items import Items
from retrieval.records.duplicates import DuplicateGroup, Move
from retrieval.records.items import Item

FORMAT = 1
MANIFEST = "manifest.jsonl"


class DuplicateMover:
    """Moves the files of duplicates, and tells the catalogue. `Collection` documents the methods."""

    def __init__(self, catalogue: Catalogue, items: Items) -> None:
        self._catalogue, self._items = catalogue, items

    def move(self, groups: Iterable[DuplicateGroup], folder: str | PathLike[str], *, dry_run: bool) -> tuple[Move, ...]:
        """Move all files of the groups but the kept ones into a folder. Raises UsageError, WriteFailed."""
        groups, target = tuple(groups), Path(folder).expanduser().resolve()
        item_ids = sorted({item_id for group in groups for item_id in group.items})
        moves = plan(groups, {item.id: item for item in self._items.read(item_ids)}, target)
        if dry_run:
            return tuple(moves)
        moves = carry_out(moves, target / MANIFEST)
        with self._catalogue.transaction() as transaction:
            transaction.mark_missing([to_uri(move.source) for move in moves if move.done])
        return tuple(moves)

    def undo(self, manifest: str | PathLike[str]) -> tuple[Move, ...]:
        """Bring back the files that a manifest names. Raises UsageError, WriteFailed."""
        moves = undo(Path(manifest).expanduser())
        files = [
            file for move in moves if move.done for file in find_pictures(move.target) if isinstance(file, FoundFile)
        ]
        with self._catalogue.transaction() as transaction:
            transaction.mark_present(files)
        return tuple(moves)


def plan(groups: Iterable[DuplicateGroup], items: Mapping[int, Item], folder: Path) -> list[Move]:
    """Return what would be moved into the folder, and what is left alone and why. Nothing is touched."""
    moves: list[Move] = []
    reserved: set[Path] = set()
    for group in groups:
        places = {item_id: [uri for uri in items[item_id].uris if not is_remote(uri)] for item_id in group.items}
        kept = next((uri for uri in places[group.keep] if _is_unchanged(uri, items[group.keep])), None)
        for item_id in group.items:
            for uri in places[item_id]:
                if uri != kept:
                    moves.append(_plan_move(uri, items[item_id], kept, folder, reserved))
    return moves


def _plan_move(uri: str, item: Item, kept: str | None, folder: Path, reserved: set[Path]) -> Move:
    source = Path(to_path(uri))
    target = _find_free_path(folder / source.name, reserved)
    if kept is None:
        left = "the picture to keep is missing, or has changed"
    elif source.is_symlink():
        left = "a link, which is not a copy"
    elif not source.is_file():
        left = "the file is missing"
    elif os.path.samefile(source, to_path(kept)):
        left = "a link to the file that is kept"
    elif not _is_unchanged(uri, item):
        left = "the file has changed since it was added"
    else:
        reserved.add(target)
        left = ""
    return Move(str(source), str(target), to_path(kept) if kept else "", left=left)


def _is_unchanged(uri: str, item: Item) -> bool:
    """Return True if the file still holds the bytes that the collection knows."""
    try:
        return item.hash is not None and hash_content(read_file(to_path(uri))).hex() == item.hash
    except Exception:  # whatever is the matter with it: it is not as it was
        return False


def _find_free_path(path: Path, reserved: set[Path]) -> Path:
    number, free = 1, path
    while free in reserved or free.exists():
        number, free = number + 1, path.with_stem(f"{path.stem} ({number + 1})")
    return free


def carry_out(moves: Iterable[Move], manifest: Path) -> list[Move]:
    """Move the files. Each move is in the manifest, on disk, before it happens. Raises UsageError, WriteFailed."""
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        file = manifest.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise UsageError(f"the manifest {manifest} exists already; give another folder, or undo it first") from error
    except OSError as error:
        raise WriteFailed(f"cannot write {manifest}: {error.strerror or error}") from error
    with file:
        try:
            _append(file, {"nearkin manifest": FORMAT})
            return [_carry_out_move(move, file) for move in moves]
        except OSError as error:
            raise WriteFailed(
                f"cannot move a file: {error}. What was moved so far is in {manifest}; "
                f"nearkin duplicates --undo {manifest} brings it back"
            ) from error


def _carry_out_move(move: Move, manifest: TextIO) -> Move:
    if move.left:
        return move
    if not os.path.isfile(move.kept):
        return replace(move, left="the picture to keep has vanished")
    _append(manifest, {"from": move.source, "to": move.target, "kept": move.kept})
    _shift(move.source, move.target)
    return replace(move, done=True)


def undo(manifest: Path) -> list[Move]:
    """Bring back what a manifest names, wherever the moves were interrupted. An occupied place is left alone."""
    moves = []
    for line in reversed(_read_lines(manifest)):
        source, target = Path(line["from"]), Path(line["to"])
        if source.exists():
            left = "" if not target.exists() else "its old place is occupied by another file"
            moves.append(Move(str(target), str(source), line["kept"], left=left or "it was not moved"))
        elif not target.exists():
            moves.append(Move(str(target), str(source), line["kept"], left="the moved file no longer exists"))
        else:
            try:
                source.parent.mkdir(parents=True, exist_ok=True)
                _shift(str(target), str(source))
            except OSError as error:
                raise WriteFailed(f"cannot bring {target} back to {source}: {error}") from error
            moves.append(Move(str(target), str(source), line["kept"], True))
    return moves


def _read_lines(manifest: Path) -> list[dict[str, str]]:
    try:
        text = manifest.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]  # the last may have been cut
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the manifest {manifest}: {error}") from error
    if not lines or lines[0].get("nearkin manifest") != FORMAT:
        raise UsageError(f"{manifest} is not a manifest of moved duplicates")
    return lines[1:]


def _append(file: TextIO, line: Mapping[str, object]) -> None:
    """Write a line and wait until it is on disk."""
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _shift(source: str, target: str) -> None:
    """Rename, or copy to another disk and remove only what was copied whole. Never overwrite a file."""
    try:
        os.link(source, target)
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(f"{target} exists already") from None
        shutil.copy2(source, target)
        if hash_content(read_file(source)) != hash_content(read_file(target)):
            os.unlink(target)
            raise OSError(f"the copy of {source} is not whole") from None
    os.unlink(source)
