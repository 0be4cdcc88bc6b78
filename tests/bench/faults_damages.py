"""Derived files damaged in every way: noticed before native code reads them, rebuilt, the same answers."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.faults_process import Nursery
from tests.bench.faults_world import Log, Op, State, apply_op

BLOCK = 10
"""Damaged collections that one process opens, one after the other."""


@dataclass
class Damages:
    """The outcome. `crashed`: processes that native code brought down."""

    tried: int = 0
    noticed: int = 0
    crashed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sound:
    """Two sound collections, and the derived files of the first as they were some changes ago."""

    folder: Path
    foreign: Path
    older: Path
    state: State


def prepare(folder: Path, nursery: Nursery) -> Sound:
    """Make two sound collections with the same ids, so that only our checks tell their files apart.

    Their vectors differ, since their files would be equal otherwise, byte for byte.
    """
    ops: list[Op] = [
        {"op": "add", "names": [f"v{i}" for i in range(120)], "version": 1},
        {"op": "save"},
        {"op": "remove", "names": [f"v{i}" for i in range(0, 60, 3)]},
        {"op": "add", "names": [f"v{i}" for i in range(0, 160, 7)], "version": 2},
    ]
    mine, foreign, older = folder / "mine", folder / "other", folder / "older"
    nursery.run("work", folder=str(mine), kind="vector", ops=ops[:2], log=str(folder / "log")).value()
    shutil.copytree(mine / "spaces", older)
    nursery.run("work", folder=str(mine), kind="vector", ops=ops[2:], log=str(folder / "log")).value()
    foreign_ops = [op | {"version": 9} if "version" in op else op for op in ops]
    nursery.run("work", folder=str(foreign), kind="vector", ops=foreign_ops, log=str(folder / "log")).value()
    state: State = {}
    for op in ops:
        state = apply_op(state, op)
    return Sound(mine, foreign, older, state)


# ---- ways to do damage: each takes a random choice, the damaged collection's derived files, and the sound ones


def flip(draw: random.Random, files: Path, _: Sound) -> str:
    """One byte, somewhere."""
    path = _any(draw, files, empty=False)
    data = bytearray(path.read_bytes())
    place = draw.randrange(len(data))
    data[place] ^= draw.randint(1, 255)
    path.write_bytes(data)
    return f"byte {place} of {_name(path)} flipped"


def cut(draw: random.Random, files: Path, _: Sound) -> str:
    path = _any(draw, files, empty=False)
    data = path.read_bytes()
    length = draw.choice([0, 1, len(data) - 1, draw.randrange(len(data))])
    path.write_bytes(data[:length])
    return f"{_name(path)} cut to {length} of {len(data)} bytes"


def lengthen(draw: random.Random, files: Path, _: Sound) -> str:
    path = _any(draw, files)
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.randint(1, 5000)))
    return f"{_name(path)} lengthened"


def delete(draw: random.Random, files: Path, _: Sound) -> str:
    path = _any(draw, files)
    path.unlink()
    return f"{_name(path)} deleted"


def delete_folder(draw: random.Random, files: Path, _: Sound) -> str:
    path = draw.choice([files, files / "1", files / "1" / "flat", files / "1" / "index"])
    shutil.rmtree(path)
    return f"folder {path.name} deleted"


def scramble(draw: random.Random, files: Path, _: Sound) -> str:
    """Overwrite a file with random bytes of the same length."""
    path = _any(draw, files, empty=False)
    path.write_bytes(draw.randbytes(path.stat().st_size))
    return f"{_name(path)} overwritten"


def swap(draw: random.Random, files: Path, sound: Sound) -> str:
    """Another collection's, one file or all."""
    return _replace(draw, files, sound.foreign / "spaces", "another collection's")


def age(draw: random.Random, files: Path, sound: Sound) -> str:
    """Replace one file, or all, by an older copy."""
    return _replace(draw, files, sound.older, "an older copy")


def _replace(draw: random.Random, files: Path, source: Path, description: str) -> str:
    part = draw.choice(["flat", "index"])
    if draw.random() < 0.5:
        shutil.rmtree(files / "1" / part)
        shutil.copytree(source / "1" / part, files / "1" / part)
        return f"{description} folder {part}"
    path = draw.choice(sorted(path for path in (files / "1" / part).iterdir() if path.is_file()))
    suffixes = {path.name.partition("-")[0] + path.suffix: path for path in (source / "1" / part).iterdir()}
    chosen = suffixes[path.name.partition("-")[0] + path.suffix]
    path.write_bytes(chosen.read_bytes())
    return f"{description} {_name(path)}"


WAYS: tuple[Callable[[random.Random, Path, Sound], str], ...] = (
    flip,
    flip,
    flip,
    cut,
    lengthen,
    delete,
    delete_folder,
    scramble,
    swap,
    age,
)


def _any(draw: random.Random, files: Path, empty: bool = True) -> Path:
    paths = sorted(path for path in files.rglob("*") if path.is_file())
    return draw.choice([path for path in paths if empty or path.stat().st_size])


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


# ---- trying


def run(tried: int, folder: Path, workers: int = 2, report: Callable[[str], object] = print) -> Damages:
    """Try so many damages, in `workers` processes at once."""
    damages = Damages()
    with Nursery(folder / "out") as nursery:
        sound = prepare(folder, nursery)
    blocks = [list(range(first, min(first + BLOCK, tried))) for first in range(0, tried, BLOCK)]
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(lambda w: _share(folder / f"worker-{w}", sound, blocks[w::workers]), range(workers)):
            damages.tried += part.tried
            damages.noticed += part.noticed
            damages.crashed += part.crashed
            damages.problems += part.problems
    report(f"{damages.tried} damages, {len(damages.problems)} problems")
    return damages


def _share(folder: Path, sound: Sound, blocks: Sequence[list[int]]) -> Damages:
    damages = Damages()
    with Nursery(folder) as nursery:
        for block in blocks:
            cases = [_copy_and_damage(folder / str(number), sound, number) for number in block]
            log = folder / f"log-{block[0]}"
            arguments = {"cases": cases, "kind": "vector", "state": sound.state, "log": str(log)}
            ended = nursery.run("look_at_damaged", **arguments)
            damages.crashed += ended.status < 0
            if ended.status:
                damages.problems.append(f"after {Log.read(log)[-1:]} a child ended with {ended.status}: {ended.output}")
            for line in Log.read(log):
                if "name" in line:
                    _judge(line, damages)
            for case in cases:
                shutil.rmtree(case["folder"])
    return damages


def _copy_and_damage(folder: Path, sound: Sound, number: int) -> dict[str, Any]:
    """Copy the sound collection, damage the copy in one way, and describe the case."""
    shutil.copytree(sound.folder, folder)
    way = WAYS[number % len(WAYS)]
    return {"folder": str(folder), "name": f"{number}: {way(random.Random(number), folder / 'spaces', sound)}"}


def _judge(line: dict[str, Any], damages: Damages) -> None:
    first, second = line["first"], line["second"]
    damages.tried += 1
    damages.noticed += bool(first["repairs"])
    # until the first closes, the damaged file is still on the disk, and verify says so
    wrong = [problem for problem in first["problems"] if "the stored file" not in problem] + second["problems"]
    if not first["repairs"]:
        wrong.append("nobody noticed")
    if any(repair.startswith("index") for repair in first["repairs"]) and first["native"]:
        wrong.append("native code had read the file before")
    if second["repairs"]:
        wrong.append(f"it was not mended for good: {second['repairs']}")
    damages.problems += [f"{line['name']}: {problem}" for problem in wrong]
