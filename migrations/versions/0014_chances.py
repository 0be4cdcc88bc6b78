"""the null distributions of scores

Revision 0014 after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chance",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column(
            "space",
            sa.Integer,
            sa.ForeignKey("space.id", ondelete="CASCADE", name="fk_chance_space_space"),
            nullable=False,
        ),
        sa.Column("texts", sa.Boolean, nullable=False),
        sa.Column("drawn", sa.Integer, nullable=False),
        sa.Column("cohort", sa.LargeBinary, nullable=False),
        sa.Column("nulls", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chance"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chance_space", "chance", ["space"])


def downgrade() -> None:
    op.drop_table("chance")
