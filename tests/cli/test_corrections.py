"""Corrections of clusters on the command line."""

from __future__ import annotations

import numpy as np

from retrieval import Collection
from tests.support.shell import Shell


def fill(shell: Shell) -> None:
    """Make a collection of two groups of ten vectors, a0 to a9 and b0 to b9, whose clusters are called a and b."""
    rows = np.repeat(np.eye(2, 8), 10, axis=0) + 0.05 * np.random.default_rng(0).standard_normal((20, 8))
    with Collection.open(shell.place / "nearkin-collection", create=True) as collection:
        collection.add_vectors(rows, keys=[f"{group}{number}" for group in "ab" for number in range(10)])
        for group in "ab":
            item = collection.get(f"{group}0").id
            cluster = next(cluster for cluster in collection.clusters() if item in cluster.members)
            collection.rename(cluster.id or 0, group)


def test_clusters_are_corrected_listed_and_undone(shell: Shell) -> None:
    fill(shell)
    [first] = shell.json("correct", "merge", "a", "b")["decisions"]
    assert len(shell.json("clusters", "--level", "medium")["clusters"]) == 1
    assert "merge" in shell("corrections").stdout
    assert f"decision {first} was undone" in shell("correct", "undo", first).stdout
    assert len(shell.json("clusters", "--level", "medium")["clusters"]) == 2
    assert "take it back with: nearkin correct undo" in shell("correct", "apart", "a0", "a1").stdout
    assert shell.json("correct", "together", "a0", "a1")["decisions"]
    assert "1 of 2 items are elsewhere" not in shell("correct", "move", "b", "a2").stdout
    shell("correct", "split", "b", "b0", "b1", "b2", "b3", "b4")
    shell("correct", "hide", "b")
    shown, everything = (shell.json("clusters", "--level", "medium", *more)["clusters"] for more in ((), ("--hidden",)))
    assert len(shown) == len(everything) - 1
    assert shell.json("clusters", "--hidden")["clusters"] == everything
    assert len(shell.json("corrections")["corrections"]) == 5


def test_wrong_uses_say_how_it_is_written(shell: Shell) -> None:
    fill(shell)
    for wrong, message in (
        (("correct", "merge", "a"), "correct merge CLUSTER CLUSTER"),
        (("correct", "burn", "a"), "correct hide CLUSTER"),
        (("correct", "undo", "x"), "the number of a decision"),
        (("correct", "undo", "99"), "no decision"),
        (("correct", "hide", "nobody"), "nobody"),
    ):
        failed = shell(*wrong, code=1 if wrong[1] == "hide" else 2)
        assert message in " ".join(failed.stderr.replace("│", " ").split())
