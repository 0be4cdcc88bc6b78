"""A guarded context ends whatever interrupts it, also while somebody holds the traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from indexers.interrupts import guarded_context


@guarded_context
def note_end(ends: list[str], name: str = "end") -> Iterator[str]:
    """Note when the block ends."""
    try:
        yield name
    finally:
        ends.append(name)


def test_it_is_a_context_manager_like_any_other() -> None:
    ends: list[str] = []
    with note_end(ends, name="a") as name:
        assert (name, ends) == ("a", [])
    assert ends == ["a"]
    with pytest.raises(ValueError, match="x"), note_end(ends):
        raise ValueError("x")
    assert ends == ["a", "end"]


class InterruptedManager:
    """A manager of contextlib's in whose code an interrupt comes, before or after it runs the generator."""

    def __init__(self, manager: Any, step: str, is_late: bool) -> None:
        self.gen, self._manager, self._step, self._is_late = manager.gen, manager, step, is_late

    def _run(self, step: str, *error: object) -> object:
        if step == self._step and not self._is_late:
            raise KeyboardInterrupt
        result = getattr(self._manager, step)(*error)
        if step == self._step:
            raise KeyboardInterrupt
        return result

    def __enter__(self) -> object:
        return self._run("__enter__")

    def __exit__(self, *error: object) -> object:
        return self._run("__exit__", *error)


@pytest.mark.parametrize("step", ["__enter__", "__exit__"])
@pytest.mark.parametrize("is_late", [False, True])
def test_it_ends_if_the_interrupt_comes_in_the_code_of_contextlib(step: str, is_late: bool) -> None:
    ends: list[str] = []
    context: Any = note_end(ends)
    context._manager = InterruptedManager(context._manager, step, is_late)
    with pytest.raises(KeyboardInterrupt) as held, context:
        pass
    assert ends == ([] if (step, is_late) == ("__enter__", False) else ["end"])
    assert held.tb is not None  # the traceback, which alone keeps a generator of contextlib's alive
