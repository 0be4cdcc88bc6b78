"""What follows the catalogue: the contract of a follower, and the one loop that drives them all.

A follower holds what is derived. It knows the change number that it has reached (`position`) and carries changes into
its state; what it holds may be thrown away at any time and comes again from change 0 on. `Followers` brings them
forward in declared order, so that a later one may read an earlier one. Searches hold the shared side of a lock,
bringing forward the exclusive side: native indices are not safe for searching beside inserts.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import ClassVar

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import WriterBusy
from indexers.followers.shared_lock import SharedLock
from indexers.types import Change, Space

log = logging.getLogger("nearkin")

CHANGES_KEPT = 100_000
"""Changes kept beyond what the stored followers need, so that readers that idle for long can still replay."""


class Follower(ABC):
    """Derived state of one space."""

    name: ClassVar[str]
    on_read: ClassVar[bool] = False
    """It is brought to the newest change before a search; the others only by `catch_up`."""
    stored: ClassVar[bool] = False
    """It has a file of its own, which is saved now and then."""
    changes_worth_saving: ClassVar[int] = 1
    """Changes that are worth a new file; to replay fewer costs less."""
    generation = 0
    """Of the file that was taken up or written last."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.position = 0

    @abstractmethod
    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        """Carry changes (the net result for each item) into the state; the loop then moves `position`.

        Applying a change that the state already holds must do no harm.
        """

    @abstractmethod
    def reset(self) -> None:
        """Hold nothing, at position 0."""

    def restart(self) -> None:
        """Start anew, and decide again whatever was decided once."""
        self.reset()

    def load(self, snapshot: Snapshot) -> str | None:
        """Take up the stored state. Returns why that was not possible (it is then reset), None if it was."""
        return None

    def find_damage(self) -> str | None:
        """What is wrong with the stored state, if there is one."""
        return None

    def save(self, snapshot: Snapshot) -> int:
        """Store the state, while searches go on; the generation of what was stored."""
        return 0

    def may_wait(self, snapshot: Snapshot) -> bool:
        """Whether so little has changed that it is not worth while to bring it forward before somebody asks."""
        return False

    def needs_record(self, snapshot: Snapshot) -> bool:
        """Whether the catalogue does not remember yet what the state says."""
        return False

    def record(self, writing: Transaction) -> None:
        """Write to the catalogue what can't be made again; the state is at `writing`'s moment."""
        return

    def after_save(self) -> None:
        """Called after `save`, with nobody searching: let go of memory that the file now holds."""
        return


class Followers:
    """The followers of one space, brought forward in order."""

    def __init__(self, catalogue: Catalogue, followers: Sequence[Follower]) -> None:
        self._catalogue = catalogue
        self.members = tuple(followers)
        self._lock = SharedLock()
        self._saving = threading.Lock()
        self._slow = threading.RLock()
        """Held by whoever works on followers that searches don't need, while searches go on. Locks are taken in this
        order: the writer's, this one, the followers'."""
        self._asleep = {one for one in followers if not one.on_read}
        """Those whose state nobody has needed yet."""
        self.repairs: list[str] = []
        """What had to be rebuilt, and why."""
        self._broken: set[Follower] = set()
        """Those whose stored state is of no use, so that it has to be written even if nothing has changed since."""

    def open(self) -> None:
        """Take up what is stored, replay what is missing, rebuild what is broken; of what searches need."""
        with self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            for follower in self._quick:
                self._load(follower, snapshot)
                self._bring(follower, snapshot)

    @property
    def _quick(self) -> list[Follower]:
        return [one for one in self.members if one.on_read]

    @property
    def _others(self) -> list[Follower]:
        return [one for one in self.members if not one.on_read]

    @contextmanager
    def current_snapshot(self) -> Iterator[Snapshot]:
        """A moment of the catalogue with every `on_read` follower at it, for the length of the block."""
        while True:
            with ExitStack() as stack:
                # the lock first: then the snapshot can't be older than what others may meanwhile have brought in
                stack.enter_context(self._lock.shared())
                snapshot = stack.enter_context(self._catalogue.snapshot())
                if all(one.position == snapshot.number for one in self.members if one.on_read):
                    yield snapshot
                    return
            self.advance(include_slow=False)

    def advance(self, *, include_slow: bool = True) -> int:
        """Bring them (or only those needed for a search) to the newest change; its number."""
        with self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            for follower in self._quick:
                self._bring(follower, snapshot)
        if not include_slow or not self._others:
            return snapshot.number
        with self.complete_snapshot() as snapshot:
            return snapshot.number

    @contextmanager
    def complete_snapshot(self, *, let_wait: bool = False) -> Iterator[Snapshot]:
        """A moment of the catalogue with every follower at it (`let_wait`: but those that may wait), for the length of
        the block; searches go on."""
        with self._advanced(let_wait) as (snapshot, _):
            yield snapshot

    @contextmanager
    def _advanced(self, let_wait: bool) -> Iterator[tuple[Snapshot, list[Follower]]]:
        with self._slow, self.current_snapshot() as snapshot:
            wanted = [one for one in self._others if not (let_wait and one.may_wait(snapshot))]
            for follower in wanted:
                self._wake(follower, snapshot)
                self._bring(follower, snapshot)
            yield snapshot, wanted

    def load_stored(self) -> None:
        """Take up the files of those too that nobody has needed yet."""
        with self._slow, self._catalogue.snapshot() as snapshot:
            for follower in self._others:
                if follower.stored:
                    self._wake(follower, snapshot)

    def _wake(self, follower: Follower, snapshot: Snapshot) -> None:
        if follower in self._asleep:
            self._load(follower, snapshot)
            self._asleep.discard(follower)

    def record(self, *, force: bool = False, let_wait: bool = False) -> bool:
        """Bring all (`let_wait`: but those that may wait) to the newest change, and what the catalogue remembers of
        them; False if another writer is at work."""
        with self._advanced(let_wait) as (snapshot, wanted):
            if not force and not any(one.needs_record(snapshot) for one in wanted):
                return True
        try:
            with self._catalogue.transaction() as writing, self._slow:
                with self._lock.exclusive():
                    for follower in self._quick:
                        self._bring(follower, writing)
                with self._lock.shared():
                    for follower in wanted:
                        self._bring(follower, writing)
                        follower.record(writing)
        except WriterBusy:
            return False
        return True

    def _bring(self, follower: Follower, snapshot: Snapshot) -> None:
        if 0 < follower.position < snapshot.oldest:  # (from 0 on, the state itself is read, whatever was pruned)
            self._load(follower, snapshot)
        if follower.position >= snapshot.number:  # beyond it: `_load` has met a file of a later moment
            return
        changes = snapshot.changes(follower.position, follower.space.id)
        if changes:
            try:
                follower.apply(changes, snapshot)
            except BaseException:
                if not follower.on_read:  # half of a change is worse than none
                    follower.reset()
                raise
        follower.position = snapshot.number

    def _load(self, follower: Follower, snapshot: Snapshot) -> None:
        reason, seen = follower.load(snapshot), 0
        while reason and snapshot.number != seen:  # what another process has saved meanwhile is ahead of our moment
            seen = snapshot.number
            with self._catalogue.snapshot() as snapshot:
                reason = follower.load(snapshot)
        if follower.position and follower.position < snapshot.oldest:
            reason = f"is at change {follower.position}, and changes before {snapshot.oldest} are no longer kept"
            follower.reset()
        if reason:
            self._broken.add(follower)
            what = f"{follower.name} of {follower.space.name!r} {reason}; rebuilt from the catalogue"
            self.repairs.append(what)
            log.warning("%s", what)

    def restart(self, follower: Follower) -> None:
        """Make one of them anew, and what is remembered of it."""
        with self._slow:
            follower.restart()
        self.record(force=True)

    def find_damage(self) -> list[str]:
        """What is wrong with the stored states."""
        found = [(one.name, one.find_damage()) for one in self.members if one.stored]
        return [f"{name}: the stored file {reason}" for name, reason in found if reason]

    def rebuild(self) -> None:
        """Throw away what they hold and make it anew from the catalogue, also on disk."""
        with self._slow, self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            self._asleep.clear()
            for follower in self.members:
                follower.reset()
                self._bring(follower, snapshot)
        self.record(force=True)
        self.save(force=True)

    def count_unsaved(self) -> int:
        """How many changes the stored files are behind, at most."""
        kept = [one for one in self.members if one.stored and one not in self._asleep]
        stored = [one.position for one in kept]
        with self._catalogue.snapshot() as snapshot:
            saved = [snapshot.follower(one.name, one.space.id)[0] for one in kept]
        return max((now - then for now, then in zip(stored, saved, strict=True)), default=0)

    def save(self, *, force: bool = False) -> bool:
        """Store those that have a file, if there is anything new (or `force`); False if another writer is at work."""
        try:
            with self._saving, self._catalogue.lock.held(), self._slow:
                for follower in self.members:
                    if follower.stored and follower not in self._asleep:
                        self._save(follower, force)
        except WriterBusy:
            return False
        return True

    def _save(self, follower: Follower, again: bool) -> None:
        # shared: searches go on, and nothing can be brought in meanwhile
        with self._lock.shared(), self._catalogue.snapshot() as snapshot:
            stored = snapshot.follower(follower.name, follower.space.id)[0]
            again = again or follower in self._broken
            if stored > follower.position or (
                0 < stored > follower.position - follower.changes_worth_saving and not again
            ):
                return  # there already or nearly, or another process has saved a newer state
            generation = follower.save(snapshot)
            position = follower.position
        with self._catalogue.transaction() as writing:
            writing.saved(follower.name, follower.space.id, position, generation)
            writing.prune(CHANGES_KEPT)
        self._broken.discard(follower)
        with self._lock.exclusive():
            follower.after_save()
