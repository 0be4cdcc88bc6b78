"""Moving copies out of the way: planned first, noted in a manifest before anything moves, and undone by it.

Nothing is deleted. The last copy of a picture is never touched: of every group one file stays where it is, and it is
looked at again before another one moves.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from indexers.errors import UsageError, WriteFailed
from indexers.pictures.images import hash_content, read_file, to_path
from indexers.pictures.remote import is_remote
from retrieval.records.duplicates import DuplicateGroup, Move
from retrieval.records.items import Item

FORMAT = 1


def plan(groups: Iterable[DuplicateGroup], items: Mapping[int, Item], folder: Path) -> list[Move]:
    """What would be moved into the folder, and what is left alone. Nothing is touched."""
    moves: list[Move] = []
    taken: set[Path] = set()
    for group in groups:
        places = {one: [uri for uri in items[one].uris if not is_remote(uri)] for one in group.items}
        kept = next((uri for uri in places[group.keep] if _as_added(uri, items[group.keep])), None)
        for one in group.items:
            for uri in places[one]:
                if uri != kept:
                    moves.append(_move(uri, items[one], kept, folder, taken))
    return moves


def _move(uri: str, item: Item, kept: str | None, folder: Path, taken: set[Path]) -> Move:
    source = Path(to_path(uri))
    target = _free(folder / source.name, taken)
    if kept is None:
        left = "the picture to keep is not there, or has changed"
    elif source.is_symlink():
        left = "a link, which is no copy"
    elif not source.is_file():
        left = "it is not there"
    elif os.path.samefile(source, to_path(kept)):
        left = "a link to the file that is kept"
    elif not _as_added(uri, item):
        left = "it has changed since it was added"
    else:
        taken.add(target)
        left = ""
    return Move(str(source), str(target), to_path(kept) if kept else "", left=left)


def _as_added(uri: str, item: Item) -> bool:
    """The file still holds the bytes that the collection knows."""
    try:
        return item.hash is not None and hash_content(read_file(to_path(uri))).hex() == item.hash
    except Exception:  # whatever is the matter with it: it is not as it was
        return False


def _free(path: Path, taken: set[Path]) -> Path:
    number, place = 1, path
    while place in taken or place.exists():
        number, place = number + 1, path.with_stem(f"{path.stem} ({number + 1})")
    return place


def carry_out(moves: Iterable[Move], manifest: Path) -> list[Move]:
    """Move the files. Each move is in the manifest, on disk, before it happens. Raises WriteFailed."""
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        file = manifest.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise UsageError(f"the manifest {manifest} is there already; give another folder, or undo it first") from error
    except OSError as error:
        raise WriteFailed(f"{manifest} can't be written: {error.strerror or error}") from error
    with file:
        try:
            _note(file, {"nearkin manifest": FORMAT})
            return [_carried(move, file) for move in moves]
        except OSError as error:
            raise WriteFailed(
                f"a file can't be moved: {error}. What was moved so far is in {manifest}; "
                f"nearkin duplicates --undo {manifest} brings it back"
            ) from error


def _carried(move: Move, manifest: TextIO) -> Move:
    if move.left:
        return move
    if not os.path.isfile(move.kept):
        return replace(move, left="the picture to keep has vanished")
    _note(manifest, {"from": move.source, "to": move.target, "kept": move.kept})
    _shift(move.source, move.target)
    return replace(move, done=True)


def undo(manifest: Path) -> list[Move]:
    """Bring back what a manifest says, wherever it was interrupted. A place that is taken again is left alone."""
    lines = _lines(manifest)
    done = []
    for line in reversed(lines):
        source, target = Path(line["from"]), Path(line["to"])
        if source.exists():
            left = "" if not target.exists() else "there is a file in its old place again"
            done.append(Move(str(target), str(source), line["kept"], left=left or "it was not moved"))
        elif not target.exists():
            done.append(Move(str(target), str(source), line["kept"], left="it is no longer there"))
        else:
            try:
                source.parent.mkdir(parents=True, exist_ok=True)
                _shift(str(target), str(source))
            except OSError as error:
                raise WriteFailed(f"{target} can't be brought back to {source}: {error}") from error
            done.append(Move(str(target), str(source), line["kept"], True))
    return done


def _lines(manifest: Path) -> list[dict[str, str]]:
    try:
        parts = manifest.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in parts if line.endswith("}")]  # the last one may have been cut
    except (OSError, ValueError) as error:
        raise UsageError(f"the manifest {manifest} can't be read: {error}") from error
    if not found or found[0].get("nearkin manifest") != FORMAT:
        raise UsageError(f"{manifest} is no manifest of moved copies")
    return found[1:]


def _note(file: TextIO, line: Mapping[str, object]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _shift(source: str, target: str) -> None:
    """Rename, or copy to another disk and remove only what was copied whole. Never over another file."""
    try:
        os.link(source, target)
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(f"there is a file in the place {target}") from None
        shutil.copy2(source, target)
        if hash_content(read_file(source)) != hash_content(read_file(target)):
            os.unlink(target)
            raise OSError(f"the copy of {source} is not whole") from None
    os.unlink(source)
