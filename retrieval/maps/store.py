"""The file of a map: derived, so that one that is damaged or of another form counts as none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from indexers.files import read_regular_file, write_file
from indexers.pictures.images import hash_content
from indexers.types import Ids
from retrieval.maps.layout import Places

FORMAT = 1
MAX_BYTES = 2**32
HASH_BYTES = 20


class StoredMap(NamedTuple):
    """The places of items. built: the change at which all were laid out; base: the number of items then."""

    ids: Ids
    places: Places
    built: int
    base: int


def find_file(folder: Path, space_id: int) -> Path:
    """Return the path of the map of a space."""
    return folder / "maps" / f"{space_id}.npz"


def write_map(path: Path, stored: StoredMap) -> None:
    """Write the file of a map. Raises WriteFailed."""
    stream = io.BytesIO()
    facts = np.array([FORMAT, stored.built, stored.base], np.int64)
    np.savez(stream, ids=stored.ids, places=stored.places, facts=facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = stream.getvalue()
    write_file(path, hash_content(content) + content)


def read_map(path: Path) -> StoredMap | None:
    """Return a map, None if there is none that can be read; its hash is compared first."""
    try:
        content = read_regular_file(path, MAX_BYTES)
    except OSError:
        return None
    digest, content = content[:HASH_BYTES], content[HASH_BYTES:]
    if digest != hash_content(content):
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        ids, places, facts = arrays["ids"], arrays["places"], arrays["facts"]
    is_sound = ids.ndim == 1 and ids.dtype == np.int64 and places.shape == (len(ids), 2) and facts.shape == (3,)
    if not is_sound or places.dtype != np.float32 or int(facts[0]) != FORMAT:
        return None
    if not np.isfinite(places).all() or not (np.diff(ids) > 0).all():
        return None
    return StoredMap(ids, places, int(facts[1]), int(facts[2]))
