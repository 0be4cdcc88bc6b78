"""Interrupts (Ctrl+C) at random moments of a step."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable


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
