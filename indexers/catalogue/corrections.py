"""What people say of clusters: decisions by items, so that they outlive whatever clusters are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.metadata import INTEGER_LIMIT
from indexers.catalogue.schema import CORRECTION, correction, decision, item, member
from indexers.types import LEVELS, CorrectionKind, CorrectionRow, Level

_HOLDS = decision.c.undone.is_(None)


class CorrectionReader:
    """Reads corrections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self) -> int:
        """Return a number that differs whenever a correction was made or undone."""
        total = sa.func.coalesce(sa.func.sum(decision.c.id + sa.func.coalesce(decision.c.undone, 0)), 0)
        query = sa.select(total).select_from(correction.join(decision))
        return int(self._connection.execute(query).scalar_one()) % INTEGER_LIMIT

    def rows(self) -> list[CorrectionRow]:
        """Return the corrections that hold, in the order in which they were made."""
        columns = (correction.c.kind, correction.c.level, correction.c.groups, correction.c.clusters, decision.c.at)
        query = sa.select(decision.c.id, *columns).select_from(correction.join(decision))
        rows = self._connection.execute(query.where(_HOLDS).order_by(decision.c.id)).all()
        return [CorrectionRow(row[0], row[1], row[2], tuple(map(tuple, row[3])), tuple(row[4]), row[5]) for row in rows]

    def hidden_clusters(self) -> set[int]:
        """Return the ids of the clusters that are hidden."""
        query = sa.select(correction.c.clusters).select_from(correction.join(decision))
        rows = self._connection.execute(query.where(_HOLDS, correction.c.kind == "hide")).all()
        return {cluster_id for row in rows for cluster_id in row[0]}


class CorrectionWriter(CorrectionReader):
    """Reads and writes corrections, within a transaction.

    log_item: notes that an item has changed. note_event: notes that clusters are not what was recorded of them.
    """

    def __init__(self, connection: Connection, log_item: Callable[[int], None], note_event: Callable[[], None]) -> None:
        super().__init__(connection)
        self._log_item, self._note_event = log_item, note_event

    def add(
        self, kind: CorrectionKind, level: Level, groups: Sequence[Sequence[int]], clusters: Sequence[int] = ()
    ) -> int:
        """Enter a correction, and return the id of its decision. Its first item has changed, so that time goes on."""
        values = {"what": CORRECTION, "first": b"", "second": b"", "at": int(time.time() * 1e6)}
        query = sa.insert(decision).values(**values).returning(decision.c.id)
        decision_id = int(self._connection.execute(query).scalar_one())
        row = {"decision": decision_id, "kind": kind, "level": level, "clusters": list(clusters)}
        self._connection.execute(sa.insert(correction).values(**row, groups=[list(group) for group in groups]))
        self._log_first(groups)
        return decision_id

    def undo(self, decision_id: int) -> None:
        """Note that a decision was undone, if it is a correction: clusters that were joined continue with their ids."""
        columns = correction.c.kind, correction.c.level, correction.c.groups, correction.c.clusters
        for kind, level, groups, clusters in self._connection.execute(
            sa.select(*columns).where(correction.c.decision == decision_id)
        ).all():
            if kind == "merge" and level in LEVELS:
                for group, cluster_id in zip(groups, clusters, strict=False):
                    for chunk in split_chunks(group):
                        query = sa.update(member).where(member.c.item.in_(chunk), member.c[level] > 0)
                        self._connection.execute(query.values({level: cluster_id}))
                self._note_event()
            self._log_first(groups)

    def _log_first(self, groups: Sequence[Sequence[int]]) -> None:
        for chunk in split_chunks([item_id for group in groups for item_id in group]):
            present = self._connection.execute(sa.select(item.c.id).where(item.c.id.in_(chunk)).limit(1)).scalar()
            if present is not None:
                return self._log_item(present)
