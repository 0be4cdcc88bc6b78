"""What the picture that is kept takes over: by a rule for each key, shown before, all of it or nothing, and undone."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexers.errors import UsageError
from indexers.types import ItemRow, Json
from retrieval import Collection, Merge
from retrieval.duplicates.merging import DEFAULTS, check_keys, check_rules, plan_merge
from retrieval.records.duplicates import DuplicateGroup
from tests.bench.faults_points import Points
from tests.support import pictures


def make_row(item_id: int, metadata: Json | None = None, text: str | None = None, date: str | None = None) -> ItemRow:
    size = {"width": 4, "height": 3, "format": "PNG", "bytes": 9}
    return ItemRow(
        item_id, f"k{item_id}", None, **size, text=text, taken_at=date, added_at=0, metadata=metadata or {}, uris=(),
        missing=False,
    )  # fmt: skip


def find_results(merge: Merge) -> dict[str, Any]:
    return {value.key: value.after for value in merge.values}


def test_the_usual_rules_lose_nothing_that_people_have_said() -> None:
    kept = make_row(
        1,
        {"tags": ["a", "b"], "rating": 2, "title": "Sea", "country": "Norway", "camera": "X", "hidden": False},
        date="2024-05-02T10:00:00",
    )
    other = make_row(
        2,
        {"tags": ["b", "c"], "albums": ["2024"], "rating": 5, "favourite": True, "title": "Sea at dusk", "hidden": True}
        | {"latitude": 59.9, "longitude": 10.7, "city": "Oslo", "country": "Norway", "camera": "Y", "mine": 7},
        text="words",
        date="2024-05-01T10:00:00.5",
    )
    merge = plan_merge(kept, [other], {})
    assert find_results(merge) == {
        "tags": ["a", "b", "c"], "albums": ["2024"], "rating": 5, "favourite": True, "title": "Sea at dusk",
        "text": "words", "taken_at": {"taken_at": "2024-05-01T10:00:00.5"}, "hidden": False, "camera": "X", "mine": 7,
        "place": {"latitude": 59.9, "longitude": 10.7}, "address": {"city": "Oslo", "country": "Norway"},
    }  # fmt: skip
    assert not any(value.is_open for value in merge.values)
    assert {value.key: value.rule for value in merge.values}["tags"] == "union"


def test_what_goes_together_is_never_mixed() -> None:
    kept = make_row(1, {"latitude": 1.0, "longitude": 2.0, "utc_offset": "+02:00"}, date="2024-05-02T10:00:00")
    other = make_row(2, {"latitude": 5.0, "longitude": 6.0, "altitude": 7.0}, date="2023-05-02T10:00:00")
    results = find_results(plan_merge(kept, [other], {}))
    assert results["place"] == {"latitude": 1.0, "longitude": 2.0}
    assert results["taken_at"] == {"taken_at": "2023-05-02T10:00:00"}, "without the time zone of another date"
    results = find_results(plan_merge(kept, [other], {"place": 2, "taken_at": "first"}))
    assert results["place"] == {"latitude": 5.0, "longitude": 6.0, "altitude": 7.0}
    assert results["taken_at"] == {"taken_at": "2024-05-02T10:00:00", "utc_offset": "+02:00"}


@pytest.mark.parametrize(
    ("rule", "after"),
    [("first", 3), ("own", 3), ("greatest", 4), ("ask", 3), (2, 4), ([9, 2], 4)],
)
def test_rules_that_are_given_come_before_the_usual_ones(rule: Any, after: int) -> None:
    rows = make_row(1, {"rating": 3}), make_row(2, {"rating": 4})
    (value,) = plan_merge(rows[0], rows[1:], {"rating": rule}).values
    assert (value.before, value.after, value.is_open) == (3, after, rule == "ask")
    assert value.rule == ("item 2" if not isinstance(rule, str) else rule)


def test_of_keys_that_nobody_knows_lists_are_joined_and_a_person_chooses_between_the_rest() -> None:
    rows = make_row(1, {"people": ["A"], "box": 1, "same": "x"}), make_row(2, {"people": ["B"], "box": 2, "same": "x"})
    merge = plan_merge(rows[0], rows[1:], {})
    assert find_results(merge) == {"people": ["A", "B"], "box": 1, "same": "x"}
    assert [value.key for value in merge.values if value.is_open] == ["box"]
    assert not any(value.is_open for value in plan_merge(rows[0], rows[1:], {"*": "first"}).values)
    odd = make_row(3, {"tags": "a text where a list is usual", "rating": "five"})
    merge = plan_merge(make_row(1, {"tags": ["x"], "rating": 3}), [odd], {})
    assert [value.key for value in merge.values if value.is_open] == ["tags", "rating"], "the usual rules don't fit"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"rating": "sum"}, r"there is no rule 'sum' for 'rating'; there are: union, first, longest"),
        ({"rating": None}, r"there is no rule None for 'rating'"),
        ({"rating": []}, r"there is no rule \[\] for 'rating'"),
        ({"rating": True}, r"there is no rule True for 'rating'"),
        ({"latitude": "first"}, r"'latitude' goes with longitude, altitude; give the rule of 'place'"),
        ({"utc_offset": "first"}, r"'utc_offset' goes with taken_at; give the rule of 'taken_at'"),
        ("first", r"merge is True, False, or rules by key, such as"),
        ({1: "first"}, r"merge is True, False, or rules by key, such as"),
    ],
)
def test_rules_that_are_none_are_refused(rules: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_rules(rules)


def test_keys_and_items_that_are_not_there_are_refused() -> None:
    groups = [[make_row(1, {"box": 1}), make_row(2, {"box": 2})]]
    check_keys({"box": 2, "rating": "first", "*": "first"}, groups)
    with pytest.raises(UsageError, match="no picture to merge has the key 'bax'; they have box"):
        check_keys({"bax": "first"}, groups)
    with pytest.raises(UsageError, match="names item 7, which is in none of the groups"):
        check_keys({"box": 7}, groups)


@pytest.mark.parametrize(
    ("rule", "value", "kind"),
    [("union", 3, "lists"), ("longest", 3, "texts"), ("greatest", "x", "numbers"), ("earliest", "soon", "dates")],
)
def test_a_rule_that_does_not_fit_says_which_value(rule: str, value: Any, kind: str) -> None:
    rows = make_row(1, {"box": value}), make_row(2, {"box": [value]})
    with pytest.raises(UsageError, match=f"the rule '{rule}' is for {kind}.*; item . says .* under 'box'"):
        plan_merge(rows[0], rows[1:], {"box": rule})


# ---- in a collection


KEYS = ("tags", "albums", "rating", "favourite", "title", "mine", "latitude", "longitude", "city", "utc_offset", "text")
PLAIN = st.none() | st.booleans() | st.integers(0, 5) | st.text("abc", max_size=4)
VALUES = PLAIN | st.lists(st.sampled_from("abc"), max_size=3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), min_size=2, max_size=4),
    texts=st.lists(st.none() | st.text("xyz", min_size=1), min_size=4, max_size=4),
)
def test_whatever_is_merged_is_undone(collection: Collection, said: list[Json], texts: list[str | None]) -> None:
    keys = [f"k{number}" for number in range(len(said))]
    collection.add([pictures.disc((9 * n, 90, 200)) for n in range(len(keys))], keys=keys)
    for key, metadata, text in zip(keys, said, texts, strict=False):
        collection.update(key, metadata, text=text, replace=True)
    before = collection.get(keys)
    ids = tuple(item.id for item in before)
    group = DuplicateGroup(1, "same picture", ids, ids[0], "most pixels", (), 0.9)
    (plan,) = collection.plan_merges([group], {"*": "first", **dict.fromkeys(DEFAULTS, "first")})
    rules = {value.key: "first" for value in plan.values}
    assert collection.plan_merges([group], rules)[0].values == plan.values
    (decision,) = collection.decide(group, ids[0], merge=rules)
    after = collection.get(keys)
    assert after[1:] == before[1:], "the others stay as they are"
    assert all(
        part in after[0].metadata.items() for part in before[0].metadata.items() if part[1] not in ("", [], None)
    )
    collection.undo(decision)
    assert collection.get(keys) == before
    with collection._catalogue.snapshot() as snapshot:
        assert snapshot.duplicates.decisions() == []


def take(path: Path, date: str, words: str = "") -> Path:
    """Write a photograph with a date and a description in its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = words
    exif.get_ifd(0x8769)[0x9003] = date
    pictures.noise(3, (80, 60)).resize((320, 240)).save(path, exif=exif, quality=95)
    return path


@pytest.fixture
def pair(collection: Collection, tmp_path: Path) -> DuplicateGroup:
    """Two files of one picture, of which the second is worse and says more."""
    take(tmp_path / "kept.jpg", "2024:05:02 10:00:00", "short")
    take(tmp_path / "other.jpg", "2024:05:01 10:00:00", "a longer one")
    with Image.open(tmp_path / "other.jpg") as image:
        image.resize((240, 180)).save(tmp_path / "other.jpg", exif=image.info["exif"], quality=80)
    collection.add(tmp_path / "kept.jpg", metadata={"tags": ["a"], "box": 1})
    collection.add(tmp_path / "other.jpg", metadata={"tags": ["b"], "rating": 4, "box": 2})
    (group,) = collection.duplicates()
    assert Path(collection.get(group.keep).uri or "").name == "kept.jpg"
    return group


def test_what_is_merged_outlives_changes_of_the_files(
    collection: Collection, pair: DuplicateGroup, tmp_path: Path
) -> None:
    before = collection.get(pair.keep)
    (decision,) = collection.decide(pair, pair.keep, merge={"box": "first"})
    merged = collection.get(pair.keep)
    assert merged.metadata == before.metadata | {"tags": ["a", "b"], "rating": 4, "caption": "a longer one"}
    assert (merged.taken_at, merged.text) == ("2024-05-01T10:00:00", "a longer one")
    assert collection.count(where={"tags": {"$contains": "b"}, "rating": 4}) == 2, "filters follow"
    collection.sync(tmp_path, check=True)
    assert collection.get(pair.keep) == merged
    assert collection.duplicates() == ()
    collection.undo(decision)
    assert collection.get(pair.keep) == before
    assert collection.duplicates() == (pair,)
    with pytest.raises(UsageError, match="there is no decision"):
        collection.undo(decision)


def test_what_people_say_later_is_not_undone(collection: Collection, pair: DuplicateGroup) -> None:
    (decision,) = collection.decide(pair, pair.keep, merge={"box": "first"})
    collection.update(pair.keep, {"rating": 1, "tags": ["a", "b", "later"]})
    collection.undo(decision)
    after = collection.get(pair.keep)
    assert (after.metadata["rating"], after.metadata["tags"]) == (1, ["a", "later"])


def test_an_open_choice_and_a_wrong_rule_change_nothing(
    collection: Collection, pair: DuplicateGroup, tmp_path: Path
) -> None:
    before, number, other = collection.get(pair.items), collection.change, pair.items[1]
    for rules, message in (
        (True, "under 'box' they say 1 .item 1. or 2 .item 2.; choose by a rule for it, such as box="),
        ({"box": "sum"}, "there is no rule 'sum'"),
        ({"bax": "first"}, "no picture to merge has the key 'bax'"),
        ({"box": "longest"}, "the rule 'longest' is for texts"),
    ):
        with pytest.raises(UsageError, match=message):
            collection.decide(pair, pair.keep, merge=rules)
        with pytest.raises(UsageError, match=message):
            collection.move_duplicates([pair], tmp_path / "t", dry_run=False, merge=rules)
        if rules is not True:
            with pytest.raises(UsageError, match=message):
                collection.move_duplicates([pair], tmp_path / "t", merge=rules)
    assert len(collection.move_duplicates([pair], tmp_path / "t", merge=True)) == 1, "a plan, which may be asked about"
    assert (collection.get(pair.items), collection.change) == (before, number)
    assert not (tmp_path / "t").exists()
    collection.decide(pair, pair.keep, merge={"box": other})
    assert collection.get(pair.keep).metadata["box"] == 2


def test_moving_and_merging_are_one_step_back(collection: Collection, pair: DuplicateGroup, tmp_path: Path) -> None:
    before = collection.get(pair.items)
    (move,) = collection.move_duplicates([pair], tmp_path / "t", dry_run=False, merge={"box": "first"})
    assert move.done
    assert collection.get(pair.keep).metadata["tags"] == ["a", "b"]
    collection.remove(pair.keep)
    with pytest.raises(UsageError, match=f"item {pair.keep}.* is in the trash; restore it first, then undo"):
        collection.undo_moves(tmp_path / "t" / "manifest.jsonl")
    assert not Path(move.source).exists(), "nothing is half undone"
    collection.restore(pair.keep)
    assert [move.done for move in collection.undo_moves(tmp_path / "t" / "manifest.jsonl")] == [True]
    assert collection.get(pair.items) == before
    collection.undo_moves(tmp_path / "t" / "manifest.jsonl")
    assert collection.get(pair.items) == before


def test_a_picture_whose_duplicates_stay_takes_nothing_over(
    collection: Collection, pair: DuplicateGroup, tmp_path: Path
) -> None:
    before = collection.get(pair.keep)
    (tmp_path / "kept.jpg").write_bytes(b"something else")
    move = collection.move_duplicates([pair], tmp_path / "t", dry_run=False, merge=True)[1]
    assert move.left == "the picture to keep is missing, or has changed"
    assert collection.get(pair.keep) == before


def test_nothing_of_an_item_deleted_for_good_stays(collection: Collection, pair: DuplicateGroup) -> None:
    (decision,) = collection.decide(pair, pair.keep, merge={"box": "first"})
    collection.remove(pair.keep, purge=True)
    with collection._catalogue.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM merging").scalar_one() == 0
    collection.undo(decision)


def run_apart(function: Callable[[], object]) -> int:
    """Call a function in a process of its own, and return how that ended."""
    child = os.fork()
    if not child:
        try:
            function()
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_any_point_it_is_merged_or_not_and_undone_whole(
    collection: Collection, pair: DuplicateGroup, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = collection.get(pair.items)
    collection.close()

    def move(point: str | None = None, hit: int = 0) -> None:
        points = Points(point, hit)
        with Collection.open(collection.path) as opened:
            points.arm()
            opened.move_duplicates([pair], tmp_path / "t", dry_run=False, merge={"box": "first"})
            (tmp_path / "counts").write_text(json.dumps(points.counts))

    def take_back() -> None:
        manifest = tmp_path / "t" / "manifest.jsonl"
        with Collection.open(collection.path) as opened:
            if manifest.exists() and manifest.read_text():
                opened.undo_moves(manifest)
            left = [path for path in (tmp_path / "t").glob("*") if path.stat().st_size]  # empty ones try names
            assert left in ([], [manifest])
            shutil.rmtree(tmp_path / "t", ignore_errors=True)
            opened.sync(tmp_path)
            assert opened.get(pair.items) == before
        assert {path.name for path in tmp_path.glob("*.jpg")} == {"kept.jpg", "other.jpg"}

    def read_kept() -> Json:
        with Collection.open(collection.path) as opened:
            return opened.get(pair.keep).metadata

    run_apart(move)
    counts, merged = json.loads((tmp_path / "counts").read_text()), read_kept()
    take_back()
    points = [(name, hit) for name, count in counts.items() for hit in range(1, count + 1)]
    assert len(points) > 30
    step = 1 if request.config.getoption("--slow") else len(points) // 16
    killed = 0
    for point, hit in points[::step]:
        killed += run_apart(partial(move, point, hit)) == signal.SIGKILL  # a few are passed less often than at first
        assert read_kept() in (before[0].metadata, merged), point
        take_back()
    assert killed > 0.9 * len(points[::step])
