"""The readers of parts of the catalogue, which a snapshot has."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from indexers.catalogue.chances import ChanceReader
from indexers.catalogue.clusterings import ClusteringReader
from indexers.catalogue.clusters import ClusterReader
from indexers.catalogue.corrections import CorrectionReader
from indexers.catalogue.duplicates import DuplicateReader
from indexers.catalogue.file_metadata import FileMetadataReader
from indexers.catalogue.lessons import LessonReader
from indexers.catalogue.parts import PartReader
from indexers.catalogue.places import PlaceReader
from indexers.catalogue.proposals import ProposalReader
from indexers.catalogue.qualities import QualityReader
from indexers.catalogue.readings import ReadingReader
from indexers.catalogue.shots import ShotReader
from indexers.catalogue.trash import TrashReader


class Readers:
    """A connection, and what reads parts of the catalogue over it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.clusters, self.clusterings = ClusterReader(connection), ClusteringReader(connection)
        self.duplicates, self.files = DuplicateReader(connection), FileMetadataReader(connection)
        self.places, self.trash = PlaceReader(connection), TrashReader(connection)
        self.corrections, self.shots = CorrectionReader(connection), ShotReader(connection)
        self.readings, self.chances = ReadingReader(connection), ChanceReader(connection)
        self.proposals = ProposalReader(connection)
        self.lessons = LessonReader(connection)
        self.parts = PartReader(connection)
        self.qualities = QualityReader(connection)
