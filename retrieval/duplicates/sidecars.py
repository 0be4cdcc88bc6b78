"""The XMP sidecars of duplicates: each moves with its picture, unless a picture that stays has it too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from indexers.pictures.scan import SIDECAR_SUFFIXES, is_sidecar
from retrieval.records.duplicates import Move


def plan_sidecars(moves: Sequence[Move], limit: int) -> list[Move]:
    """Return the moves of pictures, each with those of its sidecars after it.

    limit: the bytes that a name may have in the folder that they move to.
    """
    moving = {move.source for move in moves if not move.left}
    taken = {move.target for move in moves if not move.left}
    planned: list[Move] = []
    seen: set[str] = set()
    for move in moves:
        planned.append(move)
        for sidecar in [] if move.left else _find_sidecars(Path(move.source), moving):
            if str(sidecar) not in seen:
                seen.add(str(sidecar))
                planned.append(_plan_sidecar(sidecar, move, taken, limit))
                taken.add(planned[-1].target)
    return planned


def _find_sidecars(picture: Path, moving: Iterable[str]) -> list[Path]:
    """Return the sidecars of a picture: those of its name, and those of its stem if all files of that stem move."""
    names = sorted(os.listdir(picture.parent))
    same_stem = [picture.with_name(name) for name in names if os.path.splitext(name)[0] == picture.stem]
    pictures = [path for path in same_stem if not is_sidecar(path.name)]
    stems = [picture.stem] if all(str(path) in moving for path in pictures) else []
    wanted = {stem + suffix for stem in (picture.name, *stems) for suffix in SIDECAR_SUFFIXES}
    return [picture.with_name(name) for name in names if name in wanted and picture.with_name(name).is_file()]


def _plan_sidecar(sidecar: Path, move: Move, taken: set[str], limit: int) -> Move:
    target = Path(move.target)
    is_full = sidecar.stem == Path(move.source).name
    names = [target.name + sidecar.suffix] if is_full else [target.stem + sidecar.suffix, target.name + sidecar.suffix]
    paths = [target.with_name(name) for name in names if len(os.fsencode(name)) <= limit]
    free = [path for path in paths if str(path) not in taken and not os.path.lexists(path)]
    left = "" if free else "its name is taken, or too long, where its picture moves to"
    if sidecar.is_symlink():
        left = "a link, which is not a copy"
    path = free[0] if free else target.with_name(names[-1])
    return replace(move, source=str(sidecar), target=str(path), left=left, sidecar_of=move.source)
