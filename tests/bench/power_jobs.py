"""What children do before, in and after a power cut. Each job takes and returns plain JSON."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from indexers.catalogue.rescue import rescue_catalogue
from indexers.catalogue.upgrade import upgrade_catalogue
from indexers.embedders.tiny import Tiny
from indexers.errors import CatalogueDamaged, SchemaTooOld
from indexers.types import Limits
from retrieval import Collection
from retrieval.duplicates.moving import MANIFEST
from retrieval.server.pictures import AddedFiles, Decoder
from tests.bench.faults_world import Log, picture


def make_copies(folder: str, pictures: str, count: int) -> dict[str, str]:
    """Add pictures, each with a copy of the same content under another name; return content by path, in hex."""
    rng, root = np.random.default_rng(1), Path(pictures)
    contents = {}
    for number in range(count):
        path = root / "pictures" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64)).save(path)
        second = root / "copies" / f"{number}.png"
        second.parent.mkdir(exist_ok=True)
        shutil.copy(path, second)
        for place in (path, second):
            contents[str(place)] = place.read_bytes().hex()
    with Collection.open(folder, create=True, embedder=Tiny()) as collection:
        collection.add([root / "pictures", root / "copies"])
    return contents


def move_copies(folder: str, target: str, log: str) -> None:
    """Move all but one file of each group, and acknowledge it."""
    with Collection.open(folder) as collection:
        moves = collection.move_duplicates(collection.duplicates(), target, dry_run=False)
        assert any(move.done for move in moves), moves
        Log(Path(log)).line(moved=[move.target for move in moves if move.done])


def look_at_moved(folder: str, target: str, contents: dict[str, str], is_done: bool) -> list[str]:
    """Return what is wrong: each picture is still somewhere, and the manifest brings all back."""
    moved = [path for path in Path(target).rglob("*.png") if path.is_file()] if Path(target).is_dir() else []
    there = {path.read_bytes().hex() for path in [*map(Path, contents), *moved] if path.is_file()}
    problems = [f"the content of {path} is lost" for path, content in contents.items() if content not in there]
    with Collection.open(folder) as collection:
        if (Path(target) / MANIFEST).exists() and (Path(target) / MANIFEST).read_bytes().count(b"\n"):
            collection.undo_moves(Path(target) / MANIFEST)
        elif is_done:
            problems.append("the moves were acknowledged, and their manifest is lost")
        if collection.count() != len(contents) // 2:
            problems.append(f"{collection.count()} items of {len(contents) // 2} are left")
        problems += collection.verify().problems
    for path, content in contents.items():
        if not Path(path).is_file():
            problems.append(f"{path} was not brought back")
        elif Path(path).read_bytes().hex() != content:
            problems.append(f"{path} has other content")
    return problems


def keep_uploads(folder: str, count: int, log: str) -> None:
    """Keep pictures that were sent, and acknowledge each."""
    decoder = Decoder(Limits())
    files, acknowledged = AddedFiles(Path(folder) / "added", decoder), Log(Path(log))
    for number in range(count):
        content = picture(f"upload {number}", 1)
        for path in files.save([content], [f"{number}.png"], None):
            acknowledged.line(path=str(path), content=content.hex())
    decoder.close()


def rescue(folder: str, log: str) -> dict[str, int]:
    """Rescue a damaged database, and acknowledge it."""
    counts = rescue_catalogue(Path(folder))
    Log(Path(log)).line(counts=counts)
    return counts


def finish_rescue(folder: str, is_done: bool) -> int:
    """Open the collection, after another rescue if this one was not complete; return the number of items."""
    return _finish(Path(folder), is_done, CatalogueDamaged, rescue_catalogue)


def upgrade(folder: str, log: str) -> None:
    """Upgrade a database, and acknowledge it."""
    upgrade_catalogue(Path(folder))
    Log(Path(log)).line(done=True)


def finish_upgrade(folder: str, is_done: bool) -> int:
    """Open the collection, after another upgrade if this one was not complete; return the number of items."""
    return _finish(Path(folder), is_done, SchemaTooOld, upgrade_catalogue)


def _finish(folder: Path, is_done: bool, kind: type[Exception], repeat: Callable[[Path], object]) -> int:
    """Return the number of items, if need be after the repetition of what was not acknowledged."""
    try:
        return _count(folder)
    except kind:
        assert not is_done, f"it was acknowledged, and the database is not so: {kind.__name__}"
        repeat(folder)
        return _count(folder)


def _count(folder: Path) -> int:
    with Collection.open(folder) as collection:
        problems = collection.verify().problems
        if any(problem.startswith("database:") for problem in problems):
            raise CatalogueDamaged(problems[0])
        assert not problems, problems
        return collection.count()
