"""Reports of what was done, and of what a collection holds."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

from indexers.progress import Tally
from indexers.types import Failure, Space
from retrieval import Collection
from retrieval.records.reports import ENDED, AddReport, Job, SpaceInfo, count_outcomes


def test_failures_count_as_equal_whenever_they_happened() -> None:
    assert Failure("/a", "broken", at="1") == Failure("/a", "broken", at="2")
    assert Failure("/a", "broken").to_dict()["attempts"] == 1


def test_reports_are_equal_whatever_the_time_they_took() -> None:
    assert AddReport(1, 2, 0, (), 3, seconds=0.5) == AddReport(1, 2, 0, (), 3, seconds=9.0)
    assert AddReport(1, 2, 0, (), 3) != AddReport(1, 2, 0, (), 4)
    assert "items" not in repr(AddReport(1, 2, 0, (), 3, items=(5,)))


def test_the_record_of_a_space_adds_how_full_it_is() -> None:
    space = Space(3, "clip", "clip:ViT-B-32", {"a": 1}, "abc", 512, "cosine", True)
    assert SpaceInfo.of(space, 9).to_dict() == {
        "name": "clip",
        "embedder": "clip:ViT-B-32",
        "dimension": 512,
        "metric": "cosine",
        "vectors": 9,
        "current": True,
    }


def test_a_new_job_is_queued_and_has_not_ended() -> None:
    job = Job("1", "add", {"paths": ["a"]})
    assert (job.state, job.done, job.total, job.tries, job.started, job.ended) == ("queued", 0, None, 0, None, None)
    assert abs(time.time() - job.created) < 5
    assert job.state not in ENDED
    assert dataclasses.replace(job, state="done").state in ENDED


def test_a_report_counts_what_a_run_did_and_shows_it_as_a_table(filled: Collection, folder: Path) -> None:
    (folder / "a & b.png").write_bytes(b"no picture")
    report = filled.add(folder)
    assert (report.added, report.known, report.failed, report.failed_before) == (0, 5, 1, 0)
    page = report._repr_html_()
    assert "<tr><th>known</th><td>5</td></tr>" in page
    for record in (filled.info(), filled.verify(), filled.sync(folder)):
        without_failures = re.sub("<td><table>.*?</table></td>", "", record._repr_html_())
        assert without_failures.count("<tr>") == len(record.to_dict())
    assert "<th>reason</th>" in page  # the failures are a table of their own
    assert "a &amp; b.png</td>" in page


def test_names_in_a_report_are_text() -> None:
    page = AddReport(0, 0, 1, (Failure("/<b>.png", "broken"),), 3)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;.png" in page


def test_outcomes_are_those_of_the_tally() -> None:
    tally = Tally(added=[4, 5], known=3, failures=[Failure("/a", "broken")], failed_before=1)
    assert count_outcomes(tally) == {
        "added": 2,
        "known": 3,
        "failed": 1,
        "failures": (Failure("/a", "broken"),),
        "failed_before": 1,
    }
