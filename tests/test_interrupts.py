"""A guarded context ends whatever interrupts it, also while somebody holds the traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from indexers.interrupts import end_abandoned, guarded_context
from tests.support.interrupts import interrupt_at


@guarded_context
def note_end(ends: list[str], name: str = "end") -> Iterator[str]:
    """Note when the block ends."""
    try:
        yield name
    finally:
        ends.append(name)


@guarded_context
def nest(ends: list[str]) -> Iterator[None]:
    """Open a block within a generator."""
    with note_end(ends, "inner"):
        yield
    ends.append("outer")


def test_it_is_a_context_manager_like_any_other() -> None:
    ends: list[str] = []
    with note_end(ends, name="a") as name:
        assert (name, ends) == ("a", [])
    assert ends == ["a"]
    for kind in (ValueError, StopIteration, RuntimeError, GeneratorExit):
        with pytest.raises(kind, match="x"), note_end(ends):
            raise kind("x")
    assert ends == ["a", *["end"] * 4]


def test_it_may_deal_with_an_error_or_raise_another() -> None:
    @guarded_context
    def deal(answer: BaseException | None) -> Iterator[None]:
        with suppress(ValueError):
            yield
        if answer is not None:
            raise answer

    with deal(None):
        raise ValueError
    with pytest.raises(KeyError), deal(KeyError()):
        raise ValueError


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "function", ["_Guarded.__enter__", "_Guarded.__exit__", "_Guarded._throw", "_Guarded.let_go", "Block.end", "nest"]
)
def test_it_ends_if_an_interrupt_comes_at_any_first_instruction(function: str, number: int) -> None:
    ends: list[str] = []

    def run() -> None:
        with suppress(ValueError), nest(ends):
            raise ValueError

    held = interrupt_at(lambda code: code.co_qualname == function, number, run)
    with note_end([]):  # the next block of the thread
        pass
    is_entered = not (held and (function == "_Guarded.__enter__" or (function, number) == ("nest", 1)))
    assert ends.count("inner") == int(is_entered)


def test_what_an_interrupt_has_left_open_ends_before_the_next_block_begins() -> None:
    ends: list[str] = []

    def run() -> None:
        with note_end(ends, "cut"):
            pass

    held = interrupt_at(lambda code: code.co_qualname == "_Guarded.__exit__", 1, run)
    assert held is not None
    assert ends == []
    with note_end(ends, "next"):
        assert ends == ["cut"]
    assert ends == ["cut", "next"]


def test_blocks_that_still_run_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []

    def walk() -> Iterator[int]:
        with note_end(ends, "in a generator"):
            yield 1

    def deeper() -> None:
        with note_end(ends, "deeper"):
            end_abandoned()

    steps = walk()
    next(steps)
    with note_end(ends, "outer"), ExitStack() as stack:
        stack.enter_context(note_end(ends, "in a stack"))
        deeper()
        assert ends == ["deeper"]
    assert ends == ["deeper", "in a stack", "outer"]
    steps.close()
    monkeypatch.setitem(sys.modules, "gevent", sys)
    held = interrupt_at(lambda code: code.co_qualname == "_Guarded.__exit__", 1, deeper)
    end_abandoned()
    assert held is not None
    assert ends[-2:] == ["outer", "in a generator"]
