"""What `{"$sees": WORD}` finds, on sets whose classes have a word: the share that is right, and of all that there are.

The threshold was chosen by Tux Paint's stamps and OpenMoji; the others are reported. Classes are narrower than words:
of the stamps, folders for bears and for cats lie beside the one for mammals, and count as wrong for that word. Classes
whose word the embedder does not know are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from indexers.errors import UnknownWords, UnreadablePicture
from indexers.pictures import images
from retrieval import Collection
from tests.bench import labelled
from tests.bench.harness import Bench
from tests.bench.labelled import Drawn
from tests.bench.vectors_data import DRAWN, EDGE, OPENCLIPART, STAMPS, find_folders

PICTURES = 800
FASHION = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
SUBGROUPS = {
    "animal-mammal": "mammal",
    "animal-bird": "bird",
    "animal-bug": "insect",
    "animal-marine": "fish",
    "plant-flower": "flower",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "drink": "drink",
    "transport-ground": "vehicle",
    "clothing": "clothes",
    "musical-instrument": "musical instrument",
}


def run(bench: Bench) -> None:
    sources: list[tuple[str, str, Callable[[], list[Drawn]], Callable[[str], str]]] = [
        ("OpenMoji", "chosen by", lambda: list(labelled._emoji(DRAWN)), lambda label: SUBGROUPS.get(label, "")),
        (
            "Tux Paint's stamps",
            "chosen by",
            lambda: list(find_folders(STAMPS, 5, "tuxpaint-stamps-default")),
            name_folder,
        ),
        ("openclipart", "reported", lambda: list(find_folders(OPENCLIPART, 10, "openclipart-png")), name_folder),
        ("fashion", "reported", lambda: labelled._fashion(PICTURES), lambda label: FASHION[int(label)]),
    ]
    for name, use, load, find_word in sources:
        try:
            drawn = load()
        except (FileNotFoundError, ImportError) as error:
            print(f"  {name} is left out: {error}", file=sys.stderr, flush=True)
            continue
        measure(bench, f"{name} ({use})", drawn, find_word)


def name_folder(label: str) -> str:
    return Path(label).name.replace("_", " ").replace("-", " ")


def measure(bench: Bench, name: str, drawn: list[Drawn], find_word: Callable[[str], str]) -> None:
    pictures, labels = [], []
    order = np.random.default_rng(0).permutation(len(drawn))[: round(PICTURES * bench.scale)]
    for place in order.tolist():
        with suppress(ValueError, UnreadablePicture):
            pictures.append(images.shrink(images.as_picture(drawn[place][0]()), EDGE))
            labels.append(find_word(drawn[place][1]))
    with Collection.open(bench.work / f"sight {name}", create=True, clusters=0) as collection:
        collection.add(pictures, keys=[str(place) for place in range(len(pictures))])
        precise, complete = [], []
        for word in sorted({word for word in labels if labels.count(word) >= 5} - {""}):
            with suppress(UnknownWords):
                seen = [int(item.key) for item in collection.walk(where={"$sees": word})]
                right = sum(labels[place] == word for place in seen)
                precise += [right / len(seen)] if seen else []
                complete.append(right / labels.count(word))
    note = f"{len(complete)} words, {len(precise)} of them with hits; {len(pictures)} pictures"
    bench.add(f"sight: share right of what a word sees, {name}", float(np.mean(precise)), "", "", note=note)
    bench.add(f"sight: share of its class that a word sees, {name}", float(np.mean(complete)), "", "")
