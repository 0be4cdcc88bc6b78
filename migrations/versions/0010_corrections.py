"""corrections of clusters

Revision 0010 after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "correction",
        sa.Column(
            "decision",
            sa.Integer,
            sa.ForeignKey("decision.id", ondelete="CASCADE", name="fk_correction_decision_decision"),
            nullable=False,
        ),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("clusters", sa.JSON, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("decision", name="pk_correction"),
    )
    op.add_column("clustering", sa.Column("corrections", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("clustering", "corrections")
    op.drop_table("correction")
