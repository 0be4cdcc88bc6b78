"""what a collection learns to tell apart, and what people say items are; how good pictures are

Revision 0017 after 0016
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue.column_types import Integer, Text

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


MEASURES = "sharpness", "noise", "exposure", "contrast"


def upgrade() -> None:
    for name in MEASURES:
        op.add_column("item", sa.Column(name, sa.Float))
    op.create_table(
        "lesson",
        sa.Column("id", Integer, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("method", Text, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("source", Text),
        sa.Column("chosen", Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lesson"),
        sa.UniqueConstraint("name", name="uq_lesson_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "label",
        sa.Column(
            "decision",
            Integer,
            sa.ForeignKey("decision.id", ondelete="CASCADE", name="fk_label_decision_decision"),
            nullable=False,
        ),
        sa.Column("item", Integer, nullable=False),
        sa.Column("content", sa.LargeBinary(20)),
        sa.Column("lesson", Text, nullable=False),
        sa.Column("value", Text, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("decision", "item", name="pk_label"),
    )
    op.create_index("ix_label_lesson", "label", ["lesson"])


def downgrade() -> None:
    op.drop_table("label")
    op.drop_table("lesson")
    with op.batch_alter_table("item") as batch:
        for name in MEASURES:
            batch.drop_column(name)
