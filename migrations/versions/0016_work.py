"""work that many processes share

Revision 0016 after 0015
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue.column_types import Integer, Text

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "work",
        sa.Column("id", Integer, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("target", Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("attempts", Integer, nullable=False),
        sa.Column("worker", Integer),
        sa.Column("until", sa.BigInteger),
        sa.Column("error", Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_work"),
        sa.UniqueConstraint("kind", "target", name="uq_work_kind_target"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_state_attempts_id", "work", ["state", "attempts", "id"])
    op.create_table(
        "worker",
        sa.Column("id", Integer, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("done", Integer, nullable=False),
        sa.Column("failed", Integer, nullable=False),
        sa.Column("rate", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("worker")
    op.drop_table("work")
