"""What people say of clusters: decisions by items, so that they outlive whatever clusters are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeGuard

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import dialects
from indexers.catalogue.clusters import RESTORED, ClusterWriter
from indexers.catalogue.schema import correction, decision, item, member, part
from indexers.types import CORRECTION, CORRECTION_KINDS, LEVELS, ClusterEventRow, CorrectionKind, CorrectionRow, Level

CUT = 2 << 40
"""What every version begins with: another number whenever a tree is cut by another rule, so that clusters which an
earlier version of this program recorded are recorded anew."""
_HOLDS = decision.c.undone.is_(None)


class CorrectionReader:
    """Reads corrections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self) -> int:
        """Return a number that grows whenever a correction is made or undone."""
        query = sa.select(sa.func.count() + sa.func.count(decision.c.undone)).select_from(correction.join(decision))
        return CUT + int(self._connection.execute(query).scalar_one())

    def find_kind(self, groups: Sequence[Sequence[int]]) -> str | None:
        """Return the kind of the parts that a correction is about; None: it is about items, or its parts are gone."""
        ids = [member_id for group in groups for member_id in group]
        for chunk in split_chunks(ids):
            query = sa.select(part.c.kind).where(part.c.id.in_(chunk)).limit(1)
            kind = self._connection.execute(query).scalar()
            if kind is not None:
                return str(kind)
        return None

    def groups(self, decision_id: int) -> list[list[int]]:
        """Return the groups of a correction, undone or not; none of another decision."""
        query = sa.select(correction.c.groups).where(correction.c.decision == decision_id)
        found = self._connection.execute(query).scalar()
        return found if isinstance(found, list) and all(map(_is_ids, found)) else []

    def rows(self) -> list[CorrectionRow]:
        """Return the corrections that hold, in the order in which they were made."""
        columns = (correction.c.kind, correction.c.level, correction.c.groups, correction.c.clusters, decision.c.at)
        query = sa.select(decision.c.id, *columns).select_from(correction.join(decision))
        rows = self._connection.execute(query.where(_HOLDS).order_by(decision.c.id)).all()
        for row in rows:
            if not _is_sound(*row[1:5]):
                raise dialects.damage_error(self._connection, f"the correction {row[0]} is none")
        return [CorrectionRow(row[0], row[1], row[2], tuple(map(tuple, row[3])), tuple(row[4]), row[5]) for row in rows]


class CorrectionWriter(CorrectionReader):
    """Reads and writes corrections, within a transaction. log_item: notes that an item has changed."""

    def __init__(self, connection: Connection, clusters: ClusterWriter, log_item: Callable[[int], None]) -> None:
        super().__init__(connection)
        self._clusters, self._log_item = clusters, log_item

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
        named = sorted({item_id for group in groups for item_id in group})
        known = self._clusters.cluster_ids(space_id, named) if space_id is not None else {}
        before = [[item_id, *cluster_ids] for item_id, cluster_ids in known.items()]
        self._connection.execute(
            sa.insert(correction).values(**row, groups=[list(group) for group in groups], before=before)
        )
        self._log_first(groups)
        return decision_id

    def undo(self, decision_id: int, space_id: int | None, number: int) -> None:
        """Note that a decision was undone, if it is a correction. number: that of the change before.

        Clusters that it has ended continue with ids and names: what is made of their items in this space is noted to
        have been theirs. So do those that an earlier correction ended, which was undone while this one still held.
        """
        query = sa.select(correction.c.decision, correction.c.groups, correction.c.before)
        undone = query.select_from(correction.join(decision)).where(decision.c.undone.is_not(None))
        newest_first = undone.where(decision.c.id <= decision_id).order_by(decision.c.id.desc())
        rows = self._connection.execute(newest_first).all()
        if not rows or rows[0].decision != decision_id:
            return
        if space_id is not None:
            before = [self._check_before(row.decision, row.before) for row in rows]
            for place, level in enumerate(LEVELS, 1):
                self._revive_clusters(space_id, level, [{row[0]: row[place] for row in known} for known in before])
            self._clusters.add_events(space_id, [ClusterEventRow(None, None, RESTORED, change=number + 1)])
        self._log_first(rows[0].groups)

    def _check_before(self, decision_id: int, before: object) -> list[list[int]]:
        """Return rows of an item and its cluster of each level. Raises CatalogueDamaged for anything else."""
        if not isinstance(before, list) or not all(_is_ids(row) and len(row) == 1 + len(LEVELS) for row in before):
            raise dialects.damage_error(self._connection, f"the correction {decision_id} is none")
        return before

    def _revive_clusters(self, space_id: int, level: Level, before: Sequence[dict[int, int]]) -> None:
        """Give items the clusters of a level back that have ended. before: cluster by item, the newest first."""
        column, here = member.c[level], member.c.space == space_id
        alive = set(self._connection.execute(sa.select(column).where(here).distinct()).scalars())
        place = LEVELS.index(level)
        now = {item_id: ids[place] for item_id, ids in self._clusters.cluster_ids(space_id, [*before[0]]).items()}
        reached = {cluster_id for cluster_id in before[0].values() if cluster_id > 0}  # what came since stays
        ended: dict[int, list[int]] = {}
        for clusters in reversed(before):  # the oldest first, so that the newest has the last word
            for item_id, cluster_id in clusters.items():
                if now.get(item_id) in reached and cluster_id > 0 and cluster_id not in alive:
                    ended.setdefault(cluster_id, []).append(item_id)
        for cluster_id, item_ids in ended.items():
            for chunk in split_chunks(item_ids):
                self._connection.execute(
                    sa.update(member).where(here, member.c.item.in_(chunk)).values({level: cluster_id})
                )

    def _log_first(self, groups: Sequence[Sequence[int]]) -> None:
        """Log that the first item has changed, or the item that holds the first part."""
        for chunk in split_chunks([item_id for group in groups for item_id in group]):
            for column, is_named in ((item.c.id, item.c.id.in_(chunk)), (part.c.item, part.c.id.in_(chunk))):
                present = self._connection.execute(sa.select(column).where(is_named).limit(1)).scalar()
                if present is not None:
                    return self._log_item(present)


def _is_sound(kind: object, level: object, groups: object, clusters: object) -> bool:
    """Return True for a correction as `add` writes it: whoever wrote the catalogue may have written anything."""
    counts = {"merge": 2, "move": 2, "apart": 2, "together": 1, "hide": 1}
    if kind not in CORRECTION_KINDS or level not in LEVELS:
        return False
    if not isinstance(groups, list) or len(groups) != counts.get(str(kind), max(len(groups), 2)):
        return False
    return all(map(_is_ids, groups)) and _is_ids(clusters) and (kind != "hide" or len(clusters) == 1)


def _is_ids(value: object) -> TypeGuard[list[int]]:
    """Return True for a list of whole numbers."""
    return isinstance(value, list) and all(type(part) is int for part in value)
