"""clusters with lasting ids, their members and events, and the centroids of partitions

Revision 0003 after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def build_space_column(**options) -> sa.Column:
    reference = sa.ForeignKey("space.id", name=f"fk_{options.pop('table')}_space_space", ondelete="CASCADE")
    return sa.Column("space", sa.Integer, reference, nullable=False, **options)


def upgrade() -> None:
    op.create_table(
        "clustering",
        build_space_column(table="clustering", primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("coarse", sa.Float, nullable=False),
        sa.Column("medium", sa.Float, nullable=False),
        sa.Column("fine", sa.Float, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("space", name="pk_clustering"),
    )
    op.create_table(
        "cluster",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("name", sa.String),
        sa.Column("given", sa.Boolean, nullable=False),
        sa.Column("born", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cluster"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "member",
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        build_space_column(table="member", primary_key=True),
        sa.Column("coarse", sa.Integer, nullable=False),
        sa.Column("medium", sa.Integer, nullable=False),
        sa.Column("fine", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("item", "space", name="pk_member"),
    )
    for level in ("coarse", "medium", "fine"):
        op.create_index(f"ix_member_space_{level}_item", "member", ["space", level, "item"])
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, primary_key=True),
        build_space_column(table="event"),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("cluster", sa.Integer),
        sa.Column("level", sa.String),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("others", sa.JSON, nullable=False),
        sa.Column("gained", sa.Integer, nullable=False),
        sa.Column("lost", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_space", "event", ["space"])
    op.create_index("ix_event_change", "event", ["change"])
    op.create_table(
        "partitioning",
        build_space_column(table="partitioning", primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("space", name="pk_partitioning"),
    )


def downgrade() -> None:
    for table in ("partitioning", "event", "member", "cluster", "clustering"):
        op.drop_table(table)
