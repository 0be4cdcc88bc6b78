"""texts cut into words before the database, in every language; words of paths

Revision 0007 after 0006
"""

from alembic import op

from indexers.catalogue import full_text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # not a copy of how words were cut at this revision: what searches has to cut them as the index does
    full_text.rebuild_index(op.get_bind())


def downgrade() -> None:
    op.execute("DROP TABLE words")
    op.execute("CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')")
