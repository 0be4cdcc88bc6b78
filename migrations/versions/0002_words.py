"""an inverted index over texts and metadata

Revision 0002 after 0001
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def values(metadata):
    """Texts and numbers, wherever they stand."""
    for value in metadata.values() if isinstance(metadata, dict) else metadata:
        if isinstance(value, dict | list):
            yield from values(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def upgrade() -> None:
    op.execute("CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')")
    connection = op.get_bind()
    for one, text, metadata in connection.execute(sa.text("SELECT id, text, metadata FROM item")).fetchall():
        body = "\n".join([*([text] if text is not None else []), *values(json.loads(metadata))])
        if body:
            connection.execute(
                sa.text("INSERT INTO words (rowid, body) VALUES (:id, :body)"), {"id": one, "body": body}
            )


def downgrade() -> None:
    op.execute("DROP TABLE words")
