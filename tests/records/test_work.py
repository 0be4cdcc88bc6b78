"""Records of work are plain values."""

from __future__ import annotations

from retrieval import QueueReport, WorkInfo, WorkReport


def test_they_are_json() -> None:
    info = WorkInfo(
        2, 1, 0, {"embed": {"waiting": 2, "running": 1, "failed": 0}}, workers=1, dead=("process 7 on attic",)
    )
    assert info.to_dict()["dead"] == ["process 7 on attic"]
    assert QueueReport(2, 0, 0, ()).to_dict()["queued"] == 2
    assert WorkReport(2, 0, (), 7, seconds=1.0) == WorkReport(2, 0, (), 7, seconds=2.0)
