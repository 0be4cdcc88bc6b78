"""Files of jobs that somebody else has written: none makes the server write elsewhere, fail for ever, or wait."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from retrieval.records.reports import Job
from retrieval.server import job_files
from retrieval.server.job_files import JobUnreadable, read_job, write_job

ID = "0" * 23 + "a"
GOOD = Job(ID, "add", {"paths": ["/a"]}, created=5.0).to_dict()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.json"
    job = Job(ID, "add", {"paths": ["/\ud83d"]}, "running", 3, None, "3 added", None, None, 1, 5.0, 6.5)
    write_job(path, job)
    assert read_job(path) == job


@pytest.mark.parametrize("name", ["../../../etc/evil", "/tmp/evil", "", None, 7, "b" * 24])
def test_the_id_is_the_files_name(tmp_path: Path, name: Any) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_text(json.dumps(GOOD | {"id": name}))
    assert read_job(path).id == ID


HOSTILE: dict[str, bytes] = {
    "cut": b'{"kind": "ad',
    "empty": b"",
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 100_000,
    "nested within the parser's limit": json.dumps(GOOD).encode()[:-1]
    + b', "report": {"a": '
    + b"[" * 400
    + b"]" * 400
    + b"}}",
    "a list": b"[]",
    "a number": b"1",
    "long number": b"1" * 10_000,
    "not UTF-8": b'{"kind": "\xff"}',
    "NUL": b"\0" * 100,
    "unknown field": json.dumps(GOOD | {"__class__": 1}).encode(),
    "no kind": b'{"asked": {}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_job_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(JobUnreadable):
        read_job(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"tries": -(10**9)},
        {"tries": None},
        {"tries": True},
        {"tries": "1"},
        {"state": "bogus"},
        {"state": []},
        {"kind": 1},
        {"asked": []},
        {"report": "text"},
        {"created": "now"},
        {"created": None},
        {"started": {}},
        {"done": 1.5},
        {"total": -1},
        {"error": 5},
        {"what": None},
        {"what": []},
    ],
    ids=str,
)
def test_fields_of_another_kind_are_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_text(json.dumps(GOOD | fields))
    with pytest.raises(JobUnreadable):
        read_job(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_cannot_carry_are_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / f"{ID}.json"
    for text in (
        json.dumps(GOOD | {"created": 5.5}).replace("5.5", number),
        '{"kind": "a", "asked": {"a": [0.5]}}'.replace("0.5", number),
    ):
        path.write_text(text)
        with pytest.raises(JobUnreadable):
            read_job(path)


def test_large_files_and_what_is_no_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"{ID}.json"
    write_job(path, Job(ID, "add", {"a": "x" * 1000}))
    monkeypatch.setattr(job_files, "MAX_BYTES", 1000)
    with pytest.raises(JobUnreadable):
        read_job(path)
    path.unlink()
    path.mkdir()
    with pytest.raises((JobUnreadable, OSError)):
        read_job(path)
    if os.name == "posix":
        path.rmdir()
        os.mkfifo(path)
        with pytest.raises(JobUnreadable):
            read_job(path)
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(JobUnreadable):
            read_job(path)
    with pytest.raises(OSError, match="No such file"):
        read_job(tmp_path / "missing.json")
