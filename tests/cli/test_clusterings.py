"""The commands about clusterings by name, as a user meets them."""

from __future__ import annotations

import re
from pathlib import Path

from retrieval import Collection
from tests.cli.test_clusters import shell
from tests.clusters.test_browse import families
from tests.support.shell import Shell

__all__ = ["families", "shell"]


def test_one_is_made_seen_listed_refreshed_and_dropped(shell: Shell, families: Collection, tmp_path: Path) -> None:
    output = shell("cluster", "--method", "kmeans", "--k", 7, "--name", "themes").stdout
    assert re.match(r"themes: 7 clusters of 228 items, method kmeans, made 2\d{3}-", output)
    assert "since then: 0% new, 0% removed" in output
    assert shell("clusterings").stdout == shell("cluster", "--name", "themes").stdout == output
    assert shell("clusters", "--level", "themes").stdout.splitlines()[-1].startswith("7 clusters, 0 unclustered items")
    cluster = shell.json("clusters", "--level", "themes")["clusters"][0]
    assert shell("cluster", cluster["id"]).stdout.startswith(
        f"unnamed #{cluster['id']}: {cluster['size']} pictures, themes\n"
    )
    shell("clusters", "--level", "themes", "--html", tmp_path / "themes.html")
    assert '"levels":["themes"]' in (tmp_path / "themes.html").read_text()
    assert shell("cluster", "--name", "themes", "--refresh").stdout.startswith("themes: 7 clusters")
    assert shell("cluster", "--name", "themes", "--drop").stdout == "deleted the clustering themes\n"
    assert shell("clusterings").stdout == ""


def test_the_method_is_the_name_if_none_is_given(shell: Shell) -> None:
    clustering = shell.json("cluster", "--method", "kmeans", "-k", 3, "--settings", '{"n_init": 1}')
    assert (clustering["name"], clustering["parameters"]["n_init"]) == ("kmeans", 1)
    assert [record["name"] for record in shell.json("clusterings")["clusterings"]] == ["kmeans"]


def test_wrong_usage_is_a_sentence(shell: Shell) -> None:
    assert "give a cluster by its id or name, or --method" in shell("cluster", code=2).stderr
    assert "give a cluster by its id or name, or --method" in shell("cluster", 3, "--name", "x", code=2).stderr
    assert (
        "use --refresh or --drop together with --name"
        in shell("cluster", "--method", "kmeans", "--drop", code=2).stderr
    )
    assert "error: there is no clustering 'x'; there are: none" in shell("cluster", "--name", "x", code=1).stderr
    assert (
        "error: the method 'kmeans' needs the number of clusters"
        in shell("cluster", "--method", "kmeans", code=2).stderr
    )
    assert "error: there is no clusterer 'x'" in shell("cluster", "--method", "x", code=2).stderr
