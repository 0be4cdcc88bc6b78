"""hashes of eight views and compact features of every picture; evidence of duplicates is collected anew

Revision 0008 after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _item() -> sa.Column[int]:
    key = sa.ForeignKey("item.id", ondelete="CASCADE", name="fk_fingerprint_item_item")
    return sa.Column("item", sa.Integer, key, nullable=False, autoincrement=False)


def upgrade() -> None:
    op.execute("DELETE FROM pair")
    op.drop_table("fingerprint")
    op.create_table(
        "fingerprint",
        _item(),
        sa.Column("content", sa.LargeBinary(20), nullable=False),
        sa.Column("hashes", sa.LargeBinary(64), nullable=False),
        sa.Column("described", sa.Boolean, nullable=False),
        sa.Column("compared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_fingerprint"),
    )
    op.create_table(
        "feature",
        sa.Column(
            "item",
            sa.Integer,
            sa.ForeignKey("item.id", ondelete="CASCADE", name="fk_feature_item_item"),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("compact", sa.LargeBinary),
        sa.Column("complete", sa.LargeBinary),
        sa.PrimaryKeyConstraint("item", name="pk_feature"),
    )


def downgrade() -> None:
    op.drop_table("feature")
    op.drop_table("fingerprint")
    op.create_table(
        "fingerprint",
        _item(),
        sa.Column("content", sa.LargeBinary(20), nullable=False),
        sa.Column("hash", sa.LargeBinary(8), nullable=False),
        sa.Column("mirrored", sa.LargeBinary(8), nullable=False),
        sa.Column("features", sa.LargeBinary),
        sa.Column("compared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_fingerprint"),
    )
