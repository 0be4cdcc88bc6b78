"""What people say of clusters: decisions by items, so that they outlive whatever clusters are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import sqlite
from indexers.catalogue.schema import CORRECTION, correction, decision, item, member
from indexers.types import CORRECTION_KINDS, LEVELS, CorrectionKind, CorrectionRow, Level

_HOLDS = decision.c.undone.is_(None)


class CorrectionReader:
    """Reads corrections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self) -> int:
        """Return a number that grows whenever a correction is made or undone."""
        query = sa.select(sa.func.count() + sa.func.count(decision.c.undone)).select_from(correction.join(decision))
        return int(self._connection.execute(query).scalar_one())

    def rows(self) -> list[CorrectionRow]:
        """Return the corrections that hold, in the order in which they were made."""
        columns = (correction.c.kind, correction.c.level, correction.c.groups, correction.c.clusters, decision.c.at)
        query = sa.select(decision.c.id, *columns).select_from(correction.join(decision))
        rows = self._connection.execute(query.where(_HOLDS).order_by(decision.c.id)).all()
        for row in rows:
            if not _is_sound(*row[1:5]):
                raise sqlite.damage_error(sqlite.find_path(self._connection), f"the correction {row[0]} is none")
        return [CorrectionRow(row[0], row[1], row[2], tuple(map(tuple, row[3])), tuple(row[4]), row[5]) for row in rows]


class CorrectionWriter(CorrectionReader):
    """Reads and writes corrections, within a transaction.

    log_item: notes that an item has changed. note_event: notes that clusters are not what was recorded of them.
    """

    def __init__(self, connection: Connection, log_item: Callable[[int], None], note_event: Callable[[], None]) -> None:
        super().__init__(connection)
        self._log_item, self._note_event = log_item, note_event

    def add(
        self,
        kind: CorrectionKind,
        level: Level,
        groups: Sequence[Sequence[int]],
        clusters: Sequence[int] = (),
        space_id: int | None = None,
    ) -> int:
        """Enter a correction, and return the id of its decision. Its first item has changed, so that time goes on."""
        values = {"what": CORRECTION, "first": b"", "second": b"", "at": int(time.time() * 1e6)}
        query = sa.insert(decision).values(**values).returning(decision.c.id)
        decision_id = int(self._connection.execute(query).scalar_one())
        row = {"decision": decision_id, "kind": kind, "level": level, "clusters": list(clusters)}
        before = self._read_clusters(space_id, [item_id for group in groups for item_id in group])
        self._connection.execute(
            sa.insert(correction).values(**row, groups=[list(group) for group in groups], before=before)
        )
        self._log_first(groups)
        return decision_id

    def _read_clusters(self, space_id: int | None, item_ids: Sequence[int]) -> list[list[int]]:
        """Return the clusters that items are in now, as rows of an item and its cluster of each level."""
        rows: list[list[int]] = []
        for chunk in split_chunks(sorted(set(item_ids))) if space_id is not None else ():
            columns = member.c.item, *(member.c[level] for level in LEVELS)
            query = sa.select(*columns).where(member.c.space == space_id, member.c.item.in_(chunk))
            rows += [list(row) for row in self._connection.execute(query).all()]
        return rows

    def undo(self, decision_id: int, space_id: int | None) -> None:
        """Note that a decision was undone, if it is a correction.

        Clusters that it has ended continue with ids and names: what is made of their items in this space is noted to
        have been theirs. So do those that an earlier correction ended, which was undone while this one still held.
        """
        query = sa.select(correction.c.decision, correction.c.groups, correction.c.before).select_from(
            correction.join(decision)
        )
        undone = query.where(decision.c.undone.is_not(None), decision.c.id <= decision_id)
        rows = self._connection.execute(undone.order_by(decision.c.id.desc())).all()
        if not rows or rows[0].decision != decision_id:
            return
        if space_id is not None:
            for place, level in enumerate(LEVELS):
                self._revive_clusters(space_id, level, [_pair_before(row.before, place) for row in rows])
            self._note_event()
        self._log_first(rows[0].groups)

    def _revive_clusters(self, space_id: int, level: Level, before: Sequence[dict[int, int]]) -> None:
        """Give items the clusters of a level back that have ended. before: cluster by item, the newest first."""
        column, here = member.c[level], member.c.space == space_id
        alive = set(self._connection.execute(sa.select(column).where(here).distinct()).scalars())
        now: dict[int, int] = {}
        for chunk in split_chunks(list(before[0])):
            query = sa.select(member.c.item, column).where(here, member.c.item.in_(chunk))
            now |= {row[0]: row[1] for row in self._connection.execute(query).all()}
        reached = {cluster_id for cluster_id in before[0].values() if cluster_id > 0}  # what came since stays
        ended: dict[int, list[int]] = {}
        for clusters in reversed(before[1:]):  # the oldest first, so that the newest has the last word
            for item_id, cluster_id in clusters.items():
                if now.get(item_id) in reached and cluster_id > 0 and cluster_id not in alive:
                    ended.setdefault(cluster_id, []).append(item_id)
        for item_id, cluster_id in before[0].items():
            if now.get(item_id) in reached and cluster_id not in alive and cluster_id > 0:
                ended.setdefault(cluster_id, []).append(item_id)
        for cluster_id, item_ids in ended.items():
            for chunk in split_chunks(item_ids):
                self._connection.execute(
                    sa.update(member).where(here, member.c.item.in_(chunk)).values({level: cluster_id})
                )

    def _log_first(self, groups: Sequence[Sequence[int]]) -> None:
        for chunk in split_chunks([item_id for group in groups for item_id in group]):
            present = self._connection.execute(sa.select(item.c.id).where(item.c.id.in_(chunk)).limit(1)).scalar()
            if present is not None:
                return self._log_item(present)


def _pair_before(rows: Sequence[Sequence[int]], place: int) -> dict[int, int]:
    """Return the cluster of one level by item, of rows that `before` holds."""
    return {row[0]: row[1 + place] for row in rows}


def _is_sound(kind: object, level: object, groups: object, clusters: object) -> bool:
    """Return True for a correction as `add` writes it: whoever wrote the catalogue may have written anything."""
    counts = {"merge": 2, "move": 2, "apart": 2, "together": 1, "hide": 1}
    if kind not in CORRECTION_KINDS or level not in LEVELS:
        return False
    if not isinstance(groups, list) or len(groups) != counts.get(str(kind), max(len(groups), 2)):
        return False
    ids = [*groups, clusters]
    return all(isinstance(part, list) and all(type(value) is int for value in part) for part in ids) and (
        kind != "hide" or len(ids[-1]) == 1
    )
