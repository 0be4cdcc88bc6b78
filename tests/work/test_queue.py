"""What can be queued, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexers.errors import BadQuery, UsageError
from retrieval import Collection


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ([], {}, "give files, folders or URLs to add, or kinds of work: embed"),
        ([], {"kinds": "embed"}, "'embed' needs pictures to queue"),
        ([], {"kinds": "sleep"}, "there is no work of the kind 'sleep'"),
        (["."], {"kinds": ["read"]}, "paths are work of the kind 'embed'; queue read without them"),
        ([7], {}, "paths is a path, or several"),
    ],
)
def test_what_is_no_work_is_refused(collection: Collection, arguments: Any, options: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        collection.queue(*arguments, **options)
    assert collection.info().work is None


def test_pictures_in_memory_are_not_queued(collection: Collection) -> None:
    image: Any = Image.new("RGB", (8, 8))
    with pytest.raises(UsageError, match="paths is a path"):
        collection.queue([image])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kinds": "sleep"}, "there is no work of the kind 'sleep'"),
        ({"lease": 0}, "lease is the seconds after which a silent worker counts as dead; got 0"),
        ({"lease": "x"}, "lease is the seconds .*, a number; got 'x'"),
        ({"batch": 0}, "batch is .* at least 1; got 0"),
    ],
)
def test_a_worker_that_can_not_be_is_refused(collection: Collection, options: Any, sentence: str) -> None:
    with pytest.raises((UsageError, BadQuery), match=sentence):
        collection.work(**options)


def test_what_waits_is_told_by_kind(filled: Collection, folder: Path) -> None:
    filled.queue(kinds="read")
    filled.queue(folder, metadata={"new": 1})
    work = filled.info().work
    assert work
    assert (work.waiting, work.running, work.failed, work.workers, work.dead) == (10, 0, 0, 0, ())
    assert work.kinds == {
        "embed": {"waiting": 5, "running": 0, "failed": 0},
        "read": {"waiting": 5, "running": 0, "failed": 0},
    }
    assert filled.info().to_dict()["work"]["waiting"] == 10
