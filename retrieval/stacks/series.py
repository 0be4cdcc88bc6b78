"""Series: shots that one camera has taken one after the other, of one frame: bursts, brackets, focus series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from indexers.matching.clarity import Clarity
from retrieval.duplicates.shots import (
    SERIES_SECONDS,
    Shot,
    are_separate_shots,
    have_one_moment,
    measure_light,
    name_burst,
)

BURST, BRACKET, FOCUS = "burst", "exposure bracket", "focus series"
_STEP = 0.25  # EV between two exposures of a bracket, at least
_SPAN, _LIGHT_SPAN = 0.6, 1.3  # EV from the darkest to the brightest: by the compensation, and by the settings
_BRIGHTER = 4.0  # grey levels by which the brightest of them is brighter than the darkest, at least
_TEXTURED = 3.0  # octaves of sharpness from which on a part has something to be sharp
_STEADY = 10.0  # grey levels by which a part may become brighter in which nothing has moved
_SEEN, _STILL = 0.15, 0.7  # the share of parts in which sharpness is seen, and of those in which nothing moves
_FIXED = 0.95  # the share of the latter from which on nothing moves at all
_SHARPER = 0.4  # octaves by which a part is sharper in focus
_PLACE, _FIXED_PLACE = 0.15, 0.07  # the share of the parts that each of two shots shows sharper than the other
_BLANK_SECONDS = 1.0  # within which pictures that show nothing are one burst

AreAlike = Callable[[Shot, Shot], bool | None]


class Series(NamedTuple):
    """Shots in the order in which they were taken, and in words why they are a series."""

    kind: str
    shots: tuple[Shot, ...]
    reason: str


def find_series(
    shots: Iterable[Shot],
    are_copies: Callable[[Shot, Shot], bool],
    are_alike: AreAlike,
    clarities: Mapping[int, Clarity],
) -> Iterator[Series]:
    """Yield the series among shots. are_copies: whether two pictures are proved to be one."""
    for is_marked, run in list_runs(shots):
        exposures = _leave_out_copies(run, are_copies)
        for chain in [exposures] if is_marked else _split_frames(exposures, are_alike):
            yield from _name_series(chain, clarities, is_marked)


def list_runs(shots: Iterable[Shot]) -> list[tuple[bool, list[Shot]]]:
    """Return the runs of shots by one camera without a long pause, of two shots at least, and whether the camera itself
    has marked them as a burst."""
    marked: dict[str, list[Shot]] = {}
    by_camera: dict[str, list[Shot]] = {}
    for shot in shots:
        burst = name_burst(shot)
        if burst is not None:
            marked.setdefault(burst, []).append(shot)
        elif shot.camera and shot.has_time:
            by_camera.setdefault(shot.camera, []).append(shot)
    runs = [(True, sorted(run, key=_order_key)) for run in marked.values()]
    for taken in by_camera.values():
        run: list[Shot] = []
        for shot in sorted(taken, key=_order_key):
            if run and shot.time - run[-1].time > SERIES_SECONDS + run[-1].capture.get("exposure", 0.0):
                runs.append((False, run))
                run = []
            run.append(shot)
        runs.append((False, run))
    return [(is_marked, run) for is_marked, run in runs if len(run) > 1]


def _order_key(shot: Shot) -> tuple[float, int, str, bytes]:
    return (shot.time if shot.has_time else 0.0), len(shot.stem), shot.stem, shot.content


def _leave_out_copies(run: Sequence[Shot], are_copies: Callable[[Shot, Shot], bool]) -> list[Shot]:
    """Return one shot of each exposure: of a RAW file and its JPEG the latter, of copies and edits the largest."""
    chosen: list[Shot] = []
    for shot in run:
        for place, other in enumerate(chosen):
            is_copy = not are_separate_shots(shot, other) and are_copies(shot, other)
            if is_copy or have_one_moment(shot, other):
                chosen[place] = min(shot, other, key=_rank)
                break
        else:
            chosen.append(shot)
    return chosen


def _rank(shot: Shot) -> tuple[bool, int, int, str, bytes]:
    return shot.is_raw, -shot.size[0] * shot.size[1], len(shot.stem), shot.stem, shot.content


def _split_frames(shots: Sequence[Shot], are_alike: AreAlike) -> Iterator[list[Shot]]:
    """Yield parts of a run whose shots show one frame, each with the next."""
    chain: list[Shot] = []
    for shot in shots:
        if chain:
            alike = are_alike(chain[-1], shot)
            if alike is None:
                alike = shot.time - chain[-1].time <= _BLANK_SECONDS
            if not alike:
                yield chain
                chain = []
        chain.append(shot)
    yield chain


def _name_series(chain: Sequence[Shot], clarities: Mapping[int, Clarity], is_marked: bool) -> Iterator[Series]:
    rest: list[Shot] = []
    place = 0
    while place < len(chain):
        bracket = _find_bracket(chain[place:], clarities)
        if bracket is None:
            rest.append(chain[place])
            place += 1
            continue
        yield from _name_rest(rest, clarities, is_marked)
        rest = []
        yield bracket
        place += len(bracket.shots)
    yield from _name_rest(rest, clarities, is_marked)


def _name_rest(shots: Sequence[Shot], clarities: Mapping[int, Clarity], is_marked: bool) -> Iterator[Series]:
    if len(shots) < 2:
        return
    when = f"{len(shots)} shots{_describe_seconds(shots)}{' by ' + shots[0].camera if shots[0].camera else ''}"
    if not is_marked and is_focus_series(shots, clarities):
        yield Series(FOCUS, tuple(shots), f"{when}, each sharp in other parts")
    else:
        yield Series(BURST, tuple(shots), f"{when}, marked by the camera" if is_marked else when)


def _describe_seconds(shots: Sequence[Shot]) -> str:
    times = [shot.time for shot in shots if shot.has_time]
    if len(times) < 2:
        return ""
    return f" within {max(times) - min(times) or 1:.1f} s".replace(".0 s", " s")


# ---- brackets


def _find_bracket(chain: Sequence[Shot], clarities: Mapping[int, Clarity]) -> Series | None:
    """Return the bracket with which a chain begins: shots of one frame, each exposed otherwise."""
    for measure, span in ((lambda shot: shot.capture.get("bias"), _SPAN), (measure_light, _LIGHT_SPAN)):
        values: list[float] = []
        for shot in chain:
            value = measure(shot)
            if value is None or any(abs(value - other) < _STEP for other in values):
                break
            values.append(value)
        shots = chain[: len(values)]
        is_stated = bool(shots) and all(shot.capture.get("bracketed") for shot in shots)
        width = max(values) - min(values) if values else 0.0
        if len(shots) < (2 if is_stated else 3) or width < (_STEP if is_stated else span):
            continue
        if is_stated or _grows_brighter(shots, values, clarities):
            middle = values[0] if span == _LIGHT_SPAN else 0.0
            steps = ", ".join(f"{value - middle:+.1f}".replace(".0", "") for value in values)
            return Series(BRACKET, tuple(shots), f"exposed by {steps} EV{_describe_seconds(shots)}")
    return None


def _grows_brighter(shots: Sequence[Shot], values: Sequence[float], clarities: Mapping[int, Clarity]) -> bool:
    """Return True if the pictures are as bright as their exposures say, as far as that is known: a camera that follows
    the light takes equally bright ones."""
    means = [float(clarities[shot.id].brightness.mean()) if shot.id in clarities else None for shot in shots]
    darkest, brightest = means[int(np.argmin(values))], means[int(np.argmax(values))]
    return darkest is None or brightest is None or brightest - darkest >= _BRIGHTER


# ---- focus


def is_focus_series(shots: Sequence[Shot], clarities: Mapping[int, Clarity]) -> bool:
    """Return True if two of the shots are each sharper than the other in some parts of a frame in which little changes.

    Who moves leaves other parts behind, which are then brighter or darker; a shaken camera blurs all parts alike.
    """
    distances = [shot.capture.get("distance") for shot in shots]
    is_stated = None not in distances and len(set(distances)) == len(shots)
    if len(shots) < (2 if is_stated else 3) or any(shot.id not in clarities for shot in shots):
        return False
    if any(_are_exposed_otherwise(a, b) for a, b in pairwise(shots)):
        return False
    sharpness = np.stack([clarities[shot.id].sharpness for shot in shots])
    brightness = np.stack([clarities[shot.id].brightness for shot in shots])
    brightness -= brightness.mean(axis=(1, 2), keepdims=True)
    is_textured = sharpness.max(axis=0) >= _TEXTURED
    is_steady = np.ptp(brightness, axis=0) <= _STEADY
    parts = sharpness[:, is_textured & is_steady]
    if parts.shape[1] < _SEEN * is_textured.size or is_steady.mean() < _STILL:
        return False
    sharper = (parts[:, None] - parts[None, :] >= _SHARPER).mean(axis=2)
    return bool(np.minimum(sharper, sharper.T).max() >= (_FIXED_PLACE if is_steady.mean() >= _FIXED else _PLACE))


def _are_exposed_otherwise(a: Shot, b: Shot) -> bool:
    light = measure_light(a), measure_light(b)
    return light[0] is not None and light[1] is not None and abs(light[0] - light[1]) > _STEP
