"""Interrupts (Ctrl+C) at random moments of a step."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


def interrupt_often(step: Callable[[], object], times: int, longest: float, seed: int = 0) -> int:
    """Run a step so many times, each interrupted after at most `longest` seconds; return how often it was cut short.

    To be called in the main thread, which alone gets signals.
    """
    draw, count = random.Random(seed), 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(times):
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-6, longest))
                step()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return count


def interrupt_at(
    is_meant: Callable[[CodeType], bool], number: int, step: Callable[[], object]
) -> KeyboardInterrupt | None:
    """Run a step, and interrupt it at the first instruction of the `number`th call of a function that is meant.

    Return the interrupt, with its traceback and whatever that holds; None if there are fewer calls.
    """
    count = 0

    def trace(frame: FrameType, *_: object) -> Any:
        nonlocal count
        count += is_meant(frame.f_code)
        if count == number and is_meant(frame.f_code):
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)
    return None
