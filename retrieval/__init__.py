"""nearkin: similar pictures, clusters of pictures, duplicates.

    from retrieval import Collection

    with Collection.open("photos", create=True) as collection:
        collection.add("~/Pictures")
        for hit in collection.search("query.jpg"):
            print(hit.score, hit.uri)

Names are loaded when they are first used, so that importing this costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexers.embedders.base import Embedder
    from indexers.errors import (
        BadFilter,
        BadMetadata,
        BadQuery,
        BadSetting,
        BadVector,
        CatalogueDamaged,
        CatalogueError,
        ClusteringNotFound,
        ClusterNotFound,
        CollectionClosed,
        CollectionNotFound,
        CollectionReadOnly,
        ItemNotFound,
        LessonNotFound,
        MissingPackage,
        NearkinError,
        NoTextTower,
        NotFound,
        PictureError,
        PictureTooLarge,
        ReadFailed,
        SchemaTooNew,
        SchemaTooOld,
        Unavailable,
        UnknownPlugin,
        UnknownWords,
        UnreadablePicture,
        UnsafeFileSystem,
        UsageError,
        WeightsUnavailable,
        WriteFailed,
        WriterBusy,
    )
    from indexers.progress import Progress
    from indexers.types import Failure, Neighbours
    from retrieval.collection import Collection
    from retrieval.records.clusters import (
        Cluster,
        ClusterEvent,
        Clusters,
        Correction,
        Drift,
        Loose,
        NamedClustering,
        Outlier,
        Partition,
    )
    from retrieval.records.duplicates import DuplicateGroup, ItemValue, Match, Merge, MergedValue, Move, Pair
    from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace
    from retrieval.records.items import Item, Page, TrashedItem
    from retrieval.records.learning import Lesson, Suggestion, Suggestions
    from retrieval.records.maps import CollectionMap, Territory
    from retrieval.records.parts import FindReport, Part, PartPage
    from retrieval.records.proposals import Proposal
    from retrieval.records.reports import AddReport, Backup, Info, PartInfo, ReadReport, Report, SyncReport
    from retrieval.records.search import Group, Hit, Hits
    from retrieval.records.stacks import Stack
    from retrieval.records.structure import NeighbourPath, Summary
    from retrieval.records.together import Alignment, Stitched
    from retrieval.records.work import QueueReport, WorkInfo, WorkReport
    from retrieval.search.query import item, text

__version__ = "0.1.0"

_ROOMS = {
    "indexers.embedders.base": "Embedder",
    "indexers.errors": """BadFilter BadMetadata BadQuery BadSetting BadVector CatalogueDamaged
        CatalogueError ClusterNotFound ClusteringNotFound CollectionClosed CollectionNotFound
        CollectionReadOnly ItemNotFound LessonNotFound MissingPackage NearkinError NoTextTower NotFound PictureError
        PictureTooLarge ReadFailed SchemaTooNew SchemaTooOld Unavailable UnknownPlugin UnknownWords UnreadablePicture
        UnsafeFileSystem UsageError WeightsUnavailable WriteFailed WriterBusy""",
    "indexers.progress": "Progress",
    "indexers.types": "Failure Neighbours",
    "retrieval.collection": "Collection",
    "retrieval.records.clusters": "Cluster ClusterEvent Clusters Correction Drift Loose NamedClustering Outlier "
    "Partition",
    "retrieval.records.duplicates": "DuplicateGroup ItemValue Match Merge MergedValue Move Pair",
    "retrieval.records.evaluation": "Evaluation JudgedClustering JudgedSpace",
    "retrieval.records.items": "Item Page TrashedItem",
    "retrieval.records.maps": "CollectionMap Territory",
    "retrieval.records.proposals": "Proposal",
    "retrieval.records.learning": "Lesson Suggestion Suggestions",
    "retrieval.records.parts": "FindReport Part PartPage",
    "retrieval.records.reports": "AddReport Backup Info PartInfo ReadReport Report SyncReport",
    "retrieval.records.search": "Group Hit Hits",
    "retrieval.records.stacks": "Stack",
    "retrieval.records.structure": "NeighbourPath Summary",
    "retrieval.records.work": "QueueReport WorkInfo WorkReport",
    "retrieval.records.together": "Alignment Stitched",
    "retrieval.search.query": "item text",
}
_PLACE = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "AddReport",
    "Alignment",
    "Backup",
    "BadFilter",
    "BadMetadata",
    "BadQuery",
    "BadSetting",
    "BadVector",
    "CatalogueDamaged",
    "CatalogueError",
    "Cluster",
    "ClusterEvent",
    "ClusterNotFound",
    "ClusteringNotFound",
    "Clusters",
    "Collection",
    "CollectionClosed",
    "CollectionMap",
    "CollectionNotFound",
    "CollectionReadOnly",
    "Correction",
    "Drift",
    "DuplicateGroup",
    "Embedder",
    "Evaluation",
    "Failure",
    "FindReport",
    "Group",
    "Hit",
    "Hits",
    "Info",
    "Item",
    "ItemNotFound",
    "ItemValue",
    "JudgedClustering",
    "JudgedSpace",
    "Lesson",
    "LessonNotFound",
    "Loose",
    "Match",
    "Merge",
    "MergedValue",
    "MissingPackage",
    "Move",
    "NamedClustering",
    "NearkinError",
    "NeighbourPath",
    "Neighbours",
    "NoTextTower",
    "NotFound",
    "Outlier",
    "Page",
    "Pair",
    "Part",
    "PartInfo",
    "PartPage",
    "Partition",
    "PictureError",
    "PictureTooLarge",
    "Progress",
    "Proposal",
    "QueueReport",
    "ReadFailed",
    "ReadReport",
    "Report",
    "SchemaTooNew",
    "SchemaTooOld",
    "Stack",
    "Stitched",
    "Suggestion",
    "Suggestions",
    "Summary",
    "SyncReport",
    "Territory",
    "TrashedItem",
    "Unavailable",
    "UnknownPlugin",
    "UnknownWords",
    "UnreadablePicture",
    "UnsafeFileSystem",
    "UsageError",
    "WeightsUnavailable",
    "WorkInfo",
    "WorkReport",
    "WriteFailed",
    "WriterBusy",
    "item",
    "text",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_PLACE[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
