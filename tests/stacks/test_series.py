"""Series: shots that one camera has taken one after the other, of one frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from indexers.matching.clarity import Clarity
from retrieval.duplicates.shots import SERIES_SECONDS, Shot
from retrieval.stacks.series import AreAlike, Series, find_series, is_focus_series, list_runs
from tests.duplicates.test_shots import NOON, make_shot

LIGHTS = (1 / 100, 1 / 400, 1 / 25)  # seconds: 0, -2 and +2 EV


def series_of(
    shots: Sequence[Shot],
    clarities: Mapping[int, Clarity] | None = None,
    *,
    alike: AreAlike = lambda a, b: True,
    copies: Sequence[tuple[int, int]] = (),
) -> list[Series]:
    """Return the series among shots. alike: by default all show one frame. copies: pairs of ids, proved."""
    proved = {frozenset(pair) for pair in copies}
    return list(find_series(shots, lambda a, b: frozenset((a.id, b.id)) in proved, alike, clarities or {}))


def numbers_of(series: Sequence[Series]) -> list[tuple[str, list[int]]]:
    return [(kind, [shot.id for shot in shots]) for kind, shots, _ in series]


def take(*times: float, **capture: Any) -> list[Shot]:
    """Return shots at these seconds after noon; they are numbered from 1."""
    return [make_shot(number, NOON + time, **capture) for number, time in enumerate(times, 1)]


def make_clarity(left: float = 5.0, right: float = 5.0, brightness: tuple[float, float] = (100, 100)) -> Clarity:
    """Return that of a picture whose two halves have these octaves of sharpness, and these grey levels."""
    halves = [np.repeat([[a] * 4 + [b] * 4], 8, axis=0).astype(np.float32) for a, b in ((left, right), brightness)]
    return Clarity(*halves)


# ---- runs


def test_a_run_ends_with_a_long_pause() -> None:
    """The fourth begins more than two seconds after the third; alone it is no run."""
    shots = take(0, SERIES_SECONDS, 2 * SERIES_SECONDS, 3 * SERIES_SECONDS + 0.5)
    assert [(is_marked, [shot.id for shot in run]) for is_marked, run in list_runs(shots)] == [(False, [1, 2, 3])]


def test_a_pause_begins_when_the_shutter_closes() -> None:
    assert [len(run) for _, run in list_runs(take(0, 31, 62, exposure=30.0))] == [3]
    assert list_runs(take(0, 31, 62, exposure=1.0)) == []


def test_runs_are_in_the_order_of_time_and_then_of_names() -> None:
    shots = [
        make_shot(1, NOON + 1, stem="img_9"),
        make_shot(2, NOON, stem="img_11"),
        make_shot(3, NOON, stem="img_9"),
        make_shot(4, NOON, stem="img_10"),
    ]
    [(_, run)] = list_runs(shots)
    assert [shot.id for shot in run] == [3, 4, 2, 1]
    assert list_runs(shots[::-1]) == [(False, run)]


def test_each_camera_has_its_own_runs() -> None:
    cameras = ["A", "B", "A", "B", "C", ""]
    shots = [make_shot(number, NOON + number / 10, camera=camera) for number, camera in enumerate(cameras)]
    assert [[shot.id for shot in run] for _, run in list_runs([*shots, make_shot(9, NOON, camera="")])] == [
        [0, 2],
        [1, 3],
    ]


def test_shots_without_a_time_are_in_no_run_but_that_which_their_camera_marks() -> None:
    assert list_runs(take(math.nan, math.nan)) == []
    marked = take(math.nan, math.nan, burst="X")
    assert list_runs(marked) == [(True, marked)]
    assert list_runs(take(math.nan, burst="X")) == []


# ---- bursts


def test_shots_of_one_frame_are_a_burst() -> None:
    [series] = series_of(take(0, 0.2, 0.4))
    assert numbers_of([series]) == [("burst", [1, 2, 3])]
    assert series.reason == "3 shots within 0.4 s by Canon R5"


def test_another_frame_begins_another_series() -> None:
    shots = take(0, 0.2, 0.4, 0.6, 0.8)
    assert numbers_of(series_of(shots, alike=lambda a, b: b.id != 3)) == [("burst", [1, 2]), ("burst", [3, 4, 5])]
    assert series_of(shots, alike=lambda a, b: False) == []


def test_pictures_that_show_nothing_are_together_within_a_second() -> None:
    assert numbers_of(series_of(take(0, 1, 2.5), alike=lambda a, b: None)) == [("burst", [1, 2])]


def test_what_a_camera_marks_is_a_burst_whatever_it_shows() -> None:
    [series] = series_of(take(0, 0.1, 5, burst="X"), alike=lambda a, b: False)
    assert numbers_of([series]) == [("burst", [1, 2, 3])]
    assert series.reason == "3 shots within 5 s by Canon R5, marked by the camera"
    [unknown] = series_of(take(math.nan, math.nan, camera="", burst="X"))
    assert unknown.reason == "2 shots, marked by the camera"


def test_an_exposure_counts_as_one_whose_files_are_many() -> None:
    """Of a RAW file and its JPEG the latter is in the series, of a picture and its smaller copy the former."""
    shots = [
        make_shot(1, NOON, format="CR2"),
        make_shot(2, NOON),
        make_shot(3, NOON, size=(30, 20)),
        make_shot(4, NOON + 0.2),
    ]
    assert numbers_of(series_of(shots)) == [("burst", [2, 4])]
    assert series_of(shots[:3]) == []


def test_proved_copies_of_one_moment_are_one_and_other_shots_never() -> None:
    """Two shots may be so alike that they pass for copies: their times say that they are two."""
    same = [make_shot(number, NOON, stem=stem, is_exact=False) for number, stem in enumerate(("a", "b"), 1)]
    assert numbers_of(series_of(same)) == [("burst", [1, 2])]
    assert series_of(same, copies=[(1, 2)]) == []
    assert numbers_of(series_of(take(0, 1), copies=[(1, 2)])) == [("burst", [1, 2])]


# ---- brackets


def bracket(values: Sequence[float], start: int = 1, **capture: Any) -> list[Shot]:
    return [
        make_shot(number, NOON + number / 4, bias=value, **capture)
        for number, value in enumerate(values, start)
    ]  # fmt: skip


def test_compensations_that_differ_are_a_bracket() -> None:
    [series] = series_of(bracket([0.0, -1.0, 1.0]))
    assert numbers_of([series]) == [("exposure bracket", [1, 2, 3])]
    assert series.reason == "exposed by +0, -1, +1 EV within 0.5 s"


def test_other_settings_are_a_bracket_too() -> None:
    shots = [make_shot(number, NOON + number, exposure=light, iso=100.0) for number, light in enumerate(LIGHTS)]
    [series] = series_of(shots)
    assert series.kind == "exposure bracket"
    assert series.reason == "exposed by +0, -2, +2 EV within 2 s"


@pytest.mark.parametrize(
    ("values", "capture", "kind"),
    [
        ([0.0, 1.0], {}, "burst"),  # two may be a second try
        ([0.0, 1.0], {"bracketed": True}, "exposure bracket"),
        ([0.0, 0.2], {"bracketed": True}, "burst"),
        ([0.0, 0.3, -0.25], {}, "burst"),  # from the darkest to the brightest there is little
        ([0.0, 0.3, -0.3], {}, "exposure bracket"),
        ([1.0, 1.0, 1.0], {}, "burst"),
    ],
)
def test_steps_are_large_enough_and_many(values: list[float], capture: dict[str, Any], kind: str) -> None:
    assert numbers_of(series_of(bracket(values, **capture))) == [(kind, list(range(1, len(values) + 1)))]


@pytest.mark.parametrize(("levels", "kind"), [((60, 100, 160), "exposure bracket"), ((100, 100, 103.9), "burst")])
def test_a_camera_that_follows_the_light_makes_no_bracket(levels: tuple[float, ...], kind: str) -> None:
    """Its pictures are equally bright."""
    shots = [make_shot(number, NOON + number, exposure=light, iso=100.0) for number, light in enumerate(sorted(LIGHTS))]
    clarities = {number: make_clarity(brightness=(level, level)) for number, level in enumerate(levels)}
    assert [series.kind for series in series_of(shots, clarities)] == [kind]


def test_brackets_follow_each_other_and_a_burst_follows_them() -> None:
    shots = bracket([0.0, -1.0, 1.0, 0.0, -1.0, 1.0, 1.0, 1.0])
    assert numbers_of(series_of(shots)) == [
        ("exposure bracket", [1, 2, 3]),
        ("exposure bracket", [4, 5, 6]),
        ("burst", [7, 8]),
    ]


def test_a_burst_goes_before_the_bracket_that_follows_it() -> None:
    shots = bracket([0.0, 0.0, 0.0, -1.0, 1.0])
    assert numbers_of(series_of(shots)) == [("burst", [1, 2]), ("exposure bracket", [3, 4, 5])]


# ---- focus series

NEAR, FAR, BETWEEN = make_clarity(6, 4), make_clarity(4, 6), make_clarity(5, 5)


def test_shots_that_are_each_sharp_elsewhere_are_a_focus_series() -> None:
    [series] = series_of(take(0, 1, 2), {1: NEAR, 2: BETWEEN, 3: FAR})
    assert numbers_of([series]) == [("focus series", [1, 2, 3])]
    assert series.reason == "3 shots within 2 s by Canon R5, each sharp in other parts"


@pytest.mark.parametrize(
    ("clarities", "why"),
    [
        ([NEAR, NEAR, NEAR], "nothing changes"),
        ([NEAR, make_clarity(5, 3), make_clarity(4, 2)], "a shaken camera blurs all parts alike"),
        ([NEAR, BETWEEN, make_clarity(4, 6, (130, 70))], "something has moved"),
        ([make_clarity(2.9, 1), make_clarity(2, 2), make_clarity(1, 2.9)], "nothing is there to be sharp"),
        ([make_clarity(5.3, 5), BETWEEN, make_clarity(5, 5.3)], "it is hardly sharper"),
    ],
)
def test_other_differences_are_of_a_burst(clarities: list[Clarity], why: str) -> None:
    known = dict(enumerate(clarities, 1))
    assert numbers_of(series_of(take(0, 1, 2), known)) == [("burst", [1, 2, 3])], why


def test_a_frame_may_become_brighter_as_a_whole() -> None:
    clarities = {1: NEAR, 2: BETWEEN, 3: make_clarity(4, 6, (150, 150))}
    assert is_focus_series(take(0, 1, 2), clarities)


def test_two_shots_are_a_focus_series_if_they_state_two_distances() -> None:
    clarities = {1: NEAR, 2: FAR}
    assert not is_focus_series(take(0, 1), clarities)
    assert not is_focus_series(take(0, 1, distance=2.0), clarities)
    shots = [make_shot(number, NOON + number, distance=float(number)) for number in (1, 2)]
    assert is_focus_series(shots, clarities)


def test_what_is_not_measured_or_exposed_otherwise_is_no_focus_series() -> None:
    clarities = {1: NEAR, 2: BETWEEN, 3: FAR}
    assert is_focus_series(take(0, 1, 2, exposure=0.01, iso=100.0), clarities)
    assert not is_focus_series(take(0, 1, 2), {1: NEAR, 3: FAR})
    shots = [make_shot(number, NOON + number, exposure=0.01, iso=100.0 * number) for number in (1, 2, 3)]
    assert not is_focus_series(shots, clarities)


def test_a_burst_that_a_camera_marks_is_none() -> None:
    shots = take(0, 1, 2, burst="X")
    assert [series.kind for series in series_of(shots, {1: NEAR, 2: BETWEEN, 3: FAR})] == ["burst"]


@pytest.mark.parametrize(("columns", "expected"), [(1, True), (0, False)])
def test_where_nothing_moves_at_all_a_column_of_parts_is_enough(columns: int, expected: bool) -> None:
    """A column is an eighth of the parts, and enough where nothing moves; where something does, it is not."""
    sharpness = np.full((3, 8, 8), 5, np.float32)
    sharpness[0, :, :columns] += 1
    sharpness[2, :, 8 - columns :] += 1
    still = np.full((8, 8), 100, np.float32)
    moving = still.copy()
    moving[0] = 140  # an eighth of the parts; the others are 5 below the mean
    shots = take(0, 1, 2)
    assert is_focus_series(shots, {n: Clarity(sharpness[n - 1], still) for n in (1, 2, 3)}) is expected
    assert not is_focus_series(shots, {n: Clarity(sharpness[n - 1], moving if n == 2 else still) for n in (1, 2, 3)})
