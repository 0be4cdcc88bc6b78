"""clusterings by name beside the tree, and who is in which of their clusters

Revision 0005 after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grouping",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "space",
            sa.Integer,
            sa.ForeignKey("space.id", name="fk_grouping_space_space", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("choice", sa.JSON, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("model", sa.LargeBinary, nullable=False),
        sa.Column("begun", sa.JSON, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grouping"),
        sa.UniqueConstraint("name", name="uq_grouping_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_grouping_space", "grouping", ["space"])
    op.create_table(
        "placed",
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column(
            "grouping",
            sa.Integer,
            sa.ForeignKey("grouping.id", name="fk_placed_grouping_grouping", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("cluster", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("item", "grouping", name="pk_placed"),
    )
    op.create_index("ix_placed_grouping_cluster_item", "placed", ["grouping", "cluster", "item"])


def downgrade() -> None:
    for table in ("placed", "grouping"):
        op.drop_table(table)
