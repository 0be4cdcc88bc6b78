"""text in pictures, and its words beside those of texts and paths

Revision 0011 after 0010
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue import full_text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reading",
        sa.Column(
            "item",
            sa.Integer,
            sa.ForeignKey("item.id", ondelete="CASCADE", name="fk_reading_item_item"),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("content", sa.LargeBinary(20), nullable=False),
        sa.Column("reader", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("problem", sa.String),
        sa.PrimaryKeyConstraint("item", name="pk_reading"),
    )
    # not a copy of how words were cut at this revision: what searches has to cut them as the index does
    full_text.rebuild_index(op.get_bind())


def downgrade() -> None:
    op.drop_table("reading")
    op.execute("DROP TABLE words")
    op.execute("CREATE VIRTUAL TABLE words USING fts5(body, path, tokenize = 'ascii tokenchars ''@''')")
