"""The tables, whose comments say what they hold.

Times are integers, microseconds since 1970 in UTC; `taken_at` is ISO 8601 without a time zone, as cameras write it.
"""

from __future__ import annotations

import sqlalchemy as sa

from indexers.catalogue.column_types import Integer, Number, Text
from indexers.catalogue.columns import cluster_column, item_column, json_column
from indexers.catalogue.columns import metadata as metadata
from indexers.catalogue.decision_tables import correction as correction
from indexers.catalogue.decision_tables import decision as decision
from indexers.catalogue.decision_tables import label as label
from indexers.catalogue.decision_tables import lesson as lesson
from indexers.catalogue.decision_tables import merging as merging
from indexers.catalogue.decision_tables import proposal as proposal
from indexers.catalogue.part_tables import finding as finding
from indexers.catalogue.part_tables import part as part
from indexers.catalogue.part_tables import part_vector as part_vector
from indexers.catalogue.part_tables import trash_part_vector as trash_part_vector
from indexers.catalogue.work_tables import work as work
from indexers.catalogue.work_tables import worker as worker

REVISION = "0018"
"""The migration that these tables correspond to; a test compares it with Alembic's newest."""

counter = sa.Table(
    "counter",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("oldest", sa.BigInteger, nullable=False),
    comment="one row: the newest change number, and the oldest one whose successors are all still in `change`",
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("key", Text, nullable=False, unique=True),
    sa.Column("hash", sa.LargeBinary(20), index=True),
    sa.Column("pixel_hash", sa.LargeBinary(20), index=True),
    sa.Column("width", Integer),
    sa.Column("height", Integer),
    sa.Column("format", Text),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("text", Text),
    sa.Column("taken_at", Text),
    sa.Column("added_at", sa.BigInteger, nullable=False),
    json_column("metadata", "object"),
    json_column("capture", "object", server_default="{}"),
    sa.Column("sharpness", sa.Float),
    sa.Column("noise", sa.Float),
    sa.Column("exposure", sa.Float),
    sa.Column("contrast", sa.Float),
    sqlite_autoincrement=True,
    comment="a picture, or a ready-made vector; ids are never used again; `capture`: how its file says it was taken; "
    "from `sharpness` on: how good the picture is, from 0 to 1, where it was measured",
)

attribute = sa.Table(
    "attribute",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    item_column(),
    sa.Column("key", Text, nullable=False),
    sa.Column("element", sa.Boolean, nullable=False),
    sa.Column("number", Number),
    sa.Column("text", Text),
    sa.Column("flag", sa.Boolean),
    sa.Index(None, "key", "element", "number", "item"),
    sa.Index(None, "key", "element", "text", "item"),
    comment="metadata again, one row a value, for filters; `element`: it stands in a list; no value at all: null",
)

location = sa.Table(
    "location",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    item_column(),
    sa.Column("uri", Text, nullable=False, index=True),
    sa.Column("size", sa.BigInteger),
    sa.Column("mtime_ns", sa.BigInteger),
    sa.Column("inode", sa.BigInteger),
    sa.Column("missing_since", sa.BigInteger),
    sa.Column("ctime_ns", sa.BigInteger),
    sa.UniqueConstraint("item", "uri"),
    comment="every path or URI of an item; one file may be that of several items with keys of their own",
)

space = sa.Table(
    "space",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("embedder", Text),
    json_column("settings", "object"),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("dimension", Integer, nullable=False),
    sa.Column("metric", Text, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("parts", Text),
    sqlite_autoincrement=True,
    comment="one embedder's vectors over the collection; no embedder: the vectors are given ready-made; `parts`: they "
    "are those of parts of that kind, in `part_vector`, rather than of items",
)

vector = sa.Table(
    "vector",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="float32, little-endian, as the embedder gave them",
)

change = sa.Table(
    "change",
    metadata,
    # INTEGER in SQLite, 64 bits all the same: only that name makes the key the row's own address
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("item", Integer, nullable=False),
    sa.Column("space", Integer),
    sa.Column("what", Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    comment="what happened, in order; `at` also tells two histories with the same numbers apart",
)

follower = sa.Table(
    "follower",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    comment="how far each stored follower is, and how often it was saved",
)

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("key", Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    comment="what the collection remembers of itself",
)

failure = sa.Table(
    "failure",
    metadata,
    sa.Column("uri", Text, primary_key=True),
    sa.Column("size", sa.BigInteger),
    sa.Column("mtime_ns", sa.BigInteger),
    sa.Column("stage", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("attempts", Integer, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    comment="what could not be read: where, when, why, how often",
)

clustering = sa.Table(
    "clustering",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("coarse", sa.Float, nullable=False),
    sa.Column("medium", sa.Float, nullable=False),
    sa.Column("fine", sa.Float, nullable=False),
    sa.Column("items", Integer, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("corrections", sa.BigInteger, nullable=False, server_default="0"),
    comment="as of which change the clusters of a space are, and the parameters by which its levels cut the tree, "
    "chosen among so many items at change `since`; `corrections` tells which corrections are in them",
)

cluster = sa.Table(
    "cluster",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("level", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("given", sa.Boolean, nullable=False),
    sa.Column("born", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
    comment="every cluster there ever was; ids are never used again; `given`: a person chose the name",
)

member = sa.Table(
    "member",
    metadata,
    sa.Column("item", Integer, primary_key=True, autoincrement=False),
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    cluster_column("coarse"),
    cluster_column("medium"),
    cluster_column("fine"),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Index(None, "space", "coarse", "item"),
    sa.Index(None, "space", "medium", "item"),
    sa.Index(None, "space", "fine", "item"),
    comment="the clusters of each item, 0: loose; `since`: the change at which it came into its cluster of medium. "
    "Of a removed item it stays until the clusters have followed, which is how they know what they have lost",
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("change", sa.BigInteger, nullable=False, index=True),
    sa.Column("cluster", Integer),
    sa.Column("level", Text),
    sa.Column("what", Text, nullable=False),
    json_column("others", "array"),
    sa.Column("gained", Integer, nullable=False),
    sa.Column("lost", Integer, nullable=False),
    sa.Column("size", Integer, nullable=False),
    comment="what happened to clusters",
)

partitioning = sa.Table(
    "partitioning",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    comment="the centroids of a space's partitions, and what mini-batch k-means has to remember to go on learning",
)

chance = sa.Table(
    "chance",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("texts", sa.Boolean, nullable=False),
    sa.Column("drawn", Integer, nullable=False),
    sa.Column("cohort", sa.LargeBinary, nullable=False),
    sa.Column("nulls", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
    comment="null distributions of scores, for pictures and texts: the items compared with, `drawn` from so many",
)

grouping = sa.Table(
    "grouping",
    metadata,
    sa.Column("id", Integer, primary_key=True),
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("method", Text, nullable=False),
    json_column("parameters", "object"),
    json_column("choice", "object"),
    json_column("labels", "array", lists="cluster"),
    sa.Column("model", sa.LargeBinary, nullable=False),
    json_column("begun", "object"),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("written", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
    comment="a named clustering: its method, how items were chosen to learn from, its model, the cluster of each label;"
    " what it was like when made, at change `since`; the change that its members follow, how often they were written",
)

placed = sa.Table(
    "placed",
    metadata,
    sa.Column("item", Integer, primary_key=True, autoincrement=False),
    sa.Column("grouping", Integer, sa.ForeignKey("grouping.id", ondelete="CASCADE"), primary_key=True),
    cluster_column("cluster"),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Index(None, "grouping", "cluster", "item"),
    comment="the cluster of each item in a grouping, 0: loose; `since`: the change at which it came into it",
)

fingerprint = sa.Table(
    "fingerprint",
    metadata,
    sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary(20), nullable=False),
    sa.Column("hashes", sa.LargeBinary(64), nullable=False),
    sa.Column("described", sa.Boolean, nullable=False),
    sa.Column("compared", sa.Boolean, nullable=False),
    sa.Column("clarity", sa.LargeBinary(128)),
    comment="perceptual hashes of an item in eight views (turned by quarters, mirrored), as of the content that has "
    "that hash; `described`: it has compact features; `compared`: with all others; `clarity`: how sharp and bright its "
    "parts are",
)

feature = sa.Table(
    "feature",
    metadata,
    sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("compact", sa.LargeBinary),
    sa.Column("complete", sa.LargeBinary),
    comment="local features of an item with a fingerprint: compact ones, by which copies are nominated; complete ones, "
    "by which they are proved, only of items that were once candidates",
)

reading = sa.Table(
    "reading",
    metadata,
    sa.Column("item", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary(20), nullable=False),
    sa.Column("reader", Text, nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("problem", Text),
    comment="the text that a reader has recognised in the picture of an item with that content, or why it could not",
)

pair = sa.Table(
    "pair",
    metadata,
    sa.Column("a", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column(
        "b", Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    ),
    sa.Column("kind", Text, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    json_column("evidence", "object"),
    comment="two items (a < b) that were compared, and what proves that they are copies, or not",
)

trash = sa.Table(
    "trash",
    metadata,
    sa.Column("item", Integer, primary_key=True, autoincrement=False),
    sa.Column("key", Text, nullable=False, index=True),
    sa.Column("hash", sa.LargeBinary(20)),
    sa.Column("removed_at", sa.BigInteger, nullable=False, index=True),
    json_column("state", "object"),
    comment="items that were removed and can be restored: what the other tables held of them",
)

trash_vector = sa.Table(
    "trash_vector",
    metadata,
    sa.Column("space", Integer, sa.ForeignKey("space.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", Integer, sa.ForeignKey("trash.item", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="the vectors of removed items",
)
