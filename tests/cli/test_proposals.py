"""Proposals on the command line."""

from __future__ import annotations

from retrieval import Collection
from tests.cli.test_corrections import fill
from tests.support.shell import Shell


def test_proposals_are_listed_accepted_and_rejected(shell: Shell) -> None:
    fill(shell)
    with Collection.open(shell.place / "nearkin-collection") as collection:
        collection.propose("metadata", items=["a0", "a1"], metadata={"tags": ["x\n"]}, reason="odd\x1b[2J", source="me")
        collection.propose("apart", items=["b0", "b1"])
        collection.propose("remove", items=[f"b{number}" for number in range(10)] + ["a5"])
    listed = shell("proposals").stdout
    assert "metadata items 1, 2 tags=" in listed
    assert "and 1 more" in listed
    assert "\x1b" not in listed
    assert "3 proposals open" in listed
    assert "take it back with: nearkin decide undo" in shell("proposals", "accept", 1, 2).stdout
    [row] = shell.json("proposals", "reject", 3)["proposals"]
    assert (row["state"], row["kind"]) == ("rejected", "remove")
    assert shell.json("proposals")["proposals"] == []
    assert len(shell.json("proposals", "--state", "accepted")["proposals"]) == 2
    assert "use: proposals accept NUMBER" in shell("proposals", "accept", code=2).stderr
    assert "is not open any more" in shell("proposals", "accept", 3, code=2).stderr
