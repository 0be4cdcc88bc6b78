"""what an item that is kept takes over from its duplicates

Revision 0013 after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merging",
        sa.Column(
            "decision",
            sa.Integer,
            sa.ForeignKey("decision.id", ondelete="CASCADE", name="fk_merging_decision_decision"),
            nullable=False,
        ),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("others", sa.JSON, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
        sa.Column("applied", sa.JSON, nullable=False),
        sa.Column("decisions", sa.JSON, nullable=False),
        sa.Column("moves", sa.String),
        sa.PrimaryKeyConstraint("decision", name="pk_merging"),
    )
    op.create_index("ix_merging_item", "merging", ["item"])
    op.create_index("ix_merging_moves", "merging", ["moves"])


def downgrade() -> None:
    op.drop_table("merging")
