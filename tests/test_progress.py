"""How far a run is: its rate and what is left."""

from __future__ import annotations

from indexers.progress import Progress, Tally


def test_the_rate_tells_what_is_left() -> None:
    state = Progress(total=30, done=10, added=8, known=1, failed=1, seconds=2.0)
    assert (state.rate, state.left) == (5.0, 4.0)


def test_before_anything_is_done_nothing_is_foretold() -> None:
    assert Progress(5, 0, 0, 0, 0, 0.0).left is None
    assert Progress(5, 0, 0, 0, 0, 1.0).left is None


def test_each_run_counts_for_itself() -> None:
    first, second = Tally(), Tally()
    first.added.append(1)
    assert second.added == []
