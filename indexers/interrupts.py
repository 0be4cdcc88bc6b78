"""Context managers that are safe from interrupts (Ctrl+C), which Python may raise between any two instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def guarded_context(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a context manager of a generator function, as `contextlib.contextmanager` does, whose end is not lost.

    An interrupt in contextlib's own code, just before or after the generator runs, leaves the generator suspended for
    as long as somebody holds the traceback (a notebook does), and with it whatever it has taken. Here it is closed.
    """
    build = contextmanager(function)

    @wraps(function)
    def open_guarded(*arguments: P.args, **options: P.kwargs) -> AbstractContextManager[T]:
        return _Guarded(build(*arguments, **options))

    return open_guarded


class _Guarded(AbstractContextManager[T]):
    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def __enter__(self) -> T:
        try:
            entered: T = self._manager.__enter__()
            return entered  # within the `try`: from here to the block of the caller no interrupt can come
        except BaseException:
            self._manager.gen.close()
            raise

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._manager.__exit__(*error)
        finally:
            self._manager.gen.close()  # as a rule it has ended
