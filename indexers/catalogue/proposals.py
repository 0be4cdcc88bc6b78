"""What programs propose: rows that change nothing until a person accepts them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import dialects
from indexers.catalogue.schema import proposal
from indexers.types import Json, ProposalRow

OPEN, ACCEPTED, REJECTED = STATES = ("open", "accepted", "rejected")
NEWEST = 1000
"""Proposals that a list shows, at most."""


class ProposalReader:
    """Reads proposals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, state: str | None = None) -> list[ProposalRow]:
        """Return proposals of a state, or all, the newest first, at most NEWEST."""
        query = sa.select(proposal).order_by(proposal.c.id.desc()).limit(NEWEST)
        rows = self._connection.execute(query if state is None else query.where(proposal.c.state == state)).all()
        return [self._to_row(*row) for row in rows]

    def find(self, proposal_id: int) -> ProposalRow | None:
        """Return a proposal, None if there is none of that id."""
        row = self._connection.execute(sa.select(proposal).where(proposal.c.id == proposal_id)).one_or_none()
        return None if row is None else self._to_row(*row)

    def count_open(self) -> int:
        """Return the number of proposals that await a decision."""
        query = sa.select(sa.func.count()).select_from(proposal).where(proposal.c.state == OPEN)
        return int(self._connection.execute(query).scalar_one())

    def _to_row(
        self,
        proposal_id: int,
        kind: str,
        content: Json,
        reason: str,
        source: str,
        at: int,
        state: str,
        decided: int | None,
        decisions: list[int],
    ) -> ProposalRow:
        is_sound = isinstance(content, dict) and state in STATES and isinstance(decisions, list)
        if not is_sound or not all(type(decision_id) is int for decision_id in decisions):
            raise dialects.damage_error(self._connection, f"the proposal {proposal_id} is none")
        return ProposalRow(proposal_id, kind, content, reason, source, at, state, decided, tuple(decisions))


class ProposalWriter(ProposalReader):
    """Reads and writes proposals."""

    def add(self, kind: str, content: Json, reason: str, source: str) -> int:
        """Enter a proposal, and return its id."""
        row = {"kind": kind, "content": content, "reason": reason, "source": source, "at": int(time.time() * 1e6)}
        inserted = sa.insert(proposal).values(**row, state=OPEN, decisions=[]).returning(proposal.c.id)
        return int(self._connection.execute(inserted).scalar_one())

    def settle(self, proposal_id: int, state: str, decisions: Sequence[int] = ()) -> bool:
        """Accept or reject a proposal. Return False if it is not open."""
        values = {"state": state, "decided": int(time.time() * 1e6), "decisions": list(decisions)}
        is_open = proposal.c.id == proposal_id, proposal.c.state == OPEN
        return self._connection.execute(sa.update(proposal).where(*is_open).values(**values)).rowcount == 1

    def note_decisions(self, proposal_id: int, decisions: Sequence[int]) -> None:
        """Note which decisions were made of a proposal."""
        values = {"decisions": list(decisions)}
        self._connection.execute(sa.update(proposal).where(proposal.c.id == proposal_id).values(**values))

    def reopen(self, proposal_id: int) -> None:
        """Let a proposal be open again that could not be carried out."""
        values: Json = {"state": OPEN, "decided": None, "decisions": []}
        self._connection.execute(sa.update(proposal).where(proposal.c.id == proposal_id).values(**values))
