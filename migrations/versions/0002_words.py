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


def list_values(metadata):
    """Yield the texts and numbers, however deep they lie."""
    for value in metadata.values() if isinstance(metadata, dict) else metadata:
        if isinstance(value, dict | list):
            yield from list_values(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def upgrade() -> None:
    op.execute("CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')")
    connection = op.get_bind()
    for item_id, text, metadata in connection.execute(sa.text("SELECT id, text, metadata FROM item")).fetchall():
        body = "\n".join([*([text] if text is not None else []), *list_values(json.loads(metadata))])
        if body:
            connection.execute(
                sa.text("INSERT INTO words (rowid, body) VALUES (:id, :body)"), {"id": item_id, "body": body}
            )


def downgrade() -> None:
    op.execute("DROP TABLE words")
