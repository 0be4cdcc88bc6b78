"""Jobs as files. They lie in the collection's folder, which somebody else may have made: a file is read only if it is a
job as this server writes it, and it can't name another file than itself."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from typing import Any

from indexers.files import read_regular_file, replace_file
from indexers.types import Json
from retrieval.records.reports import ENDED, Job

MAX_BYTES = 16 * 2**20
"""The most bytes of a file: a request has at most 4 MB, and a report names some files that failed."""
MAX_DEPTH = 64
"""How deeply objects and lists may be nested."""
STATES = ("queued", "running", *ENDED)
NOT_A_JOB = (errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.EISDIR)
"""What the system says of links, pipes, devices, folders, and of a file that is too large."""


class JobUnreadable(Exception):
    """A file that holds no job."""


def read_job(path: Path) -> Job:
    """Return the job in a file; its id is the file's name. Raises JobUnreadable, and OSError for what may pass."""
    try:
        fields = json.loads(read_regular_file(path, MAX_BYTES), parse_constant=_refuse_constant)
    except OSError as error:
        if error.errno in NOT_A_JOB:
            raise JobUnreadable(error.strerror) from error
        raise
    except RecursionError as error:
        raise JobUnreadable("it is nested too deeply") from error
    except ValueError as error:
        raise JobUnreadable(str(error)) from error
    if not isinstance(fields, dict):
        raise JobUnreadable("it holds no object")
    _check_values(fields)
    try:
        job = Job(**{**fields, "id": path.stem})
    except TypeError as error:
        raise JobUnreadable(str(error)) from error
    _check_fields(job)
    return job


def write_job(path: Path, job: Job) -> None:
    """Write a job. That it was accepted, and how it ended, is on the disk afterwards; its progress need not be."""
    with replace_file(path, durable=job.state != "running") as partial:
        partial.write_text(json.dumps(job.to_dict()))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_values(value: Json) -> None:
    """Raise JobUnreadable for what could not be written or sent again: values nested too deeply, infinite numbers."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for container in level:
            inner += container.values() if isinstance(container, dict) else container
        if any(isinstance(leaf, float) and not math.isfinite(leaf) for leaf in inner):
            raise JobUnreadable("it holds a number that is too large")
        level = [element for element in inner if isinstance(element, dict | list)]
        if not level:
            return
    raise JobUnreadable("it is nested too deeply")


def _check_fields(job: Job) -> None:
    """Raise JobUnreadable unless every field is of its kind."""
    times, counts = (job.created, job.started, job.ended), (job.done, job.total, job.tries)
    if not (
        all(isinstance(text, str) for text in (job.kind, job.what, job.error or "", job.problem or ""))
        and job.state in STATES
        and isinstance(job.asked, dict)
        and isinstance(job.report, dict | None)
        and all(type(number) in (int, float) for number in times if number is not None)
        and all(type(number) is int and number >= 0 for number in counts if number is not None)
        and None not in (job.created, job.done, job.tries)
    ):
        raise JobUnreadable("a field has a value that no job has")
