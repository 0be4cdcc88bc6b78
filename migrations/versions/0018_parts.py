"""the parts of pictures

Revision 0018 after 0017
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue.column_types import Integer, Text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("space", sa.Column("parts", Text))
    op.create_table(
        "part",
        sa.Column("id", Integer, nullable=False, autoincrement=False),
        sa.Column(
            "item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE", name="fk_part_item_item"), nullable=False
        ),
        sa.Column("kind", Text, nullable=False),
        sa.Column("x", Integer),
        sa.Column("y", Integer),
        sa.Column("width", Integer),
        sa.Column("height", Integer),
        sa.Column("mask", Text),
        sa.Column("page", Integer),
        sa.Column("start_seconds", sa.Float),
        sa.Column("end_seconds", sa.Float),
        sa.Column("score", sa.Float),
        sa.Column("text", Text),
        sa.PrimaryKeyConstraint("id", name="pk_part"),
    )
    op.create_index("ix_part_item", "part", ["item"])
    op.create_table(
        "part_vector",
        sa.Column("space", Integer, _refer("part_vector", "space"), nullable=False),
        sa.Column("part", Integer, _refer("part_vector", "part"), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("space", "part", name="pk_part_vector"),
    )
    op.create_index("ix_part_vector_part", "part_vector", ["part"])
    op.create_table(
        "finding",
        sa.Column("item", Integer, _refer("finding", "item"), nullable=False, autoincrement=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("finder", Text, nullable=False),
        sa.Column("version", Text, nullable=False),
        sa.Column("content", sa.LargeBinary(20), nullable=False),
        sa.Column("problem", Text),
        sa.PrimaryKeyConstraint("item", "kind", name="pk_finding"),
    )
    op.create_table(
        "trash_part_vector",
        sa.Column("space", Integer, _refer("trash_part_vector", "space"), nullable=False),
        sa.Column("part", Integer, nullable=False, autoincrement=False),
        sa.Column(
            "item",
            Integer,
            sa.ForeignKey("trash.item", ondelete="CASCADE", name="fk_trash_part_vector_item_trash"),
            nullable=False,
        ),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("space", "part", name="pk_trash_part_vector"),
    )
    op.create_index("ix_trash_part_vector_item", "trash_part_vector", ["item"])


def _refer(table: str, other: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{other}.id", ondelete="CASCADE", name=f"fk_{table}_{other}_{other}")


def downgrade() -> None:
    for table in ("trash_part_vector", "finding", "part_vector", "part"):
        op.drop_table(table)
    op.drop_column("space", "parts")
