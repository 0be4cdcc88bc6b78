"""A collection of pictures and their copies that lives, beside brute force over all pairs: the same groups each time.

What two pictures are is known here from the way they were made (a colour pattern, and an edit of it), so that the
answer can be worked out; the proof itself has tests of its own.
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
from indexers.followers import candidates, evidence, screens
from indexers.followers.looks import PairGate
from indexers.matching import features as picture_features
from indexers.matching.features import Features
from indexers.matching.verification import Verdict
from retrieval import Collection
from retrieval.duplicates.grouping import build_groups

PATTERNS, EDITS = 5, 6
SCORES = {0: 1.0, 1: 0.95, 2: 0.8, 3: 0.65, 4: 0.4}
"""The score of two edits of one pattern, by how far apart they are; beyond: not compared at all."""


def picture(pattern: int, edit: int) -> Image.Image:
    """Return a picture whose first pixels say what it is; all look alike to the embedder, so all are candidates."""
    array = np.full((64, 64, 3), 128, np.uint8)
    array[:8, :8] = (pattern * 20, edit * 20, 77)
    return Image.fromarray(array)


def read_edit(image: Image.Image) -> tuple[int, int]:
    red, green, _ = np.asarray(image.convert("RGB"))[: max(image.height // 16, 1), : max(image.width // 16, 1)].mean(
        (0, 1)
    )
    return round(red / 20), round(green / 20)


def extract_by_pixel(image: Image.Image, engine: str = "auto") -> Features:
    """Stand in for extracting the points of a picture: the size says which one it is."""
    pattern, edit = read_edit(image)
    nothing = np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
    return Features(*nothing, 1 + pattern, 1 + edit, b"", np.zeros((8, 8), np.uint8), np.zeros((4, 4, 2), np.uint8))


def verify_by_size(a: Features, b: Features) -> Verdict:
    return Verdict("same picture", score((a.width, a.height), (b.width, b.height)))


def score(a: tuple[int, int], b: tuple[int, int]) -> float:
    return SCORES.get(abs(a[1] - b[1]), 0.0) if a[0] == b[0] else 0.0


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
        self.pictures: dict[int, tuple[int, int]] = {}
        self.decided: dict[int, tuple[str, tuple[int, int], tuple[int, int]]] = {}

    @rule(edits=st.lists(st.tuples(st.integers(1, PATTERNS), st.integers(0, EDITS)), min_size=1, max_size=5))
    def add(self, edits: list[tuple[int, int]]) -> None:
        for pattern, edit in edits:
            path = self.place / f"{pattern}-{edit}.png"
            picture(pattern, edit).save(path)
            report = self.collection.add(path)
            for item in report.items:
                self.pictures[item] = (pattern, edit)

    @precondition(lambda self: self.pictures)
    @rule()
    def remove(self) -> None:
        item = int(self.random.choice(list(self.pictures)))
        self.collection.remove(item)
        del self.pictures[item]

    @precondition(lambda self: len(self.pictures) > 1)
    @rule(keep_both=st.booleans())
    def decide(self, keep_both: bool) -> None:
        a, b = (int(item) for item in self.random.choice(list(self.pictures), 2, replace=False))
        number = (self.collection.keep_both if keep_both else self.collection.not_duplicates)(a, b)
        pair = {self.pictures[a], self.pictures[b]}
        self.decided = {key: decision for key, decision in self.decided.items() if {decision[1], decision[2]} != pair}
        self.decided[number] = ("keep both" if keep_both else "not duplicates", self.pictures[a], self.pictures[b])

    @precondition(lambda self: self.pictures)
    @rule()
    def keep(self) -> None:
        groups = self.collection.duplicates()
        if not groups:
            return
        group = groups[int(self.random.integers(len(groups)))]
        numbers = self.collection.decide(group, keep=group.keep)
        rest = [item for item in group.items if item != group.keep]
        for number, item in zip(numbers, rest, strict=True):
            pair = {self.pictures[group.keep], self.pictures[item]}
            self.decided = {
                key: decision for key, decision in self.decided.items() if {decision[1], decision[2]} != pair
            }
            self.decided[number] = ("keep", self.pictures[group.keep], self.pictures[item])

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
        rule_name = str(self.random.choice(["kept", "every pair", "connected"]))
        groups = self.collection.duplicates(threshold, rule=rule_name)
        assert [(group.id, group.items, group.keep) for group in groups] == self._expected(threshold, rule_name)

    def _expected(self, threshold: float, rule_name: str) -> list[tuple[int, tuple[int, ...], int]]:
        items = sorted(self.pictures)
        rows = {}
        if items:
            with self.collection._catalogue.snapshot() as snapshot:
                rows = {row.id: row for row in snapshot.items(items)}
        pairs = [
            PairRow(a, b, "same picture", score(self.pictures[a], self.pictures[b]), {})
            for place, a in enumerate(items)
            for b in items[place + 1 :]
        ]
        content = {self.pictures[item]: rows[item].hash or b"" for item in items}
        decisions = [
            Decision(number, kind, content.get(a, b"?"), content.get(b, b"!"), 0)
            for number, (kind, a, b) in self.decided.items()
        ]
        expected = build_groups([pair for pair in pairs if pair.score >= threshold], rows, decisions, rule=rule_name)
        return [(group.id, group.items, group.keep) for group in expected]

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()


def test_groups_equal_those_of_brute_force_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> dict[int, int]:
        return {}

    monkeypatch.setattr(screens, "verify_features", verify_by_size)
    monkeypatch.setattr(picture_features, "extract_features", extract_by_pixel)
    monkeypatch.setattr(evidence.EvidenceCollector, "_group_equal_pixels", nothing)
    monkeypatch.setattr(
        PairGate, "keep", lambda self, pool, pairs, known, **_: list(pairs)
    )  # all look alike, or are grey
    monkeypatch.setattr(candidates, "NEAREST_BY_HASH", PATTERNS * (EDITS + 1))
    monkeypatch.setattr(candidates, "NEAREST_BY_VECTOR", PATTERNS * (EDITS + 1))
    Library.folder = tmp_path
    Library.TestCase.settings = settings(
        max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Library.TestCase().runTest()
