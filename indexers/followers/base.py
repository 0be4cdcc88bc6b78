"""What follows the catalogue: the contract of a follower, and the one loop that drives them all.

A follower holds derived state. It knows the change number that it has reached (`position`) and carries later changes
into its state; the state may be thrown away at any time, since it can be made again from change 0 on. `Followers`
advances its members in declared order, so that a later one may read an earlier one. Searches hold the shared side of a
lock and advancing holds the exclusive side: native indices are not safe for searching beside inserts.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import ClassVar

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import WriteFailed, WriterBusy
from indexers.followers.shared_lock import SharedLock
from indexers.interrupts import guarded_context
from indexers.types import Change, Rebuild, Space

log = logging.getLogger("nearkin")

CHANGES_KEPT = 100_000
"""Changes kept beyond what the stored followers need, so that readers that idle for long can still replay."""


class CommonReason(str):
    """The reason why stored files can't be used, the same for all followers of a space: it is logged only once."""


class Follower(ABC):
    """Derived state of one space."""

    name: ClassVar[str]
    on_read: ClassVar[bool] = False
    """Whether it is advanced before every search; the others are advanced by `catch_up` or when they are asked for."""
    stored: ClassVar[bool] = False
    """Whether it has a file of its own, which is saved now and then."""
    changes_worth_saving = 1
    """Changes that are worth a new file; replaying fewer costs less."""
    generation = 0
    """The generation of the file that was loaded or written last."""
    is_private = False
    """Whether its file is stored for this user alone: then the catalogue keeps no note of it."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.position = 0

    @abstractmethod
    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        """Carry changes (the net result for each item) into the state; the loop then moves `position`.

        Applying a change that the state already holds must do no harm.
        """

    def read_changes(self, snapshot: Snapshot) -> Sequence[Change]:
        """Return what `apply` has to carry in: the changes of the space after `position`."""
        return snapshot.changes(self.position, self.space.id)

    @abstractmethod
    def reset(self) -> None:
        """Empty the state and go back to position 0."""

    def erase_removed(self) -> None:  # noqa: B027  most followers keep nothing of what is removed
        """Overwrite what is left of removed items."""

    def restart(self) -> None:
        """Empty the state, and let everything that was decided once (such as levels) be decided again."""
        self.reset()

    def load(self, snapshot: Snapshot) -> str | None:
        """Load the stored state; return None, or the reason why that failed (the state is then empty)."""
        return None

    def find_damage(self) -> str | None:
        """Return what is wrong with the stored state; None if nothing is, or nothing is stored."""
        return None

    def save(self, snapshot: Snapshot) -> int:
        """Store the state while searches go on; return the generation of what was stored."""
        return 0

    def find_stored_position(self, snapshot: Snapshot) -> int:
        """Return the change at which the state was last stored; 0 if it never was."""
        return snapshot.follower(self.name, self.space.id)[0]

    def may_wait(self, snapshot: Snapshot) -> bool:
        """Return True if so little has changed that advancing can wait until the state is asked for."""
        return False

    def needs_record(self, snapshot: Snapshot) -> bool:
        """Return True if `record` has something new to write to the catalogue."""
        return False

    def differs_from_record(self, snapshot: Snapshot) -> bool:
        """Return True if the state had to be made again and is not the one that the catalogue tells of, so that it has
        to be recorded before anybody sees it or it is stored. The state is at the snapshot's moment."""
        return False

    def plan_rebuild(self) -> Rebuild | None:
        """Return how the state is laid out anew if it has outgrown its layout, as `VectorIndex.plan_rebuild` does."""
        return None

    def record(self, transaction: Transaction) -> None:
        """Write to the catalogue what can't be made again. The state is at the moment of `transaction`."""
        return

    def after_save(self) -> None:
        """Release memory that the saved file now holds. Called after `save`, while nobody searches."""
        return


class Followers:
    """The followers of one space, advanced in order."""

    def __init__(self, catalogue: Catalogue, followers: Sequence[Follower]) -> None:
        self._catalogue, self.members = catalogue, tuple(followers)
        self._quick = [follower for follower in followers if follower.on_read]
        self._slow = [follower for follower in followers if not follower.on_read]
        self._lock, self._saving, self._slow_lock = SharedLock(), threading.Lock(), threading.RLock()
        """The last is held while followers that searches don't need are worked on, and searches go on. Locks are taken
        in this order: the writer's, this one, the followers'."""
        self._unloaded = set(self._slow)
        """Followers whose stored state was not needed yet."""
        self.repairs: list[str] = []
        """What had to be rebuilt, and why."""
        self._broken: set[Follower] = set()
        """Followers whose stored file is of no use or outgrown: it is written even if nothing has changed since."""
        self._torn: set[Follower] = set()
        """Followers that hold half of a change, if an error or an interrupt came between: they are made again."""

    def open(self) -> None:
        """Load the followers that searches need: replay what is missing, rebuild what is broken."""
        with self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            for follower in self._quick:
                self._load(follower, snapshot)
                self._advance(follower, snapshot)

    @guarded_context
    def current_snapshot(self) -> Iterator[Snapshot]:
        """Yield a snapshot of the catalogue at whose moment every `on_read` follower stays for the length of the
        block."""
        while True:
            # The lock comes first: then the snapshot can't be older than what other threads have carried in.
            with self._lock.shared(), self._catalogue.snapshot() as snapshot:
                if all(self._is_current(follower, snapshot) for follower in self._quick):
                    yield snapshot
                    return
            self.advance(include_slow=False)

    def _is_current(self, follower: Follower, snapshot: Snapshot) -> bool:
        return follower.position == snapshot.number and follower not in self._torn

    @contextmanager
    def _changing(self, follower: Follower) -> Iterator[None]:
        """Open a block that changes a follower's state. If it does not reach its end, the state is made again."""
        self._torn.add(follower)  # before, since the steps after a block can be cut short too
        try:
            yield
        except BaseException:
            if not follower.on_read:
                follower.reset()  # half of a change is worse than none
            raise
        self._torn.discard(follower)

    def advance(self, *, include_slow: bool = True) -> int:
        """Advance all followers, or only those that searches need, to the newest change; return its number."""
        with self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            for follower in self._quick:
                self._advance(follower, snapshot)
        if not include_slow or not self._slow:
            return snapshot.number
        with self.complete_snapshot() as snapshot:
            return snapshot.number

    @guarded_context
    def complete_snapshot(self, *, let_wait: bool = False) -> Iterator[Snapshot]:
        """Yield a snapshot of the catalogue at whose moment every follower stays for the length of the block.

        Searches go on. With `let_wait`, followers that may wait are not advanced.
        """
        self._record_remade(let_wait)
        with self._advance_slow(let_wait) as (snapshot, _):
            yield snapshot

    def _record_remade(self, let_wait: bool) -> None:
        """Advance all followers, and record those that had to be made again: the catalogue tells of another state."""
        with self._advance_slow(let_wait) as (snapshot, advanced):
            if not any(follower.differs_from_record(snapshot) for follower in advanced):
                return
        with suppress(WriteFailed):  # where nothing can be written, what can be read is served
            self.record(let_wait=let_wait)

    @guarded_context
    def _advance_slow(self, let_wait: bool) -> Iterator[tuple[Snapshot, list[Follower]]]:
        with self._slow_lock, self.current_snapshot() as snapshot:
            advanced = [
                follower
                for follower in self._slow
                if not let_wait or follower in self._torn or not follower.may_wait(snapshot)
            ]
            for follower in advanced:
                self._load_once(follower, snapshot)
                self._advance(follower, snapshot)
            yield snapshot, advanced

    def load_stored(self) -> None:
        """Also load the files of followers that were not needed yet."""
        with self._slow_lock, self._catalogue.snapshot() as snapshot:
            for follower in [each for each in self._slow if each.stored]:
                self._load_once(follower, snapshot)

    def _load_once(self, follower: Follower, snapshot: Snapshot) -> None:
        if follower in self._unloaded:
            self._load(follower, snapshot)
            self._unloaded.discard(follower)

    def record(self, *, force: bool = False, let_wait: bool = False, wait: float | None = None) -> bool:
        """Advance all followers and record what must last; return False if another writer is at work.

        With `let_wait`, followers that may wait are left as they are. With `force`, they record even if none needs to.
        Of a collection that may only be read, nothing is recorded or saved: what follows it stays in memory.
        wait: seconds to wait for another writer, if other than usual.
        """
        with self._advance_slow(let_wait) as (snapshot, advanced):
            if not force and not any(follower.needs_record(snapshot) for follower in advanced):
                return True
        if self._catalogue.is_read_only:
            return False
        try:
            with self._catalogue.transaction(wait) as transaction, self._slow_lock:
                with self._lock.exclusive():
                    for follower in self._quick:
                        self._advance(follower, transaction)
                with self._lock.shared():
                    for follower in advanced:
                        self._advance(follower, transaction)
                        follower.record(transaction)
        except WriterBusy:
            return False
        return True

    def _advance(self, follower: Follower, snapshot: Snapshot) -> None:
        # (from 0 on, the state itself is read, whatever was pruned)
        is_torn = follower in self._torn
        if is_torn or 0 < follower.position < snapshot.oldest:
            with self._changing(follower):
                if is_torn and not follower.on_read:  # not its file: half of a change is no reason to tell of a repair
                    follower.reset()
                else:
                    self._load(follower, snapshot)
        if follower.position >= snapshot.number:  # beyond it: `_load` has met a file of a later moment
            return
        changes = follower.read_changes(snapshot)
        with self._changing(follower):
            if changes:
                follower.apply(changes, snapshot)
            follower.position = snapshot.number

    def _load(self, follower: Follower, snapshot: Snapshot) -> None:
        reason, seen = follower.load(snapshot), 0
        while reason and snapshot.number != seen:  # another process may meanwhile have saved a state ahead of ours
            seen = snapshot.number
            with self._catalogue.snapshot() as snapshot:
                reason = follower.load(snapshot)
        if follower.position and follower.position < snapshot.oldest:
            reason = f"is at change {follower.position}, and changes before {snapshot.oldest} are no longer kept"
            follower.reset()
        if reason:
            self._broken.add(follower)
            message = f"{follower.name} of {follower.space.name!r} {reason}; rebuilt from the catalogue"
            if isinstance(reason, CommonReason):
                message = str(reason)
            if message not in self.repairs:
                self.repairs.append(message)
                log.warning("%s", message)

    def release(self) -> None:
        """Empty all state, and with it let go of the memory and of the mapped files; no search may follow."""
        with self._slow_lock, self._lock.exclusive():
            for follower in self.members:
                follower.reset()

    def restart(self, follower: Follower) -> None:
        """Make one follower again from the catalogue, decide again what it decided once, and record the result."""
        with self._slow_lock:
            self._unloaded.discard(follower)  # else its stored state would be loaded over the empty one
            with self._changing(follower):
                follower.restart()
        self.record(force=True)

    def rebuild_outgrown(self) -> bool:
        """Lay out anew what has outgrown its layout, while searches go on; return True if something has to be saved."""
        with self._slow_lock:
            for follower in self._quick:
                with self._lock.shared():
                    plan = follower.plan_rebuild()
                if plan:
                    take_over = plan()
                    with self._lock.exclusive():
                        take_over()
                    self._broken.add(follower)
            return bool(self._broken)

    def find_damage(self) -> list[str]:
        """Return what is wrong with the stored files, a sentence for each damaged one."""
        stored = [follower for follower in self.members if follower.stored]
        return [f"{each.name}: the stored file {reason}" for each in stored if (reason := each.find_damage())]

    def rebuild(self) -> None:
        """Throw away all state and make it again from the catalogue, also on disk."""
        with self._slow_lock, self._lock.exclusive(), self._catalogue.snapshot() as snapshot:
            self._unloaded.clear()
            for follower in self.members:
                with self._changing(follower):
                    follower.reset()
                self._advance(follower, snapshot)
        self.record(force=True)
        self.save(force=True)

    def erase_removed(self) -> None:
        """Leave nothing of removed items in memory and in stored files."""
        with self._slow_lock, self._lock.exclusive():
            for follower in self.members:
                follower.erase_removed()
        self.save(force=True)

    def count_unsaved(self) -> int:
        """Return by how many changes the stored files are behind, at most."""
        followers = [follower for follower in self.members if follower.stored and follower not in self._unloaded]
        with self._catalogue.snapshot() as snapshot:
            return max((each.position - each.find_stored_position(snapshot) for each in followers), default=0)

    def save(self, *, force: bool = False) -> bool:
        """Save the followers that have a file, if they have anything new (or `force`).

        Return False if another writer is at work, or the collection may only be read: then those alone are saved that
        lie with the user, not with the collection.
        """
        is_read_only = self._catalogue.is_read_only
        try:
            if not is_read_only and any(follower not in self._unloaded for follower in self._slow if follower.stored):
                self._record_remade(let_wait=True)
            with self._saving, self._slow_lock:
                for follower in self._find_savable(private=True):
                    self._save_private(follower, force)
            if is_read_only or not self._find_savable(private=False):
                return not is_read_only
            with self._saving, self._catalogue.lock.hold(), self._slow_lock:
                for follower in self._find_savable(private=False):
                    self._save(follower, force)
        except WriterBusy:
            return False
        return True

    def _find_savable(self, private: bool) -> list[Follower]:
        return [
            each for each in self.members if each.stored and each not in self._unloaded and each.is_private == private
        ]

    def _save_private(self, follower: Follower, force: bool) -> None:
        try:
            if self._store(follower, force):
                self._finish_save(follower)
        except (WriteFailed, OSError) as error:  # of the user's own folder: a search must not fail for that
            log.warning("%s of %r is not stored, but derived again: %s", follower.name, follower.space.name, error)

    def _save(self, follower: Follower, force: bool) -> None:
        stored = self._store(follower, force)
        if stored:
            position, generation = stored
            with self._catalogue.transaction() as transaction:
                transaction.record_follower(follower.name, follower.space.id, position, generation)
                transaction.prune(CHANGES_KEPT)
            self._finish_save(follower)

    def _store(self, follower: Follower, force: bool) -> tuple[int, int] | None:
        """Store one follower; return its position and generation, or None if that was not worth it."""
        # The shared side of the lock: searches go on, and nothing can be carried in meanwhile.
        with self._lock.shared(), self._catalogue.snapshot() as snapshot:
            stored = follower.find_stored_position(snapshot)
            force = force or follower in self._broken
            if stored > follower.position or (
                0 < stored > follower.position - follower.changes_worth_saving and not force
            ):
                return None  # it is stored already or nearly so, or another process has saved a newer state
            if follower.position == snapshot.number and follower.differs_from_record(snapshot):
                return None  # stored, it would contradict the catalogue from now on
            return follower.position, follower.save(snapshot)

    def _finish_save(self, follower: Follower) -> None:
        self._broken.discard(follower)
        with self._lock.exclusive(), self._changing(follower):
            follower.after_save()
