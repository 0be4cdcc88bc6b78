"""removed items are kept for a while

Revision 0009 after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trash",
        sa.Column("item", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("hash", sa.LargeBinary(20)),
        sa.Column("removed_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_trash"),
    )
    op.create_index("ix_trash_key", "trash", ["key"])
    op.create_index("ix_trash_removed_at", "trash", ["removed_at"])
    op.create_table(
        "trash_vector",
        sa.Column(
            "space",
            sa.Integer,
            sa.ForeignKey("space.id", ondelete="CASCADE", name="fk_trash_vector_space_space"),
            nullable=False,
        ),
        sa.Column(
            "item",
            sa.Integer,
            sa.ForeignKey("trash.item", ondelete="CASCADE", name="fk_trash_vector_item_trash"),
            nullable=False,
        ),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("space", "item", name="pk_trash_vector"),
    )
    op.create_index("ix_trash_vector_item", "trash_vector", ["item"])


def downgrade() -> None:
    op.drop_table("trash_vector")
    op.drop_table("trash")
