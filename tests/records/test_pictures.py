"""Where records load the pictures of their items from."""

from __future__ import annotations

import inspect

import pytest

from retrieval import Collection
from retrieval.items.pictures import PictureLoader
from retrieval.records.pictures import PictureSource


@pytest.mark.parametrize("method", ["load", "make_thumbnail"])
def test_what_loads_a_collections_pictures_takes_what_records_ask_for(method: str) -> None:
    wanted, offered = (inspect.signature(getattr(kind, method)) for kind in (PictureSource, PictureLoader))
    assert wanted == offered


def test_every_record_of_a_collection_that_shows_pictures_has_the_same_source(filled: Collection) -> None:
    item_id = filled.items()[0].id
    filled.add_vectors(filled.vectors([item_id])[item_id][None].repeat(8, axis=0))
    sources = {id(filled.search(item=item_id)[0]._pictures), id(filled.clusters()[0]._pictures)}
    sources |= {id(filled.partitions()[0]._pictures), id(filled._parts.pictures)}
    assert len(sources) == 1
