"""one file may be that of several items; texts that filters read in one Unicode form; times of status change

Revision 0006 after 0005
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("location") as location:
        location.drop_constraint("uq_location_uri", type_="unique")
        location.add_column(sa.Column("ctime_ns", sa.BigInteger))
        location.create_unique_constraint("uq_location_item_uri", ["item", "uri"])
        location.create_index("ix_location_uri", ["uri"])
    connection = op.get_bind()
    for column in ("text", "key"):
        query = sa.text(f"SELECT id, {column} FROM attribute WHERE {column} IS NOT NULL")
        for row_id, text in connection.execute(query).fetchall():
            normalised = unicodedata.normalize("NFC", text)
            if normalised != text:
                update = sa.text(f"UPDATE attribute SET {column} = :text WHERE id = :id")
                connection.execute(update, {"text": normalised, "id": row_id})


def downgrade() -> None:
    with op.batch_alter_table("location") as location:
        location.drop_index("ix_location_uri")
        location.drop_constraint("uq_location_item_uri", type_="unique")
        location.drop_column("ctime_ns")
        location.create_unique_constraint("uq_location_uri", ["uri"])
