"""learn, lessons, suggest and label in the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Collection
from tests.learning.test_lessons import KINDS, make_vectors
from tests.support.shell import Shell


@pytest.fixture
def kinds(shell: Shell, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "nearkin-collection", create=True) as collection:
        metadata = [{"kind": KINDS[place % 3]} if place < 12 else {} for place in range(60)]
        collection.add_vectors(make_vectors(60), keys=[f"k{place}" for place in range(60)], metadata=metadata)


@pytest.mark.usefixtures("kinds")
def test_a_key_is_learned_and_suggested(shell: Shell, tmp_path: Path) -> None:
    learned = shell("learn", "kinds", "--labels", "kind").stdout
    assert "kinds: logistic, right in 100.0% of 12 labels (boat 4, cat 4, dog 4)" in learned
    assert "tried: logistic 100.0%" in learned
    shown = shell("suggest", "kinds", "-k", "3").stdout
    assert "48 suggestions of kinds" in shown
    assert shown.count("%") == 3
    assert shell.json("lessons")["lessons"][0]["labels"] == 12
    page = tmp_path / "suggestions.html"
    shell("suggest", "kinds", "--questions", "--html", page)
    assert "Questions about kinds" in page.read_text("utf-8")
    assert "0 doubtful labels" in shell("suggest", "kinds", "--doubtful").stdout
    assert "150 labels or more" in shell("suggest", "kinds", "--at-most-wrong", ".02", code=2).stderr


@pytest.mark.usefixtures("kinds")
def test_answers_are_given_and_taken_back(shell: Shell) -> None:
    assert "nearkin label undo 1" in shell("label", "accept", "cats", "k0", "k3").stdout
    shell("label", "reject", "cats", "k1", "k2")
    assert shell.json("suggest", "cats")["suggestions"][0]["value"] == "yes"
    shell("label", "undo", "1", "2")
    assert "there are no labels for 'cats'" in shell("learn", "cats", code=2).stderr
    assert "use: label accept" in shell("label", "maybe", "cats", code=2).stderr
    assert "nothing is learned under 'cats'" in shell("suggest", "cats", code=1).stderr
