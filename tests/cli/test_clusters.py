"""The commands about clusters, as a user meets them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import Cluster, Collection
from tests.clusters.test_browse import SIZES, families, family, of
from tests.support.shell import Shell

__all__ = ["families"]


@pytest.fixture
def shell(families: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a command line whose collection holds six clusters."""
    monkeypatch.setenv("NEARKIN_COLLECTION", str(families.path))
    return Shell(tmp_path, monkeypatch)


def test_clusters_prints_a_tree(shell: Shell, families: Collection) -> None:
    output = shell("clusters").stdout
    assert f"families: {families.count()} items" in output
    for cluster in families.clusters("medium"):
        # of so few clusters coarse is medium: the two share a line
        assert re.search(rf"[├└] +{cluster.size} .*#({cluster.id}|{cluster.parent})\b", output), output
    assert "unclustered item" in output.splitlines()[-1]


def test_clusters_of_a_level_and_of_a_cut(shell: Shell) -> None:
    level = shell("clusters", "--level", "medium").stdout.splitlines()
    assert [int(line.split()[0]) for line in level] == [*SIZES, 6]
    assert level[-1].startswith("6 clusters, 4 unclustered items (change ")
    assert len(shell("clusters", "--count", 3).stdout.splitlines()) == 4
    assert "error: there is no level 'x'" in shell("clusters", "--level", "x", code=2).stderr
    assert "error: a cut takes" in shell("clusters", "--count", 3, "--threshold", 0.5, code=2).stderr


def test_clusters_as_json(shell: Shell, families: Collection) -> None:
    answer = shell.json("clusters")
    assert [cluster["size"] for cluster in answer["levels"]["medium"]["clusters"]] == list(SIZES)
    assert shell.json("clusters", "--level", "medium")["loose"] == 4
    assert {cluster["what"] for cluster in shell.json("clusters", "--since", 0)["events"]} >= {"born"}


def test_since_tells_what_happened(shell: Shell, families: Collection) -> None:
    before, cluster_id = families.info().change, of(families, "f1-0")
    families.remove(["f1-0", "f1-1"])
    output = shell("clusters", "--since", before).stdout
    assert f"#{cluster_id} medium shrank (+0 -2, now 48)" in output


def test_one_cluster_its_name_and_its_items(shell: Shell, families: Collection) -> None:
    cluster_id = of(families, "f0-0")
    assert shell("rename", cluster_id, "boats").stdout == f"#{cluster_id} is now named 'boats'\n"
    output = shell("cluster", cluster_id).stdout.splitlines()
    assert output[0].startswith(f"boats #{cluster_id}: 60 pictures, medium, in #")
    assert len(output) == 61
    assert shell.json("cluster", cluster_id)["cluster"]["name"] == "boats"
    assert shell("rename", cluster_id).stdout == f"#{cluster_id} has no name\n"
    past = shell("cluster", cluster_id, "--page", 99).stdout.splitlines()
    assert past[1] == "no items on page 99; the last page is 1"
    assert "error: there is no cluster 999" in shell("cluster", 999, code=1).stderr


def test_a_cluster_goes_by_its_name(shell: Shell, families: Collection) -> None:
    boats, birds = of(families, "f0-0"), of(families, "f1-0")
    shell("rename", f"#{boats}", "boats")
    assert shell("rename", "boats", "ships").stdout == f"#{boats} is now named 'ships'\n"
    assert shell("cluster", "SHIPS").stdout.startswith(f"ships #{boats}: 60 pictures")
    assert "error: there is no cluster named 'boats'" in shell("rename", "boats", "x", code=1).stderr
    assert len(shell.json("search", "--item", "f1-0", "--within", "ships", "-k", 3)["hits"]) == 3
    shell("rename", birds, "ships")
    error = shell("rename", "ships", "x", code=2).stderr
    assert f"2 clusters are named 'ships'; say which by its id: {boats} (medium, 60 items), {birds} (medium" in error
    shell("rename", birds, boats)
    error = shell("rename", boats, "x", code=2).stderr
    assert f"'{boats}' is the id of a cluster (ships, 60 items) and the name of another (#{birds}, " in error
    assert shell("rename", f"#{boats}").stdout == f"#{boats} has no name\n"
    assert shell("rename", "99999999999999999999999", "x", code=1).stderr.startswith("error: there is no cluster")


def test_pages_of_a_large_cluster(shell: Shell, families: Collection) -> None:
    families.add_vectors(family(0, 90, seed=2))
    coarse = max(families.clusters("coarse"), key=len_of)
    families.rename(int(coarse.id or 0), "all")
    first, last = shell("cluster", "all").stdout.splitlines(), shell("cluster", "all", "--page", 2).stdout.splitlines()
    assert (len(first), first[-1]) == (102, f"page 1 of 2, {coarse.size} items; more: --page 2")
    assert last[-1] == f"page 2 of 2, {coarse.size} items"
    past = shell("cluster", "all", "--page", 3, "--json")
    assert past.stderr == "no items on page 3; the last page is 2\n"


def len_of(cluster: Cluster) -> int:
    return cluster.size


def test_outliers_and_recluster(shell: Shell) -> None:
    output = shell("outliers", "-n", 4).stdout
    assert output.count("it is in no cluster") == 4
    assert len(shell.json("outliers", "-n", 2)["outliers"]) == 2
    assert re.search(r"\d+  s0  nearest #\d+ \(0\.\d\d\)", shell("loose").stdout)
    assert len(shell.json("loose", "--level", "medium")["loose"]) == 4
    assert shell("loose", "--page", 2).stdout == "no items on page 2; the last page is 1\n"
    chosen_again = re.fullmatch(
        r"(\d+) clusters at the level medium, (\d+) unclustered items?\n", shell("recluster").stdout
    )
    assert chosen_again
    assert int(chosen_again[1]) == 6
    assert int(chosen_again[2]) <= 4  # the levels are chosen again for what is there now


def test_searching_with_clusters(shell: Shell, families: Collection) -> None:
    cluster_id = of(families, "f0-0")
    hits = shell.json("search", "--item", "f1-0", "--within", cluster_id, "-k", 3)["hits"]
    assert all(cluster_id in hit["clusters"] for hit in hits)
    hits = shell.json("search", "--item", "f0-0", "--exclude", cluster_id, "-k", 3)["hits"]
    assert not any(cluster_id in hit["clusters"] for hit in hits)
    shell("rename", cluster_id, "two boats")
    by_name = shell.json("search", "--item", "f1-0", "--within", "two boats", "-k", 3)["hits"]
    assert all(cluster_id in hit["clusters"] for hit in by_name)
    shell("rename", cluster_id)
    failed = shell("search", "--item", "f1-0", "--within", "two boats", code=1)
    assert "there is no cluster named 'two boats'" in failed.stderr
    groups = shell.json("search", "--item", "f0-0", "--group", "-k", 3, "--per-cluster", 2)["groups"]
    assert [len(group["hits"]) for group in groups] == [2, 2, 2]
    output = shell("search", "--item", "f0-0", "--group", "-k", 2).stdout
    assert output.startswith(f"unnamed, 60 pictures  #{cluster_id}\n  0.8")
    assert len(shell.json("search", "--item", "f0-0", "--per-cluster", 1, "--level", "medium", "-k", 5)["hits"]) == 5


def test_a_page_with_thumbnails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "pictures"
    place.mkdir()
    random = np.random.default_rng(0)
    for number in range(30):
        colour = (200, 40, 40) if number % 2 else (40, 40, 200)
        array = np.clip(np.array(colour) + random.integers(-20, 20, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(array).save(place / f"{'red' if number % 2 else 'blue'} {number}.png")
    shell = Shell(tmp_path, monkeypatch)
    shell("add", place, "--embedder", "tiny")
    assert "wrote" in shell("clusters", "--html", "page.html").stdout
    page = (tmp_path / "page.html").read_text()
    assert "data:image/webp;base64," in page
    assert "http://" not in page
    (place / "red 1.png").unlink()
    shell("clusters", "--html", "page.html")
    output = shell("clusters", "--html", "nowhere/page.html", code=1).stderr
    assert output.startswith("error: cannot write nowhere/page.html: No such file")


def test_an_empty_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Collection.open(tmp_path / "c", create=True).close()
    shell = Shell(tmp_path, monkeypatch)
    assert "0 items" in shell("clusters", "-c", "c").stdout
    assert shell("outliers", "-c", "c").stdout == ""
    assert shell("clusters", "-c", "c", "--html", "page.html").stdout.startswith("wrote 0 clusters")


def test_partitions_hold_every_item_once(shell: Shell, families: Collection) -> None:
    rows = shell.json("partitions")["partitions"]
    assert sum(row["size"] for row in rows) == families.count()
    lines = shell("partitions").stdout.splitlines()
    assert lines[-1] == f"{len(rows)} partition{'s' if len(rows) > 1 else ''}"
    assert re.match(rf" +{rows[0]['size']}  mean similarity 0\.\d\d, such as \w+-?\d+$", lines[0])
