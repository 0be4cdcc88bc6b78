"""perceptual hashes, compared pairs with their evidence, decisions of persons

Revision 0004 after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def build_item_column(table: str, name: str = "item") -> sa.Column:
    reference = sa.ForeignKey("item.id", name=f"fk_{table}_{name}_item", ondelete="CASCADE")
    return sa.Column(name, sa.Integer, reference, primary_key=True, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "fingerprint",
        build_item_column("fingerprint"),
        sa.Column("content", sa.LargeBinary(20), nullable=False),
        sa.Column("hash", sa.LargeBinary(8), nullable=False),
        sa.Column("mirrored", sa.LargeBinary(8), nullable=False),
        sa.Column("features", sa.LargeBinary),
        sa.Column("compared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_fingerprint"),
    )
    op.create_table(
        "pair",
        build_item_column("pair", "a"),
        build_item_column("pair", "b"),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("a", "b", name="pk_pair"),
    )
    op.create_index("ix_pair_b", "pair", ["b"])
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("first", sa.LargeBinary(20), nullable=False),
        sa.Column("second", sa.LargeBinary(20), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("undone", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decision_first", "decision", ["first"])
    op.create_index("ix_decision_second", "decision", ["second"])


def downgrade() -> None:
    for table in ("decision", "pair", "fingerprint"):
        op.drop_table(table)
