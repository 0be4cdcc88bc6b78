"""Memory that requests share."""

from __future__ import annotations

import threading

import pytest

from retrieval.server.budget import Budget, TooBusy


def test_a_request_waits_for_its_share() -> None:
    budget, entered, ended = Budget(10, 5.0), threading.Event(), threading.Event()

    def hold() -> None:
        with budget.take(6):
            entered.set()
            ended.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    with budget.take(4):
        pass
    threading.Timer(0.05, ended.set).start()
    with budget.take(7):
        assert not thread.is_alive() or ended.is_set()
    thread.join()


def test_who_waits_too_long_is_told_to_come_again() -> None:
    budget = Budget(10, 0.02)
    with budget.take(1000):  # more than there is: all of it
        with pytest.raises(TooBusy, match="try again later"), budget.take(1):
            pass
        with budget.take(0):
            pass
    with budget.take(10):
        pass


def test_nobody_waits_when_the_server_ends() -> None:
    budget, refused = Budget(10, 60.0), threading.Event()

    def wait() -> None:
        with pytest.raises(TooBusy), budget.take(5):
            pass
        refused.set()

    with budget.take(10):
        thread = threading.Thread(target=wait)
        thread.start()
        budget.end()
        assert refused.wait(5)
        thread.join()
    with budget.take(10):  # what needs no waiting is still done
        pass


def test_an_error_gives_the_share_back() -> None:
    budget = Budget(10, 0.02)
    with pytest.raises(ZeroDivisionError), budget.take(10):
        raise ZeroDivisionError
    with budget.take(10):
        pass
