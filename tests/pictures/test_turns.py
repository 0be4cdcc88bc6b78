"""Turns for large pictures: threads share a bound on their pixels, none waits for ever, small ones cost nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from indexers.pictures.turns import LARGE, Turns

LIMIT = 3 * LARGE


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


def hold(turns: Turns, pixels: int, entered: threading.Event, let_go: threading.Event | None = None) -> None:
    with turns.take_turns():
        turns.wait_for(pixels, LIMIT)
        entered.set()
        assert let_go is None or let_go.wait(10)


def is_waiting(future: Future[None]) -> bool:
    return not wait([future], 0.05).done


def test_pictures_that_do_not_fit_wait_until_others_are_done(turns: Turns, pool: ThreadPoolExecutor) -> None:
    entered, let_go = threading.Event(), threading.Event()
    first = pool.submit(hold, turns, 2 * LARGE, entered, let_go)
    assert entered.wait(10)
    pool.submit(hold, turns, LARGE, threading.Event()).result(10)  # fits beside it
    second = pool.submit(hold, turns, 2 * LARGE, threading.Event())
    assert is_waiting(second)
    let_go.set()
    first.result(10), second.result(10)


def test_one_that_is_larger_than_all_room_is_alone(turns: Turns, pool: ThreadPoolExecutor) -> None:
    entered, let_go = threading.Event(), threading.Event()
    huge = pool.submit(hold, turns, 10 * LIMIT, entered, let_go)
    assert entered.wait(10)
    other = pool.submit(hold, turns, LARGE, threading.Event())
    assert is_waiting(other)
    let_go.set()
    huge.result(10), other.result(10)


def test_smaller_ones_that_come_later_do_not_pass_a_large_one(turns: Turns, pool: ThreadPoolExecutor) -> None:
    first_entered, first_ends = threading.Event(), threading.Event()
    first = pool.submit(hold, turns, LARGE, first_entered, first_ends)
    assert first_entered.wait(10)
    large_entered, large_ends = threading.Event(), threading.Event()
    large = pool.submit(hold, turns, LIMIT, large_entered, large_ends)
    assert is_waiting(large)
    late = pool.submit(hold, turns, LARGE, threading.Event())
    assert is_waiting(late)
    first_ends.set()
    assert large_entered.wait(10)
    assert is_waiting(late)
    large_ends.set()
    large.result(10), late.result(10), first.result(10)


def test_small_pictures_and_those_outside_of_blocks_wait_for_nothing(turns: Turns, pool: ThreadPoolExecutor) -> None:
    entered, let_go = threading.Event(), threading.Event()
    full = pool.submit(hold, turns, LIMIT, entered, let_go)
    assert entered.wait(10)
    pool.submit(hold, turns, LARGE - 1, threading.Event()).result(10)
    pool.submit(turns.wait_for, LIMIT, LIMIT).result(10)
    let_go.set()
    full.result(10)


def test_who_holds_one_already_does_not_wait_and_gives_all_back(turns: Turns, pool: ThreadPoolExecutor) -> None:
    with turns.take_turns():
        turns.wait_for(LIMIT, LIMIT)
        with turns.take_turns():
            turns.wait_for(LIMIT, LIMIT)
        other = pool.submit(hold, turns, LARGE, threading.Event())
        assert is_waiting(other)
    other.result(10)


def test_a_forked_process_holds_nothing(turns: Turns, pool: ThreadPoolExecutor) -> None:
    with turns.take_turns():
        turns.wait_for(LIMIT, LIMIT)
        turns.forget()  # as a child does
        pool.submit(hold, turns, LIMIT, threading.Event()).result(10)
    pool.submit(hold, turns, LIMIT, threading.Event()).result(10)


def test_an_error_gives_back_too(turns: Turns, pool: ThreadPoolExecutor) -> None:
    with suppress(ZeroDivisionError), turns.take_turns():
        turns.wait_for(LIMIT, LIMIT)
        raise ZeroDivisionError
    pool.submit(hold, turns, LIMIT, threading.Event()).result(10)
