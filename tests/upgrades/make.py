"""Make the stored database of the present schema: python -m tests.upgrades.make

Run it once for each released schema, before the next migration is written, and commit the database. It writes through
the library as it is now; the database of an older schema can't be made again.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import sqlalchemy as sa
from PIL import Image

from indexers.catalogue import schema
from indexers.catalogue import sqlite as database
from indexers.catalogue.full_text import rebuild_index
from retrieval import Collection

HERE = Path(__file__).parent
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
METADATA = {"number": 2**53 + 1, "half": 0.5, "yes": True, "nothing": None, "tags": ["a", "b"], "camera": {"make": "x"}}


def make(target: Path) -> None:
    """Write a database with three pictures at four locations, one of them missing, one failure, two items with keys of
    their own, one of them removed, a decision, a clustering and parts."""
    with tempfile.TemporaryDirectory() as name:
        pictures, folder = Path(name, "pictures"), Path(name, "collection")
        pictures.mkdir()
        for colour, value in COLOURS.items():
            Image.new("RGB", (8, 6), value).save(pictures / f"{colour}.png")
        shutil.copy(pictures / "red.png", pictures / "red again.png")
        (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        with Collection.open(folder, create=True, embedder="tiny") as collection:
            collection.add(pictures, metadata={"album": "kept"})
            collection.update(str(pictures / "red.png"), METADATA, text="words")
            collection.add([Image.new("RGB", (4, 4), "white")], keys=["my own key"])
            collection.add([Image.new("RGB", (4, 4), "black")], keys=["removed"])
            collection.remove("removed")
            (pictures / "blue.png").unlink()
            collection.sync(pictures)
            collection.find_parts("tiles:1")
            collection.make_clustering("kinds", k=2)
            collection.not_duplicates("my own key", str(pictures / "red.png"))
        compact(folder / database.FILE, str(pictures))
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / database.FILE, target / database.FILE)


def compact(path: Path, place: str) -> None:
    """Make it a single small file, in which the pictures lie in a folder that belongs to nobody."""
    connection = sqlite3.connect(path, isolation_level=None)
    for table in ("location", "failure"):
        connection.execute(f"UPDATE {table} SET uri = replace(uri, ?, '/pictures')", (place,))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as writing:
        rebuild_index(writing)
    engine.dispose()
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA page_size=1024")
    connection.execute("VACUUM")
    connection.close()


if __name__ == "__main__":
    make(HERE / schema.REVISION)
