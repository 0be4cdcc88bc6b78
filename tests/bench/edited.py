"""Are copies found whatever was done to them? A table by edit: nominated, found end to end, and proved apart.

The originals come from other sources than those on which anything was tuned: the samples of scikit-image and
scikit-learn, and of gcompris-qt-data (Debian) the activities with paintings, monuments, animals, instruments and
details. The collection holds all other originals too, which were tuned on, so that there is something to mistake them
for. Each edited picture is looked for as one that somebody wants to add.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
from PIL import Image

from indexers.followers import evidence
from indexers.followers.screens import list_screens
from indexers.matching.descriptors import load_opencv
from indexers.matching.verification import SAME, verify_pictures
from retrieval import Collection
from retrieval.spaces.view import View
from tests.bench.copies import Original, load_originals
from tests.bench.edits import EDITS
from tests.bench.harness import Bench
from tests.bench.transforms import TRANSFORMS, Random

REPORTED = ("paintings", "explore_", "details", "samples")
"""Activities of gcompris whose pictures nothing was tuned on."""
COUNT = 60
"""Originals that are edited: so many, evenly drawn."""
STEP = 3
"""Every so manieth original takes part where only time is measured."""
GOALS = {
    "rotation 90°": 0.96,
    "rotation 180°": 0.96,
    "rotation 270°": 0.96,
    "rotation 10°": 0.93,
    "rotation 10°, mirrored": 0.93,
    "rotation 45°": 0.93,
    "stretch 5 to 40 %": 0.93,
    "corner crop, stretched": 0.90,
    "mirrored, stretched": 0.90,
    "letterbox": 0.95,
    "story frame": 0.95,
    "screen with surroundings": 0.80,
    "collage at a quarter": 0.80,
    "grid of four": 0.70,
    "crop to a quarter": 0.75,
    "crop off-centre": 0.97,
    "inverted": 0.90,
    "sepia": 0.90,
    "strong filter": 0.90,
    "JPEG 5": 0.90,
}


def run(bench: Bench) -> None:
    originals = load_originals(bench)
    reported = [picture for picture in originals if is_reported(picture)]
    step = max(1.0, len(reported) / max(8, round(COUNT * bench.scale)))
    chosen = [reported[round(place)] for place in np.arange(0, len(reported) - 0.5, step)]
    folder = bench.work / "edited"
    shutil.rmtree(folder, ignore_errors=True)
    measure_needless(bench, originals)
    with Collection.open(folder, create=True, clusters=0) as collection:
        pictures = folder / "pictures"
        pictures.mkdir()
        for place, picture in enumerate(originals):
            picture.image.save(pictures / f"{place}.png", compress_level=1)
        collection.add(pictures)
        start = time.perf_counter()
        collection.duplicates()
        seconds = time.perf_counter() - start
        bench.add(f"edited: the first run over {len(originals)} originals", seconds, "s", "")
        ids = {
            id(picture): collection.get(str(pictures / f"{place}.png")).id for place, picture in enumerate(originals)
        }
        others = [picture.image for picture in originals if not is_reported(picture)]
        counts: list[int] = []
        for kind, edit in list_edits().items():
            report(bench, kind, try_edit(collection, chosen, others, ids, edit, counts), len(chosen))
    bench.add("edited: candidates of one picture", float(np.mean(counts)), "", "", note=f"at most {max(counts)}")
    shutil.rmtree(folder)


def measure_needless(bench: Bench, originals: list[Original]) -> None:
    """Time a first run over photographs and drawings stored as screenshots are, beside one that looks for no screens:
    none of them is one."""
    folder, times = bench.work / "no-screens", []
    load_opencv()
    for list_any in (lambda snapshot, item_ids: [], list_screens):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = [folder / f"{place}.png" for place in range(0, len(originals), STEP)]
        for place, path in enumerate(paths):
            originals[STEP * place].image.save(path, compress_level=1)
        with Collection.open(folder / "collection", create=True, clusters=0) as collection:
            collection.add(paths)
            with patch.object(evidence, "list_screens", list_any):
                start = time.process_time()
                collection.duplicates()
                times.append((time.process_time() - start) / len(paths) * 1e3)
        shutil.rmtree(folder)
    title = "edited: first run over PNG pictures that are no screens, beside one that looks for none"
    bench.add(title, times[1], "ms of CPU a picture", "at most 1.5 of it", peer=times[0], limit=1.5 * times[0])


def is_reported(picture: Original) -> bool:
    activity = picture.group.rpartition("activities/")[2]
    return activity.startswith(REPORTED)


def list_edits() -> dict[str, Callable[[Image.Image, list[Image.Image], Random], Image.Image]]:
    plain = {
        kind: lambda image, _, random, transform=transform: transform(image, random)
        for kind, transform in TRANSFORMS.items()
    }
    return {**plain, **EDITS}


def try_edit(
    collection: Collection,
    chosen: list[Original],
    others: list[Image.Image],
    ids: dict[int, int],
    edit: Callable[[Image.Image, list[Image.Image], Random], Image.Image],
    counts: list[int],
) -> np.ndarray:
    """Return for each original whether its edited picture was nominated, found, and proved apart, bool (n, 3)."""
    view = collection._spaces.view()
    assert view
    outcomes = []
    for picture in chosen:
        random = np.random.default_rng(picture.seed)
        beside = [others[place] for place in random.choice(len(others), 3, replace=False).tolist()]
        edited = edit(picture.image, beside, random)
        candidates = list_candidates(collection, view, edited)
        counts.append(len(candidates))
        found = {match.item for match in collection.duplicates_of(edited)}
        own = ids[id(picture)]
        outcomes.append((own in candidates, own in found, verify_pictures(picture.image, edited).score >= SAME))
    return np.array(outcomes)


def list_candidates(collection: Collection, view: View, image: Image.Image) -> list[int]:
    vector = view.flat.index.prepare(view.embedder().embed([image]))
    with view.followers.current_snapshot() as snapshot:
        return collection._parts.duplicates.follow(view).find_candidates(snapshot, image, vector)


def report(bench: Bench, kind: str, outcomes: np.ndarray, count: int) -> None:
    nominated, found, proved = outcomes.mean(axis=0).tolist()
    goal = GOALS.get(kind)
    bench.add(
        f"edited: {kind}, found",
        found,
        "",
        f"at least {goal}" if goal else "",
        limit=goal,
        more=True,
        note=f"nominated {nominated:.2f}, proved apart {proved:.2f}, {count} originals",
    )
