"""first tables

Revision 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import UserDefinedType


class Number(UserDefinedType):
    """The column type as it was then: a migration doesn't follow later changes of the schema."""

    cache_ok = True

    def get_col_spec(self, **_):
        return "NUMERIC"


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("space", sa.Integer(), nullable=True),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_change")),
        comment="what happened, in order; `at` also tells two histories with the same numbers apart",
    )
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("oldest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counter")),
        comment="one row: the newest change number, and the oldest one whose successors are all still in `change`",
    )
    op.create_table(
        "failure",
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_failure")),
        comment="what could not be read: where, when, why, how often",
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=20), nullable=True),
        sa.Column("pixel_hash", sa.LargeBinary(length=20), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("format", sa.String(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("taken_at", sa.String(), nullable=True),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("key", name=op.f("uq_item_key")),
        comment="a picture, or a ready-made vector; ids are never used again",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_hash"), ["hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_item_pixel_hash"), ["pixel_hash"], unique=False)

    op.create_table(
        "setting",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setting")),
        comment="what the collection remembers of itself",
    )
    op.create_table(
        "space",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("embedder", sa.String(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_space")),
        sa.UniqueConstraint("name", name=op.f("uq_space_name")),
        comment="one embedder's vectors over the collection; no embedder: the vectors are given ready-made",
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attribute",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("element", sa.Boolean(), nullable=False),
        sa.Column("number", Number(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("flag", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name=op.f("fk_attribute_item_item"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attribute")),
        comment="metadata again, one row a value, for filters; `element`: it stands in a list; no value at all: null",
    )
    with op.batch_alter_table("attribute", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attribute_item"), ["item"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_attribute_key_element_number_item"), ["key", "element", "number", "item"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_attribute_key_element_text_item"), ["key", "element", "text", "item"], unique=False
        )

    op.create_table(
        "follower",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("space", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space"], ["space.id"], name=op.f("fk_follower_space_space"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("name", "space", name=op.f("pk_follower")),
        comment="how far each stored follower is, and how often it was saved",
    )
    op.create_table(
        "location",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=True),
        sa.Column("inode", sa.BigInteger(), nullable=True),
        sa.Column("missing_since", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name=op.f("fk_location_item_item"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("uri", name=op.f("uq_location_uri")),
        comment="every path or URI of an item",
    )
    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_location_item"), ["item"], unique=False)

    op.create_table(
        "vector",
        sa.Column("space", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name=op.f("fk_vector_item_item"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["space"], ["space.id"], name=op.f("fk_vector_space_space"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("space", "item", name=op.f("pk_vector")),
        comment="float32, little-endian, as the embedder gave them",
    )
    with op.batch_alter_table("vector", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_vector_item"), ["item"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("vector", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_vector_item"))

    op.drop_table("vector")
    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_location_item"))

    op.drop_table("location")
    op.drop_table("follower")
    with op.batch_alter_table("attribute", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attribute_key_element_text_item"))
        batch_op.drop_index(batch_op.f("ix_attribute_key_element_number_item"))
        batch_op.drop_index(batch_op.f("ix_attribute_item"))

    op.drop_table("attribute")
    op.drop_table("space")
    op.drop_table("setting")
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_item_pixel_hash"))
        batch_op.drop_index(batch_op.f("ix_item_hash"))

    op.drop_table("item")
    op.drop_table("failure")
    op.drop_table("counter")
    op.drop_table("change")
