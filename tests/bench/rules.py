"""Groups of copies in a small library of real pictures: which rule is wrong least often, exact copies, any order."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path

import numpy as np

from retrieval import Collection
from retrieval.records.duplicates import DuplicateGroup
from tests.bench.copies import are_derived, load_originals, split_halves
from tests.bench.harness import Bench
from tests.bench.transforms import TRANSFORMS

COUNT = 60
ORDERS = 20


def run(bench: Bench) -> None:
    chosen = split_halves(load_originals(bench))[1][: max(int(COUNT * bench.scale), 6)]
    folder = bench.work / "rules"
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "pictures"
    place.mkdir(parents=True)
    owner: dict[str, int] = {}
    for number, original in enumerate(chosen):
        original.image.save(place / f"{number:03}.png")
        original.image.save(place / f"{number:03} again.bmp")
        shutil.copy(place / f"{number:03}.png", place / f"{number:03} twice.png")
        owner |= {f"{number:03}.png": number, f"{number:03} again.bmp": number, f"{number:03} twice.png": number}
        for name, transform in TRANSFORMS.items():
            file = f"{number:03} {name.replace(' ', '-').replace('%', '')}.png"
            transform(original.image, np.random.default_rng(original.seed)).save(place / file)
            owner[file] = number
    with Collection.open(folder / "collection", create=True, embedder="lite0") as collection:
        collection.add(place)
        exact(bench, collection, len(chosen))
        for rule in ("kept", "every pair", "connected"):
            measure_grouping(bench, collection, rule, owner, chosen)
    orders(bench, place, folder)
    shutil.rmtree(folder)


def list_names(collection: Collection, group: DuplicateGroup) -> list[str]:
    return sorted({Path(uri).name for item in collection.get(group.items) for uri in item.uris})


def exact(bench: Bench, collection: Collection, count: int) -> None:
    groups = collection.duplicates()
    pixels = {frozenset((pair.a, pair.b)) for group in groups for pair in group.pairs if pair.kind == "same pixels"}
    matches = 0
    for number in range(count):
        place = Path(collection.get(1).uri or "").parent
        first, second = (collection.get(str(place / f"{number:03}{end}")).id for end in (".png", " again.bmp"))
        matches += frozenset((first, second)) in pixels or first == second
    bench.add("copies of the same pixels in another container called so", matches, "", "all", limit=count, more=True)
    twice = sum(len(item.uris) > 1 for item in collection.items(limit=100_000).items)
    bench.add("copies of the same bytes known as one item", twice, "", "all", limit=count, more=True)


def measure_grouping(bench: Bench, collection: Collection, rule: str, owner: dict[str, int], chosen: list) -> None:  # type: ignore[type-arg]
    """Count pairs within groups that were not made from one original."""
    groups = [list_names(collection, group) for group in collection.duplicates(rule=rule) if group.kind != "same bytes"]
    wrong = [
        (a, b)
        for group in groups
        for a, b in combinations(group, 2)
        if owner[a] != owner[b] and not are_derived(chosen[owner[a]], chosen[owner[b]])
    ]
    together = sum(
        max(sum(owner[name] == number for name in group) for number in {owner[name] for name in group})
        for group in groups
    )
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    share = len(wrong) / max(pairs, 1)
    note = f"{len(groups)} groups of {len(chosen)} originals, {together} files grouped"
    bench.add(f'rule "{rule}": pairs within groups that are no copies', share, "", "", note=note)


def orders(bench: Bench, place: Path, folder: Path) -> None:
    files = sorted(place.iterdir())[: 14 * 4]
    outcomes = []
    for seed in range(max(int(ORDERS * bench.scale), 2)):
        order, target = np.random.default_rng(seed).permutation(len(files)), folder / f"order-{seed}"
        with Collection.open(target, create=True, embedder="classic") as collection:
            for part in np.array_split(order, 1 + seed % 4):
                collection.add([files[number] for number in part])
                collection.duplicates()
            outcomes.append([(group.id, list_names(collection, group)) for group in collection.duplicates()])
        shutil.rmtree(target)
    same = sum(outcome == outcomes[0] for outcome in outcomes)
    bench.add(
        "orders of arrival that give the same groups",
        same,
        f"of {len(outcomes)}",
        "all",
        limit=len(outcomes),
        more=True,
    )
