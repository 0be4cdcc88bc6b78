"""What each kind of job does, and what it reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexers.errors import ClusteringNotFound
from retrieval import Collection
from retrieval.server import job_kinds
from retrieval.server.job_kinds import build_job_functions
from tests.pictures.test_text_reader import draw_lines
from tests.support.serving import paint_folder


class Progress:
    """Keeps what a job reports."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, int | None, str]] = []

    def __call__(self, done: int, total: int | None, activity: str) -> None:
        self.reports.append((done, total, activity))


def run(collection: Collection, kind: str, **request: Any) -> tuple[Any, Progress]:
    progress = Progress()
    return build_job_functions(collection)[kind](request, progress), progress


def test_adding_reports_counts_instead_of_ids(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 30)
    (folder / "broken.png").write_bytes(b"not a picture")
    report, progress = run(collection, "add", paths=[str(folder)], metadata={"album": "a"}, sync=False)
    assert (report["added"], report["known"], report["failed"], report["items"]) == (30, 0, 1, 30)
    assert [failure["uri"] for failure in report["failures"]] == [str(folder / "broken.png")]
    assert collection.count(where={"album": "a"}) == 30
    assert progress.reports[-1] == (31, 31, "30 added, 0 known, 1 failed")


def test_a_sync_also_marks_what_has_vanished(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 3)
    run(collection, "add", paths=[str(folder)], metadata=None, sync=True)
    (folder / "00001.png").unlink()
    report, _ = run(collection, "add", paths=[str(folder)], metadata=None, sync=True)
    assert (report["added"], report["known"], report["missing"], report["items"]) == (0, 2, 1, None)


def test_work_is_queued_and_done(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 3)
    request = {"paths": [str(folder)], "kinds": None, "metadata": None, "retry_failed": False}
    report, _ = run(collection, "queue", **request)
    assert (report["queued"], collection.count()) == (3, 0)
    report, progress = run(collection, "work", kinds=["embed"], retry_failed=False)
    assert (report["done"], report["failed"], collection.count()) == (3, 0, 3)
    assert progress.reports[-1][:2] == (3, 3)


def test_a_clustering_is_made_and_refreshed(filled: Collection) -> None:
    request = {"name": "mine", "method": "kmeans", "k": 2, "threshold": None, "settings": None}
    report, _ = run(filled, "cluster", **request)
    assert (report["name"], report["clusters"], report["items"]) == ("mine", 2, 5)
    report, _ = run(filled, "refresh", name="mine")
    assert report == {**filled.clusterings()[0].to_dict(), "made_at": report["made_at"]}
    with pytest.raises(ClusteringNotFound):
        run(filled, "refresh", name="none")


def test_duplicates_are_counted_as_of_a_change(filled: Collection) -> None:
    report, _ = run(filled, "duplicates")
    assert report == {"groups": len(filled.duplicates()), "change": filled.change()}


def test_folders_are_kept_in_step_with_all_that_was_asked_for(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 3)
    asked = {"paths": [str(folder)], "metadata": {"a": 1}, "retry_failed": False, "check": False}
    report, progress = run(collection, "sync", **asked)
    assert (report["added"], report["missing"], collection.count(where={"a": 1})) == (3, 0, 3)
    assert progress.reports[-1] == (3, 3, "3 added, 0 known, 0 failed")


def test_failures_are_tried_again(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    collection.add(tmp_path / "broken.png")
    report, _ = run(collection, "retry")
    assert (report["failed"], report["items"], collection.failures()[0].attempts) == (1, 0, 2)


def test_the_tree_is_built_again_and_counted(filled: Collection) -> None:
    report, progress = run(filled, "recluster")
    assert report["clusters"] == len(filled.clusters())
    assert progress.reports


def test_evaluating_and_verifying_report_records(filled: Collection) -> None:
    asked = {"labels": None, "k": None, "spaces": None, "draws": 0, "sample": 100, "random_state": 0}
    report, _ = run(filled, "evaluate", methods=[], **asked)
    assert (report["items"], report["draws"]) == (5, 0)
    report, _ = run(filled, "verify", repair=True, pictures=True)
    assert report["ok"]


def test_a_report_names_so_many_failures(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_kinds, "MAX_LISTED", 2)
    folder = tmp_path / "broken"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"not a picture")
    asked = {"paths": [str(folder)], "metadata": None}
    for kind, request in (
        ("add", {**asked, "sync": False}),
        ("sync", {**asked, "retry_failed": True, "check": False}),
        ("retry", {}),
    ):
        report, _ = run(collection, kind, **request)
        assert (report["failed"], len(report["failures"])) == (4, 2)


def test_the_text_in_pictures_is_read(collection: Collection, tmp_path: Path) -> None:
    draw_lines(["Harbour office"]).save(tmp_path / "page.png")
    collection.add(tmp_path / "page.png")
    report, progress = run(collection, "read", retry_failed=False)
    assert (report["read"], report["with_text"], report["failed"]) == (1, 1, 0)
    assert progress.reports == [(1, 1, "pictures read")]
    assert len(collection.search(query="harbour")) == 1
