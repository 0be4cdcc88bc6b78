"""Moving duplicates out of the way: planned first, written to a manifest before anything moves, and undone by it.

What the kept pictures take over from those that move is written, all of it at once, when the manifest is there and
before the first file moves: from whatever moment a run is killed at, the manifest undoes both. Nothing is deleted. The
last file of a picture is never touched: of every group one file stays where it is, and it is checked again before
another one moves.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import UsageError, WriteFailed
from indexers.files import make_folder, sync
from indexers.pictures.addresses import is_remote
from indexers.pictures.images import hash_content, read_file, to_path
from indexers.pictures.scan import find_pictures, to_uri
from indexers.types import FoundFile
from retrieval.duplicates.decisions import merge_group, plan_merges
from retrieval.duplicates.merging import Rules, check_chosen, check_rules
from retrieval.duplicates.sidecars import plan_sidecars
from retrieval.items.items import Items
from retrieval.records.duplicates import DuplicateGroup, Move
from retrieval.records.items import Item

FORMAT, MERGED_FORMAT = 1, 2
"""Of a manifest of moves alone, and of one that names merges too."""
MANIFEST = "manifest.jsonl"
PART = ".nearkin-move.part"
"""The name under which a file is copied, until the copy is known to be whole."""
NAME_LIMIT = 255
"""Bytes of a name where the operating system doesn't tell."""


class DuplicateMover:
    """Moves the files of duplicates, and tells the catalogue. `Collection` documents the methods."""

    def __init__(self, catalogue: Catalogue, items: Items) -> None:
        self._catalogue, self._items = catalogue, items

    def move(
        self,
        groups: Iterable[DuplicateGroup],
        folder: str | PathLike[str],
        *,
        dry_run: bool,
        merge: bool | Rules = False,
    ) -> tuple[Move, ...]:
        """Move all files of the groups but the kept ones into a folder. Raises UsageError, WriteFailed.

        merge: let each kept item take over what the others say, of which a file moves.
        """
        groups, target = tuple(groups), Path(folder).expanduser().resolve()
        item_ids = sorted({item_id for group in groups for item_id in group.items})
        items = {item.id: item for item in self._items.read(item_ids)}
        reserved = {MANIFEST}
        planned = [(group, plan([group], items, target, reserved)) for group in groups]
        moves = [move for _, moving in planned for move in moving]
        moves = plan_sidecars(moves, _find_name_limit(target))
        check_room(moves, target)
        if merge is False:
            return tuple(moves) if dry_run else self._carry_out(moves, target)
        rules = check_rules(merge)
        merged = [group for group, moving in planned if len(group.items) > 1 and any(not move.left for move in moving)]
        with self._catalogue.snapshot() as snapshot:
            plans = plan_merges(snapshot, groups, rules)
        if dry_run:
            return tuple(moves)
        kept = {group.keep for group in merged}
        check_chosen(plan for plan in plans if plan.keep in kept)
        batch = uuid.uuid4().hex

        def merge_groups() -> None:
            with self._catalogue.transaction() as transaction:
                for group in merged:
                    merge_group(transaction, group, rules, batch)

        return self._carry_out(moves, target, batch, merge_groups)

    def _carry_out(self, moves: Iterable[Move], target: Path, *merging: Any) -> tuple[Move, ...]:
        done = carry_out(moves, target / MANIFEST, *merging)
        with self._catalogue.transaction() as transaction:
            transaction.mark_missing([to_uri(move.source) for move in done if move.done])
        return tuple(done)

    def undo(self, manifest: str | PathLike[str]) -> tuple[Move, ...]:
        """Bring back the files that a manifest names, and what was merged. Raises UsageError, WriteFailed."""
        path = Path(manifest).expanduser()
        batch = read_batch(path)
        if batch is not None:  # refused before any file comes back
            with self._catalogue.transaction() as transaction:
                transaction.merges.of_moves(batch)
        moves = undo(path)
        files = [
            file for move in moves if move.done for file in find_pictures(move.target) if isinstance(file, FoundFile)
        ]
        with self._catalogue.transaction() as transaction:
            transaction.mark_present(files)
            for decision_id in [] if batch is None else transaction.merges.of_moves(batch):
                transaction.merges.undo(decision_id)
        return tuple(moves)


def plan(groups: Iterable[DuplicateGroup], items: Mapping[int, Item], folder: Path, reserved: set[str]) -> list[Move]:
    """Return what would be moved into the folder, and what is left alone and why. Nothing is touched.

    reserved: the names that are taken there; those of the moves are added.
    """
    moves: list[Move] = []
    for group in groups:
        places = {item_id: [uri for uri in items[item_id].uris if not is_remote(uri)] for item_id in group.items}
        kept = next((uri for uri in places[group.keep] if _is_unchanged(uri, items[group.keep])), None)
        for item_id in group.items:
            for uri in places[item_id]:
                if uri != kept:
                    moves.append(_plan_move(uri, items[item_id], kept, folder, reserved))
    return moves


def _plan_move(uri: str, item: Item, kept: str | None, folder: Path, reserved: set[str]) -> Move:
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
    elif not os.access(source.parent, os.W_OK | os.X_OK):
        left = f"its folder {source.parent} can't be written"
    else:
        reserved.add(_fold_name(target))
        left = ""
    return Move(str(source), str(target), to_path(kept) if kept else "", left=left)


def _is_unchanged(uri: str, item: Item) -> bool:
    """Return True if the file still holds the bytes that the collection knows."""
    try:
        return item.hash is not None and hash_content(read_file(to_path(uri))).hex() == item.hash
    except Exception:  # whatever is the matter with it: it is not as it was
        return False


def _fold_name(path: Path) -> str:
    """Return the name in the form in which a file system that ignores case and accents' spelling compares it."""
    return unicodedata.normalize("NFC", path.name).casefold()


def _find_free_path(path: Path, reserved: set[str]) -> Path:
    """Return the path, with a number if its name is taken, and with a shorter stem if it is too long."""
    limit, number, free = _find_name_limit(path.parent), 1, path
    while _fold_name(free) in reserved or os.path.lexists(free):
        number += 1
        free = path.with_name(_fit_name(path.name, f" ({number})", limit))
    return free if number > 1 else path.with_name(_fit_name(path.name, "", limit))


def _fit_name(name: str, addition: str, limit: int) -> str:
    """Return a name with an addition to its stem, the stem shortened by whole characters to `limit` bytes in all."""
    stem, suffix = os.path.splitext(name)
    if len(os.fsencode(suffix)) > limit // 2:  # no suffix, but a long name with a dot in front
        stem, suffix = name, ""
    while len(os.fsencode(stem + addition + suffix)) > limit:
        while len(stem) > 1 and unicodedata.combining(stem[-1]):  # an accent goes with its letter
            stem = stem[:-1]
        stem = stem[:-1]
    return stem + addition + suffix


def _find_name_limit(folder: Path) -> int:
    """Return the bytes that a name in this folder, which need not exist yet, may have."""
    try:
        return int(os.pathconf(_find_existing(folder), "PC_NAME_MAX"))
    except (AttributeError, OSError, ValueError):  # Windows has no pathconf
        return NAME_LIMIT


def _find_existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), folder)


def check_room(moves: Iterable[Move], folder: Path) -> None:
    """Raise WriteFailed if the folder can't be written, or its disk has no room for the files of other disks."""
    existing = _find_existing(folder)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise WriteFailed(
            f"cannot write {existing}; nothing was moved: correct its permissions, or give another folder"
        )
    device = os.stat(existing).st_dev
    sources = [os.stat(move.source) for move in moves if not move.left]
    needed = sum(source.st_size for source in sources if source.st_dev != device)
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise WriteFailed(
            f"the files to move have {needed:,} bytes, and the disk of {folder} has room for {free:,}; nothing was "
            "moved: make room there, or give another folder"
        )


def _try_names(moves: Iterable[Move]) -> None:
    """Raise WriteFailed unless a file of each target's name can be created: then none of the moves is begun."""
    for move in moves:
        if not move.left and not os.path.lexists(move.target):
            try:
                Path(move.target).touch(exist_ok=False)
                os.unlink(move.target)
            except OSError as error:
                raise WriteFailed(
                    f"cannot create {move.target}: {error.strerror or error}; nothing was moved: rename {move.source}, "
                    "or give another folder"
                ) from error


def carry_out(
    moves: Iterable[Move],
    manifest: Path,
    batch: str | None = None,
    before_moves: Callable[[], object] = lambda: None,
) -> list[Move]:
    """Move the files, after a check that each can be moved. Each move is in the manifest, on disk, before it happens.

    batch: the name of the merges that belong to the moves. before_moves: called when the manifest is there; if it
    raises, nothing has happened, and the manifest goes. Raises UsageError, WriteFailed.
    """
    moves = list(moves)
    try:
        make_folder(manifest.parent)
        if manifest.exists():
            raise UsageError(f"the manifest {manifest} exists already; give another folder, or undo it first")
        _try_names(moves)
        file = manifest.open("x", encoding="utf-8")
    except OSError as error:
        raise WriteFailed(f"cannot write {manifest}: {error.strerror or error}") from error
    with file:
        try:
            merged = {} if batch is None else {"merged": batch}
            _append(file, {"nearkin manifest": MERGED_FORMAT if merged else FORMAT, **merged})
            sync(manifest.parent)
            try:
                before_moves()
            except Exception:
                manifest.unlink()
                raise
            done: dict[str, Move] = {}
            for move in moves:
                picture = done.get(move.sidecar_of)
                if picture is not None and not picture.done:
                    move = replace(move, left=move.left or "its picture was not moved")
                done[move.source] = _carry_out_move(move, file)
            return list(done.values())
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
    if not os.path.isfile(move.source):
        return replace(move, left="the file has vanished")
    _append(manifest, {"from": move.source, "to": move.target, "kept": move.kept})
    _shift(move.source, move.target)
    return replace(move, done=True)


def undo(manifest: Path) -> list[Move]:
    """Bring back what a manifest names, wherever the moves were interrupted. An occupied place is left alone."""
    moves = []
    for line in reversed(_read_lines(manifest)):
        source, target = Path(line["from"]), Path(line["to"])
        if source.exists():
            is_other = target.exists() and not _drop_second(target, source)
            left = "its old place is occupied by another file" if is_other else "it was not moved"
            moves.append(Move(str(target), str(source), line["kept"], left=left))
        elif not target.exists():
            moves.append(Move(str(target), str(source), line["kept"], left="the moved file no longer exists"))
        else:
            try:
                make_folder(source.parent)
                _shift(str(target), str(source))
            except OSError as error:
                raise WriteFailed(f"cannot bring {target} back to {source}: {error}") from error
            moves.append(Move(str(target), str(source), line["kept"], True))
    (manifest.parent / PART).unlink(missing_ok=True)  # of a run that was killed
    return moves


def _drop_second(target: Path, source: Path) -> bool:
    """Return True if a move was killed between its two steps, so that both places hold the file; then keep the old."""
    try:
        is_same = os.path.samefile(target, source) or hash_content(target.read_bytes()) == hash_content(
            source.read_bytes()
        )
        if is_same:
            sync(source)
            sync(source.parent)
            os.unlink(target)
    except OSError as error:
        raise WriteFailed(f"cannot bring {target} back to {source}: {error}") from error
    return is_same


def read_batch(manifest: Path) -> str | None:
    """Return the name of the merges that belong to a manifest's moves; None if there are none. Raises UsageError."""
    batch = _read_manifest(manifest)[0].get("merged")
    return None if batch is None else str(batch)


def _read_lines(manifest: Path) -> list[dict[str, str]]:
    return _read_manifest(manifest)[1:]


def _read_manifest(manifest: Path) -> list[dict[str, str]]:
    """Return the head of a manifest and its moves. Raises UsageError."""
    try:
        text = manifest.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]  # the last may have been cut
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the manifest {manifest}: {reason}") from error
    if not lines or lines[0].get("nearkin manifest") not in (FORMAT, MERGED_FORMAT):
        raise UsageError(f"{manifest} is not a manifest of moved duplicates")
    return lines


def _append(file: TextIO, line: Mapping[str, object]) -> None:
    """Write a line and wait until it is on disk."""
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _shift(source: str, target: str) -> None:
    """Rename, or copy to another disk. Never overwrite a file.

    The target is whole or absent, and it is on the disk, with its name, before the source goes.
    """
    folder = Path(target).parent
    try:
        os.link(source, target)
    except (AttributeError, OSError):  # no links on this system, or none from here to there
        if os.path.lexists(target):
            raise FileExistsError(f"{target} exists already") from None
        _copy_file(source, target)
    sync(folder)
    os.unlink(source)
    sync(Path(source).parent)


def _copy_file(source: str, target: str) -> None:
    """Copy a file under another name first, so that a killed run leaves no half of one under the target's name."""
    part = Path(target).with_name(PART)
    try:
        shutil.copy2(source, part)
        sync(part)
        if hash_content(Path(source).read_bytes()) != hash_content(part.read_bytes()):
            raise OSError(f"the copy of {source} is not whole")
        try:
            os.link(part, target)
        except OSError:  # a file system without links
            if os.path.lexists(target):
                raise FileExistsError(f"{target} exists already") from None
            os.rename(part, target)
        sync(Path(target))
    finally:
        part.unlink(missing_ok=True)
