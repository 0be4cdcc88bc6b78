"""Every error that nearkin raises.

    NearkinError
    ├── UsageError (also a ValueError)      an argument can't be used; nothing was written
    │   ├── BadQuery                        a query that is no picture, text, item or vector; k below 1
    │   │   └── UnknownWords                words of which the embedder knows none
    │   ├── BadVector                       NaN, infinite, all zero, or of another dimension
    │   ├── BadFilter                       a `where` outside the grammar
    │   ├── BadMetadata                     metadata that JSON can't hold
    │   ├── CollectionClosed                a collection that was closed
    │   ├── BadSetting                      an unknown key or a value out of range, in a file, the environment or a call
    │   ├── UnknownPlugin                   no embedder, index or clusterer of that name
    │   └── NoTextTower                     a search by text with an embedder that reads pictures only
    ├── NotFound (also a KeyError)
    │   ├── ItemNotFound                    no item with that id or key
    │   ├── SpaceNotFound                   no space of that name
    │   ├── ClusterNotFound                 no cluster with that id, or not any more
    │   ├── ClusteringNotFound              no clustering of that name
    │   ├── LessonNotFound                  nothing is learned under that name
    │   └── CollectionNotFound              no collection in that folder
    ├── PictureError                        one picture can't be read; a run continues without it
    │   ├── UnreadablePicture               not a picture, cut off, or damaged
    │   └── PictureTooLarge                 over the limits on pixels or bytes; refused before its pixels are decoded
    ├── Unavailable                         something has to be installed or downloaded first
    │   ├── MissingPackage (also an ImportError)   an optional package
    │   └── WeightsUnavailable              a model's weights
    ├── CatalogueError                      the database can't be used as it is
    │   ├── CatalogueDamaged                SQLite can't read it, or it contradicts itself
    │   ├── SchemaTooNew                    made by a newer nearkin
    │   ├── SchemaTooOld                    `nearkin upgrade` has to run first
    │   ├── UnsafeFileSystem                a network file system, on which SQLite's log is unsafe
    │   ├── LeadsOutside                    a link in the collection's folder leads out of it
    │   ├── CollectionReplaced              another database took the place of the open one; the next call opens it
    │   ├── WriterBusy                      another process or thread is writing
    │   │   └── WriteConflict               one beside this has written the same; callers never see this
    │   ├── ReadFailed                      the disk, or the system, does not let the database be read
    │   └── WriteFailed                     the disk is full, or the folder is not writable
    │       └── CollectionReadOnly          another user's, on a read-only mount, in a snapshot
    └── StoredFileDamaged                   a derived file failed its check; it is rebuilt, and callers never see this
        └── StoredFileForeign               a derived file that another user or another machine has signed, or nobody

Each message says what is wrong, with which value, and what to do about it. Errors of other libraries are translated
where they are raised; only the command line turns errors into exit codes.
"""


class NearkinError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(NearkinError, ValueError):
    """An argument can't be used."""


class BadQuery(UsageError):
    """The query is nothing that can be searched for."""


class UnknownWords(BadQuery):
    """Words of which the embedder knows none."""


class BadVector(UsageError):
    """A vector that no index can hold."""


class BadFilter(UsageError):
    """A `where` outside the grammar."""


class BadMetadata(UsageError):
    """Metadata that JSON can't hold."""


class BadSetting(UsageError):
    """An unknown setting, or a value out of its range."""


class CollectionClosed(UsageError):
    """The collection was closed."""


class UnknownPlugin(UsageError):
    """No member of that plug-in family has that name."""


class NoTextTower(UsageError):
    """The embedder reads pictures only."""


class NotFound(NearkinError, KeyError):
    """What was named does not exist."""

    def __str__(self) -> str:  # KeyError would print the message's repr
        return str(self.args[0]) if self.args else ""


class ItemNotFound(NotFound):
    """No item with that id or key."""


class SpaceNotFound(NotFound):
    """No space of that name."""


class ClusterNotFound(NotFound):
    """No cluster with that id, or not any more."""


class ClusteringNotFound(NotFound):
    """No clustering of that name."""


class LessonNotFound(NotFound):
    """Nothing is learned under that name."""


class CollectionNotFound(NotFound):
    """No collection in that folder."""


class PictureError(NearkinError):
    """One picture can't be read."""


class UnreadablePicture(PictureError):
    """Not a picture, cut off, or damaged."""


class PictureTooLarge(PictureError):
    """Over the limit on pixels or bytes."""


class Unavailable(NearkinError):
    """Something has to be installed or downloaded first."""


class MissingPackage(Unavailable, ImportError):
    """An optional package is not installed."""


class WeightsUnavailable(Unavailable):
    """A model's weights are not available."""


class CatalogueError(NearkinError):
    """The database can't be used as it is."""


class CatalogueDamaged(CatalogueError):
    """The database is damaged."""


class SchemaTooNew(CatalogueError):
    """The database was made by a newer nearkin."""


class SchemaTooOld(CatalogueError):
    """The database has to be upgraded first."""


class UnsafeFileSystem(CatalogueError):
    """The database would lie on a network file system."""


class LeadsOutside(CatalogueError):
    """A link in the folder of a collection leads out of it."""


class CollectionReplaced(CatalogueError):
    """Another database has taken the place of the one that is open."""


class WriterBusy(CatalogueError):
    """Another process or thread is writing."""


class WriteConflict(WriterBusy):
    """Another writer has meanwhile written what this one was about to write."""


class ReadFailed(CatalogueError):
    """The database can't be read at the moment."""


class WriteFailed(CatalogueError):
    """The disk is full, or the folder is not writable."""


class CollectionReadOnly(WriteFailed):
    """The collection may only be read."""


class StoredFileDamaged(NearkinError):
    """A derived file failed its check."""


class StoredFileForeign(StoredFileDamaged):
    """A derived file without a signature of this user's. signed: whether it bears another one."""

    def __init__(self, message: str, signed: bool = False) -> None:
        super().__init__(message)
        self.signed = signed
