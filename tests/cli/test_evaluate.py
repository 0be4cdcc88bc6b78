"""The command `evaluate`, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Collection
from tests.clusters.test_browse import families
from tests.evaluation.test_evaluate import label_by_family
from tests.evaluation.test_trials import foreign_clusterers
from tests.pages.test_evaluation import read_rows
from tests.support.shell import Shell

__all__ = ["families", "foreign_clusterers"]


@pytest.fixture
def shell(families: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a command line whose collection holds six clusters, each item labelled with its cluster's name."""
    label_by_family(families)
    monkeypatch.setenv("NEARKIN_COLLECTION", str(families.path))
    return Shell(tmp_path, monkeypatch)


@pytest.mark.usefixtures("foreign_clusterers")
def test_a_table_a_page_and_json_say_the_same(shell: Shell) -> None:
    options = ("--labels", "family", "--method", 'halves={"column": 1}', "--method", "broken", "--draws", 1)
    done = shell("evaluate", *options, "--html", "page.html", code=1)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "228 items, 228 of them labelled by 'family' (10 different labels). Stability is the mean of 1 repeat."
    )
    [medium] = [line.split() for line in lines if line.startswith("medium")]
    assert medium[:3] == ["medium", "6", "2%"]
    [failed] = [line for line in lines if line.startswith("  broken *: failed: ")]
    assert "no_such_package_at_all" in failed
    assert lines[-1] == "wrote page.html"
    page = read_rows((shell.place / "page.html").read_text())
    assert page["medium"] == medium[1:]
    [halves] = [line for line in lines if line.startswith("halves column=1 *")]
    assert halves.split()[3:] == " ".join(page["halves column=1 *"]).split()
    answer = shell.json("evaluate", *options[:4], "--draws", 0)
    assert [record["name"] for record in answer["clusterings"]][-1] == "halves column=1"
    assert answer["clusterings"][1]["clusters"] == 6
    assert answer["random_state"] == 0
    assert done.stderr == ""


def test_wrong_use_is_told(shell: Shell) -> None:
    assert "no item has the metadata key 'x'" in shell("evaluate", "--labels", "x", code=2).stderr
    assert "there is no clusterer 'x'" in shell("evaluate", "--method", "x", code=2).stderr
    assert "--method kmeans= takes JSON" in shell("evaluate", "--method", "kmeans={", code=2).stderr
    assert "k is 999; only 228 items" in shell("evaluate", "--k", 999, code=2).stderr
    assert "draws is the number of times" in shell("evaluate", "--draws", -1, code=2).stderr
    assert "there is no space 'x'" in shell("evaluate", "--space", "x", code=1).stderr


def test_all_spaces_and_a_sample(shell: Shell) -> None:
    answer = shell.json("evaluate", "--all-spaces", "--sample", 60, "--draws", 0, "--k", 3)
    assert [record["space"] for record in answer["spaces"]] == ["vectors"]
    assert answer["judged"] == 60
    assert answer["clusterings"][-1]["parameters"]["n_clusters"] == 3
