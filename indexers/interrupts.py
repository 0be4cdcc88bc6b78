"""Context managers that are safe from interrupts (Ctrl+C), which Python may raise between any two instructions.

An interrupt at the first instruction of an `__exit__` ends it before it has begun; what it should have let go of is
held for as long as somebody holds the traceback, as a notebook does. So a `Block` knows the function that runs it: the
next one that a thread opens ends those whose function has ended.
"""

from __future__ import annotations

import sys
import threading
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import wraps
from inspect import CO_GENERATOR
from types import FrameType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SWITCHERS = frozenset(("gevent", "eventlet"))
"""Packages that run several stacks in one thread: a function that is not on the present one may go on later."""


class _Opened(threading.local):
    """The blocks that a thread has opened, by their address: those in functions, and those that start a generator, by
    the address of its frame."""

    def __init__(self) -> None:
        self.blocks: dict[int, weakref.ref[Block[Any]]] = {}
        self.starting: dict[int, Block[Any]] = {}


_opened = _Opened()


class Block(AbstractContextManager[T]):
    """Something that is held for the length of a `with` block."""

    _caller = 0
    """The address of the frame of the function with the block; 0: it is not known when that ends."""
    _nested: tuple[Block[Any], ...] = ()
    """The blocks in the generator of this one, which end with it."""

    @abstractmethod
    def let_go(self) -> None:
        """Let go of what is held. It may be called twice."""

    def begin(self, caller: FrameType) -> None:
        """Note the function with the block, and end what earlier blocks of this thread have left open."""
        opened = _opened
        if caller.f_code.co_flags & CO_GENERATOR:
            outer = opened.starting.get(id(caller))
            if outer is not None:
                outer._nested = (*outer._nested, self)
            return
        if opened.blocks:
            end_abandoned(caller)
        if caller.f_globals.get("__name__") != "contextlib":  # whose ExitStack runs no block
            self._caller = id(caller)
            opened.blocks[id(self)] = weakref.ref(self)

    def end(self) -> None:
        """Let go of what is held, here and in the blocks of the generator. It may be called twice."""
        self.let_go()
        if self._nested:
            for block in reversed(self._nested):  # as a rule they have ended
                block.end()
            self._nested = ()
        if self._caller:
            _opened.blocks.pop(id(self), None)


def end_abandoned(frame: FrameType | None = None) -> None:
    """End the blocks of this thread whose function has ended; frame: of the function that runs."""
    if not SWITCHERS.isdisjoint(sys.modules):
        return
    running = set()
    frame = frame or sys._getframe(1)
    while frame is not None:
        running.add(id(frame))
        frame = frame.f_back
    for address, reference in reversed(list(_opened.blocks.items())):
        block = reference()
        if block is None:
            _opened.blocks.pop(address, None)
        elif block._caller not in running:
            with suppress(Exception):  # that of whoever was interrupted counts
                block.end()


def guarded_context(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a context manager of a generator function, as `contextlib.contextmanager` does, whose end is not lost.

    An interrupt just before or after the generator runs would leave it suspended. Here it is closed; at the latest when
    the thread opens the next block.
    """

    @wraps(function)
    def open_guarded(*arguments: P.args, **options: P.kwargs) -> AbstractContextManager[T]:
        return _Guarded(function(*arguments, **options))

    return open_guarded


class _Guarded(Block[T]):
    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __enter__(self) -> T:
        starting, frame = _opened.starting, id(self._generator.gi_frame)
        try:
            self.begin(sys._getframe(1))
            starting[frame] = self
            entered: T = next(self._generator)
            return entered  # within the `try`: from here to the block no interrupt can come
        except BaseException:
            self.end()
            raise
        finally:
            starting.pop(frame, None)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        try:
            if error is not None:
                return self._throw(error)
            next(self._generator, None)
            return False
        finally:
            self.end()

    def _throw(self, error: BaseException) -> bool:
        """Raise the error where the generator is; return True if that has dealt with it."""
        try:
            self._generator.throw(error)
        except StopIteration as stop:
            return stop is not error
        except BaseException as raised:
            if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
                return False
            raise
        return True

    def let_go(self) -> None:
        self._generator.close()  # as a rule it has ended
