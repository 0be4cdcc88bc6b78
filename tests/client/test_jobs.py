"""Jobs as the client waits for them."""

from __future__ import annotations

import pytest

from indexers.errors import BadQuery, UsageError
from retrieval.client.jobs import read_report
from retrieval.records.reports import Job


def test_the_report_of_a_job_that_is_done() -> None:
    assert read_report(Job("1", "verify", {}, state="done", report={"ok": True})) == {"ok": True}


@pytest.mark.parametrize(
    ("job", "error_class", "sentence"),
    [
        (Job("1", "verify", {}, state="failed", error="no such level", problem="bad-query"), BadQuery, "no such level"),
        (Job("1", "verify", {}, state="failed", error="of an older server"), UsageError, "of an older server"),
        (Job("1", "verify", {}, state="cancelled"), UsageError, "the job was cancelled"),
    ],
)
def test_a_job_that_failed_raises_its_own_error(job: Job, error_class: type, sentence: str) -> None:
    with pytest.raises(error_class, match=sentence) as error:
        read_report(job)
    assert type(error.value) is error_class
