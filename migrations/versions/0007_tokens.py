"""texts cut into words before the database, in every language; words of paths

Revision 0007 after 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing: 0011 makes the index anew, with one more column."""


def downgrade() -> None:
    op.execute("DROP TABLE words")
    op.execute("CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')")
