"""What programs propose, as rows."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.proposals import ACCEPTED, OPEN, REJECTED
from indexers.catalogue.schema import proposal
from indexers.errors import CatalogueDamaged


def test_a_proposal_is_settled_once(catalogue: Catalogue) -> None:
    with catalogue.transaction() as transaction:
        first = transaction.proposals.add("remove", {"items": [3]}, "blurred", "a program")
        second = transaction.proposals.add("hide", {"clusters": [2]}, "", "")
        assert transaction.proposals.count_open() == 2
        assert transaction.proposals.settle(first, ACCEPTED)
        assert not transaction.proposals.settle(first, REJECTED)
        transaction.proposals.note_decisions(first, [7])
    with catalogue.snapshot() as snapshot:
        assert [row.id for row in snapshot.proposals.rows()] == [second, first]
        [row] = snapshot.proposals.rows(ACCEPTED)
        assert (row.kind, row.content, row.reason, row.source) == ("remove", {"items": [3]}, "blurred", "a program")
        assert (row.state, row.decisions) == (ACCEPTED, (7,))
        assert row.decided is not None
        assert row.decided >= row.at
        assert snapshot.proposals.find(first) == row
        assert snapshot.proposals.find(99) is None


def test_one_that_could_not_be_carried_out_is_open_again(catalogue: Catalogue) -> None:
    with catalogue.transaction() as transaction:
        proposal_id = transaction.proposals.add("remove", {}, "", "")
        transaction.proposals.settle(proposal_id, ACCEPTED)
        transaction.proposals.reopen(proposal_id)
        [row] = transaction.proposals.rows(OPEN)
        assert (row.state, row.decided) == (OPEN, None)


@pytest.mark.parametrize("wrong", [{"content": []}, {"state": "done"}, {"decisions": {}}, {"decisions": ["x"]}])
def test_what_is_no_proposal_is_damage(catalogue: Catalogue, wrong: dict[str, object]) -> None:
    values = {"kind": "x", "content": {}, "reason": "", "source": "", "at": 0, "state": OPEN, "decisions": []} | wrong
    with catalogue.database.connect(writing=True) as connection:
        connection.execute(sa.insert(proposal).values(**values))
        connection.commit()
    with catalogue.snapshot() as snapshot, pytest.raises(CatalogueDamaged, match="proposal 1 is none"):
        snapshot.proposals.rows()
