"""Kinds of work are chosen by name."""

from __future__ import annotations

from typing import Any

import pytest

from indexers.errors import UsageError
from retrieval.work.kinds import WorkKind, choose_kinds


class Nothing(WorkKind):
    name = "nothing"

    def perform(self, rows: Any, beat: Any) -> dict[str, str]:
        return {}


KINDS: dict[str, WorkKind] = {"nothing": Nothing(), "other": Nothing()}


def test_all_are_meant_where_none_is_named() -> None:
    assert choose_kinds(None, KINDS, ["other"]) == ["other"]
    assert choose_kinds("nothing", KINDS, []) == ["nothing"]
    assert choose_kinds(["other", "nothing", "other"], KINDS, []) == ["other", "nothing"]


@pytest.mark.parametrize("names", ["", "sleep", [], [3], 7, {"nothing": 1}])
def test_what_is_no_kind_is_refused_with_those_there_are(names: Any) -> None:
    with pytest.raises(UsageError, match="nothing, other"):
        choose_kinds(names, KINDS, [])


def test_a_kind_that_can_not_tell_what_is_missing_asks_for_pictures() -> None:
    with pytest.raises(UsageError, match="'nothing' needs pictures to queue"):
        KINDS["nothing"].list_missing()
