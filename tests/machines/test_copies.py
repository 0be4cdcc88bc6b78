"""A collection of pictures and their copies that lives, beside brute force over all pairs: the same groups each time.

What two pictures are is known here by how they were made (a colour pattern, and an edit of it), so that the answer can
be worked out; the proof itself has tests of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from PIL import Image

from indexers.catalogue.duplicates import Decision, PairRow
from indexers.followers import evidence
from indexers.matching import features as picture_features
from indexers.matching.features import Features
from indexers.matching.verification import Verdict
from retrieval import Collection
from retrieval.duplicates.grouping import build_groups

PATTERNS, EDITS = 5, 6
SCORES = {0: 1.0, 1: 0.95, 2: 0.8, 3: 0.65, 4: 0.4}
"""How sure it is that two edits of one pattern are the same, by how far apart they are; beyond: not compared at all."""


def picture(pattern: int, edit: int) -> Image.Image:
    """Whose first pixel says what it is; all look alike to the embedder, so that all pairs are candidates."""
    array = np.full((64, 64, 3), 128, np.uint8)
    array[:8, :8] = (pattern * 20, edit * 20, 77)
    return Image.fromarray(array)


def known(image: Image.Image) -> tuple[int, int]:
    red, green, _ = np.asarray(image.convert("RGB"))[: max(image.height // 16, 1), : max(image.width // 16, 1)].mean(
        (0, 1)
    )
    return round(red / 20), round(green / 20)


def seen(image: Image.Image, engine: str = "auto") -> Features:
    """Stands in for the points of a picture: its size says which one it is."""
    pattern, edit = known(image)
    nothing = np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
    return Features(*nothing, 1 + pattern, 1 + edit, np.zeros((8, 8), np.uint8), np.zeros((4, 4, 2), np.uint8))


def proved(a: Features, b: Features) -> Verdict:
    return Verdict("same picture", score((a.width, a.height), (b.width, b.height)))


def score(one: tuple[int, int], other: tuple[int, int]) -> float:
    return SCORES.get(abs(one[1] - other[1]), 0.0) if one[0] == other[0] else 0.0


class Library(RuleBasedStateMachine):
    """Pictures come and go under their names; decisions are made and taken back; thresholds change."""

    folder: Path
    serial = 0

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        Library.serial += 1
        self.random = np.random.default_rng(seed)
        self.place = self.folder / f"p{Library.serial}"
        self.place.mkdir()
        self.path = self.folder / f"c{Library.serial}"
        self.collection = Collection.open(self.path, create=True, embedder="tiny")
        self.made: dict[int, tuple[int, int]] = {}
        self.decided: dict[int, tuple[str, tuple[int, int], tuple[int, int]]] = {}

    @rule(some=st.lists(st.tuples(st.integers(1, PATTERNS), st.integers(0, EDITS)), min_size=1, max_size=5))
    def add(self, some: list[tuple[int, int]]) -> None:
        for pattern, edit in some:
            path = self.place / f"{pattern}-{edit}.png"
            picture(pattern, edit).save(path)
            report = self.collection.add(path)
            for item in report.items:
                self.made[item] = (pattern, edit)

    @precondition(lambda self: self.made)
    @rule()
    def remove(self) -> None:
        item = int(self.random.choice(list(self.made)))
        self.collection.remove(item)
        del self.made[item]

    @precondition(lambda self: len(self.made) > 1)
    @rule(both=st.booleans())
    def decide(self, both: bool) -> None:
        a, b = (int(one) for one in self.random.choice(list(self.made), 2, replace=False))
        number = (self.collection.keep_both if both else self.collection.not_duplicates)(a, b)
        pair = {self.made[a], self.made[b]}
        self.decided = {key: one for key, one in self.decided.items() if {one[1], one[2]} != pair}
        self.decided[number] = ("keep both" if both else "not duplicates", self.made[a], self.made[b])

    @precondition(lambda self: self.made)
    @rule()
    def keep(self) -> None:
        found = self.collection.duplicates()
        if not found:
            return
        group = found[int(self.random.integers(len(found)))]
        numbers = self.collection.decide(group, keep=group.keep)
        others = [one for one in group.items if one != group.keep]
        for number, other in zip(numbers, others, strict=True):
            pair = {self.made[group.keep], self.made[other]}
            self.decided = {key: one for key, one in self.decided.items() if {one[1], one[2]} != pair}
            self.decided[number] = ("keep", self.made[group.keep], self.made[other])

    @precondition(lambda self: self.decided)
    @rule()
    def undo(self) -> None:
        number = int(self.random.choice(list(self.decided)))
        self.collection.undo(number)
        del self.decided[number]

    @rule()
    def reopen(self) -> None:
        self.collection.close()
        self.collection = Collection.open(self.path)

    @invariant()
    def the_groups_are_those_of_brute_force(self) -> None:
        if not hasattr(self, "collection"):
            return
        threshold = float(self.random.choice([0.3, 0.5, 0.7, 0.9, 1.0]))
        how = str(self.random.choice(["kept", "every pair", "connected"]))
        found = self.collection.duplicates(threshold, rule=how)
        assert [(group.id, group.items, group.keep) for group in found] == self._expected(threshold, how)

    def _expected(self, threshold: float, how: str) -> list[tuple[int, tuple[int, ...], int]]:
        items = sorted(self.made)
        rows = {}
        if items:
            with self.collection._catalogue.snapshot() as snapshot:
                rows = {row.id: row for row in snapshot.items(items)}
        pairs = [
            PairRow(a, b, "same picture", score(self.made[a], self.made[b]), {})
            for place, a in enumerate(items)
            for b in items[place + 1 :]
        ]
        content = {self.made[one]: rows[one].hash or b"" for one in items}
        decisions = [
            Decision(number, what, content.get(one, b"?"), content.get(two, b"!"), 0)
            for number, (what, one, two) in self.decided.items()
        ]
        wanted = build_groups([pair for pair in pairs if pair.score >= threshold], rows, decisions, rule=how)
        return [(group.id, group.items, group.keep) for group in wanted]

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()


def test_groups_equal_those_of_brute_force_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> set[tuple[int, int]]:
        return set()

    monkeypatch.setattr(evidence, "verify_features", proved)
    monkeypatch.setattr(picture_features, "extract_features", seen)
    monkeypatch.setattr(evidence.EvidenceCollector, "_find_equal_pixels", nothing)
    Library.folder = tmp_path
    Library.TestCase.settings = settings(
        max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Library.TestCase().runTest()
