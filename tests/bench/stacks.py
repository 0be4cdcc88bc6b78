"""Do stacks say what belongs together? A table of confusion over generated groups, and bursts that must be no copies.

Scenes are those of `edited`: originals from sources on which nothing was tuned; what is tuned is tried on the others.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from indexers.matching.verification import SAME, verify_pictures
from retrieval import Collection
from retrieval.records.stacks import Stack
from tests.bench.copies import Original, load_originals
from tests.bench.edited import is_reported
from tests.bench.harness import Bench
from tests.bench.series import MAKERS, NO_STACKS, START, make_burst, write_group
from tests.bench.transforms import burst

COUNT = 24
"""Groups of each kind."""
GOAL = 0.95
TUNE = "BENCH_TUNE_STACKS"
"""A variable of the environment: with it the scenes are those that may be tuned on."""
SHOW = "BENCH_SHOW_STACKS"
"""With it, groups that are taken for something else are listed."""
BURSTS, REAL_BURSTS = 384, 60


def run(bench: Bench) -> None:
    originals = load_originals(bench)
    is_tuning = bool(os.environ.get(TUNE))
    scenes = [picture for picture in originals if is_reported(picture) != is_tuning]
    table = count_confusion(bench, scenes)
    kinds = [*MAKERS]
    right = 0
    for kind in kinds:
        row = table[kind]
        expected = "none" if kind in NO_STACKS else kind
        total = sum(row.values())
        right += row[expected]
        note = ", ".join(f"{count} {other}" for other, count in row.most_common() if other != expected)
        what = "in no stack" if kind in NO_STACKS else "in a stack of it"
        bench.add(
            f"stacks: {kind}, {what}",
            row[expected] / total,
            "",
            f"at least {GOAL}",
            limit=GOAL,
            more=True,
            note=f"{total} groups" + (f"; else {note}" if note else ""),
        )
    bench.add(
        "stacks: on the diagonal",
        right / sum(sum(row.values()) for row in table.values()),
        "",
        f"at least {GOAL}",
        limit=GOAL,
        more=True,
    )
    count_called_copies(bench, scenes)


def count_confusion(bench: Bench, scenes: list[Original]) -> dict[str, Counter[str]]:
    """Return for each kind how often its groups are in a stack of which kind; "none": no stack has all of a group."""
    folder = bench.work / "stacks"
    shutil.rmtree(folder, ignore_errors=True)
    count = max(4, round(COUNT * bench.scale))
    groups: list[tuple[str, list[Path]]] = []
    chosen = np.random.default_rng(5).permutation(len(scenes))
    for number, kind in enumerate([kind for kind in MAKERS for _ in range(count)]):
        random = np.random.default_rng([number, 18])
        scene = scenes[chosen[number % len(scenes)]].image
        others = [scenes[chosen[(number + step) % len(scenes)]].image for step in (7, 11, 13)]
        files = MAKERS[kind](scene, others, random)
        start = START + timedelta(minutes=7 * number, seconds=float(random.random()))
        groups.append((kind, write_group(folder / f"{number}", files, start)))
    table = {kind: Counter[str]() for kind in MAKERS}
    with Collection.open(folder / "collection", create=True, clusters=0) as collection:
        report = collection.add([path for _, paths in groups for path in paths])
        if report.failed:
            print(f"  {report.failures[:3]}", file=sys.stderr)
        stacks, seconds = time_stacks(collection)
        ids = {path: collection.get(str(path)).id for _, paths in groups for path in paths}
        for kind, paths in groups:
            wanted = {ids[path] for path in paths}
            name = name_stack(stacks, wanted)
            table[kind][name] += 1
            if os.environ.get(SHOW) and name != ("none" if kind in NO_STACKS else kind):
                told = [(stack.kind, stack.reason) for stack in stacks if wanted & set(stack.items)]
                print(f"  {kind} {paths[0].parent.name} is taken for {told}", file=sys.stderr)
        bench.add(f"stacks: once more, of {len(ids)} pictures", seconds, "s of CPU", "at most 1", limit=1)
        in_bursts = [{ids[path] for path in paths} for kind, paths in groups if kind == "burst"]
        called = [
            group for group in collection.duplicates() for items in in_bursts if len(items & set(group.items)) > 1
        ]
        bench.add("stacks: bursts with EXIF of which shots are called copies", len(called), "", "0", limit=0)
    shutil.rmtree(folder)
    return table


def time_stacks(collection: Collection) -> tuple[tuple[Stack, ...], float]:
    """Return the stacks, and the processor time that they take once everything was compared."""
    collection.stacks()
    collection._parts.stacks._stored = None
    start = time.process_time()
    stacks = collection.stacks()
    return stacks, time.process_time() - start


def name_stack(stacks: tuple[Stack, ...], items: set[int]) -> str:
    """Return the kind of the stack that holds exactly these items, or else of one that holds some of them."""
    for stack in stacks:
        if set(stack.items) == items:
            return stack.kind
    return next((f"part of {stack.kind}" for stack in stacks if len(set(stack.items) & items) > 1), "none")


def count_called_copies(bench: Bench, scenes: list[Original]) -> None:
    """Count the bursts of which two shots are called the same picture by their pixels alone: simulated ones, also of
    blank and drawn scenes, and those of photographs."""
    count, real = max(16, round(BURSTS * bench.scale)), max(8, round(REAL_BURSTS * bench.scale))
    called = 0
    for number in range(count):
        random = np.random.default_rng([number, 384])
        scene = draw_scene(number, random) if number % 2 else scenes[number % len(scenes)].image
        thing = scenes[(number + 5) % len(scenes)].image
        a, b = burst(scene, thing, random)
        called += verify_pictures(a, b).score >= SAME and verify_pictures(a, b).kind == "same picture"
    bench.add(
        "stacks: simulated bursts called copies, by pixels",
        called / count,
        "",
        "at most .01",
        limit=0.01,
        note=f"{count}, half of blank or drawn scenes",
    )
    called = 0
    photographs = [picture for picture in scenes if picture.group == "samples"] or scenes
    for number in range(real):
        random = np.random.default_rng([number, 60])
        files = make_burst(
            photographs[number % len(photographs)].image, [scenes[(number + 3) % len(scenes)].image], random
        )
        called += verify_pictures(files[0].image, files[-1].image).kind == "same picture"
    bench.add(
        "stacks: bursts of photographs called copies, by pixels",
        called / real,
        "",
        "at most .01",
        limit=0.01,
        note=f"{real}",
    )


def draw_scene(number: int, random: np.random.Generator) -> Image.Image:
    """Return a blank scene, a slope of colours, stripes, or boxes."""
    size, kind = (384, 288), number // 2 % 4
    colours = random.integers(0, 256, (2, 3))
    if kind == 0:
        return Image.new("RGB", size, tuple(colours[0].tolist()))
    ramp = np.linspace(0, 1, size[0])[None, :, None] * np.ones((size[1], 1, 1))
    if kind == 2:
        ramp = (ramp * int(random.integers(4, 30))).astype(int) % 2
    image = Image.fromarray((colours[0] * (1 - ramp) + colours[1] * ramp).astype(np.uint8))
    for _ in range(12 if kind == 3 else 0):
        left, top, width, height = (int(value) for value in random.integers(10, 120, 4))
        image.paste(tuple(random.integers(0, 256, 3).tolist()), (2 * left, top, 2 * left + width, top + height))
    return image
