"""what programs propose and a person decides

Revision 0015 after 0014
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue.column_types import Integer, Text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", Integer, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("decided", sa.BigInteger),
        sa.Column("decisions", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_proposal_state", "proposal", ["state"])


def downgrade() -> None:
    op.drop_table("proposal")
