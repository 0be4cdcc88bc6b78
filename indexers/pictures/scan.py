"""Find picture files on disk (files, folders, globs), read them, and write any path as a string for a database."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.pictures.media import list_suffixes
from indexers.types import FoundFile, Limits, ScanFailure

_SUFFIXES = """
    jpg jpeg jpe jfif mpo png apng gif webp avif avifs heic heif hif tif tiff bmp dib jp2 j2k jpx ico icns
    ppm pgm pbm pnm psd qoi pcx jxl dng cr2 cr3 nef nrw arw raf orf rw2 pef srw
"""
PICTURE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""Suffixes that a folder is searched for, in upper or lower case. A file given by its own path may have any name."""

SIDECAR_SUFFIXES = ".xmp", ".XMP"

NOT_LIBRARIES = frozenset({"@eaDir", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"})
"""Folders in which systems keep their thumbnails and rubbish: skipped, as hidden ones are."""
COLLECTION_FILE, COLLECTION_FOLDERS = "catalogue.sqlite", frozenset({"thumbnails", "uploads", "spaces", "jobs"})
"""Beside that file lie a collection's own folders, whose pictures are copies: skipped."""

OUTSIDE = "it lies outside the folders from which pictures may be added"
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)  # a folder that may be entered, not listed
_SCHEME = "file://"
_THIS_HOST = "localhost/"
_MAX_INODE = 2**63 - 1  # a database holds no larger number; Windows and network file systems have some
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def to_uri(path: str | os.PathLike[str]) -> str:
    """Return the absolute path itself, or a `file://` URL of its bytes if it is not valid UTF-8.

    Steps are parted by `/`, also on Windows, so that the URI of a folder and a slash begin those of all below it.
    """
    absolute = os.path.abspath(path).replace(os.sep, "/")
    try:
        absolute.encode()
    except UnicodeEncodeError:  # surrogates, which SQLite refuses
        return encode_uri(absolute)
    return absolute


def encode_uri(absolute: str) -> str:
    """Return the `file://` URL of an absolute path, its bytes percent-encoded."""
    return _SCHEME + quote_from_bytes(_encode_path(absolute.replace(os.sep, "/")))


def _encode_path(path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:  # no file can have that name, but messages have to name it
        return path.encode("utf-8", "surrogatepass")


def to_path(uri: str) -> str:
    """Return the absolute path of a URI: the inverse of `to_uri`. Windows' `file:///C:/a.jpg` is `C:/a.jpg`; the host
    may be `localhost`."""
    if uri[: len(_SCHEME)].lower() != _SCHEME:
        return uri
    location = uri[len(_SCHEME) :]
    if location[: len(_THIS_HOST)].lower() == _THIS_HOST:
        location = location[len(_THIS_HOST) - 1 :]
    path = os.fsdecode(unquote_to_bytes(location))
    has_drive = os.name == "nt" and path[:1] == "/" and path[2:3] == ":"
    return path[1:] if has_drive else path


def find_pictures(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    roots: Sequence[Path] | None = None,
) -> Iterator[FoundFile | ScanFailure]:
    """Yield every picture file that the paths name, each once, sorted by name within a folder.

    A path is a file, a folder (searched with everything below it) or a glob (`**` crosses folders), and may begin with
    `~`. A name that exists is taken literally, even with `*` or `[` in it. Folders and globs yield files with a
    picture's suffix (a glob that ends in a suffix yields files with that one); a file given by its own path is always
    yielded. In folders, hidden names (`.thumbnails`, `._IMG_1.jpg`), NOT_LIBRARIES and a collection's thumbnails
    and uploads are skipped; a hidden folder given by its own path is searched.

    Linked folders are followed after the real ones, each folder once. A path that can't be entered or followed (no
    permission, a dangling link, a loop, a pipe, missing) is yielded as ScanFailure. No file is opened; nothing blocks.

    With `roots`, a link that leads out of these folders is a ScanFailure too, whatever it leads to.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    scanner = _Scanner(is_picture, roots)
    for path in paths:
        yield from scanner.scan_path(os.path.expanduser(os.fspath(path)))


def read_file(
    path: str | os.PathLike[str],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    roots: Sequence[Path] | None = None,
) -> bytes:
    """Return the bytes of a file; never wait for a pipe. Raises UnreadablePicture; PictureTooLarge before reading.

    With `roots`, the file has to lie in one of these folders once all links are followed.
    """
    try:
        handle = os.open(path, _READ) if roots is None else _open_within(path, roots)
        with open(handle, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadablePicture("not a file: a folder, a pipe or a device")
            check_bytes(status.st_size, limits)
            data = file.readall()
    except FileNotFoundError as error:
        raise UnreadablePicture("there is no such file") from error
    except PermissionError as error:
        raise UnreadablePicture("no permission to read it") from error
    except (OSError, ValueError, MemoryError) as error:
        raise UnreadablePicture(f"it can't be read: {getattr(error, 'strerror', None) or error}") from error
    check_bytes(len(data), limits)
    return data


def check_bytes(count: int, limits: Limits) -> None:
    """Raise PictureTooLarge if a file of so many bytes is over the limit."""
    if count > limits.max_bytes:
        raise PictureTooLarge(f"the file has {count:,} bytes; the limit max_bytes is {limits.max_bytes:,}")


def is_lost(path: str) -> bool:
    """Return True if there is no file at a path: nothing, something else, or a link that leads to neither. False if
    that can't be told, for lack of permission, say."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) == errno.ELOOP


def is_within(path: str | os.PathLike[str], roots: Sequence[Path] | None) -> bool:
    """Return True if the path lies in one of these folders once all links are followed; None allows everything."""
    return roots is None or _find_root(os.path.realpath(path), roots) is not None


def _find_root(real: str, roots: Sequence[Path]) -> str | None:
    folders = map(os.path.realpath, roots)
    return next((folder for folder in folders if os.path.join(real, "").startswith(os.path.join(folder, ""))), None)


def _open_within(path: str | os.PathLike[str], roots: Sequence[Path]) -> int:
    """Open a file that lies in one of these folders once all links are followed, and return its descriptor.

    The real path is walked again from the root, a step at a time, following no link: whoever exchanges a folder for a
    link between the check and the opening gains nothing. Raises UnreadablePicture, OSError.
    """
    real = os.path.realpath(path)
    root = _find_root(real, roots)
    if root is None:
        raise UnreadablePicture(OUTSIDE)
    if os.open not in os.supports_dir_fd:  # Windows, where making a link takes the rights of an administrator
        return os.open(real, _READ)
    *folders, name = os.path.relpath(real, root).split(os.sep)
    handle = os.open(root, _ENTER)
    try:
        for folder in folders:
            inner = os.open(folder, _ENTER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=handle)
    finally:
        os.close(handle)


class _Scanner:
    """One walk through files and folders, each visited once. `is_match` says which files of a folder are yielded."""

    def __init__(self, is_match: Callable[[str], bool], roots: Sequence[Path] | None) -> None:
        self.is_match, self.roots = is_match, roots
        self.entered: set[tuple[int, int]] = set()
        self.yielded: set[str] = set()

    def scan_path(self, path: str) -> Iterator[FoundFile | ScanFailure]:
        """Yield what a path from the caller stands for: a file, a folder or a glob."""
        if not path:  # which would be the current folder
            yield ScanFailure("", "an empty path")
            return
        absolute = os.path.abspath(path)
        if os.path.lexists(path) or not glob.has_magic(path):
            yield from self.scan_place(absolute, is_named=True)
        elif "**" in absolute.split(os.sep):
            yield from self.scan_deep_glob(absolute)
        else:
            matches = [match for match in sorted(glob.glob(absolute)) if os.path.basename(match) not in NOT_LIBRARIES]
            matches = [match for match in matches if is_within(match, self.roots)]
            for match in matches:
                yield from self.scan_place(match, is_named=_names_suffix(absolute))
            if not matches:
                yield ScanFailure(to_uri(path), "nothing matches this glob")

    def scan_place(self, path: str, is_named: bool) -> Iterator[FoundFile | ScanFailure]:
        """Yield the files of a folder, or a file if it matches or the caller named it."""
        if not is_within(path, self.roots):
            yield from self.yield_once(path, ScanFailure(to_uri(path), OUTSIDE))
            return
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            yield from self.yield_once(path, ScanFailure(to_uri(path), _explain_error(error)))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self.scan_folder(path)
        elif is_named or self.is_match(path):
            yield from self.yield_once(path, _make_record(path, status, self.roots))

    def yield_once(self, path: str, record: FoundFile | ScanFailure) -> Iterator[FoundFile | ScanFailure]:
        """Yield the record unless this path was yielded before."""
        if path not in self.yielded:
            self.yielded.add(path)
            yield record

    def scan_folder(self, path: str) -> Iterator[FoundFile | ScanFailure]:
        """Yield all matching files in and below a folder."""
        stack, links = [path], list[str]()  # a stack, since folders may be nested deeper than Python may recurse
        while stack or links:
            below = []
            entries = self.list_entries(stack.pop() if stack else links.pop(0))
            sidecars = {entry.name for entry in entries if isinstance(entry, os.DirEntry) and is_sidecar(entry.name)}
            for entry in entries:
                if isinstance(entry, ScanFailure):
                    yield entry
                elif entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif not entry.is_symlink():
                    if self.is_match(entry.path):
                        yield from self.scan_entry(entry, sidecars)
                elif not is_within(entry.path, self.roots):
                    yield from self.yield_once(entry.path, ScanFailure(to_uri(entry.path), OUTSIDE))
                elif not os.path.isdir(entry.path):
                    if self.is_match(entry.path) or not os.path.exists(entry.path):
                        yield from self.scan_place(entry.path, is_named=True)
                elif _leads_back(entry.path):
                    yield ScanFailure(to_uri(entry.path), "a link to a folder that it lies in; not followed")
                else:
                    links.append(entry.path)
            stack.extend(reversed(below))

    def list_entries(self, path: str) -> list[os.DirEntry[str] | ScanFailure]:
        """Return the visible entries of a folder by name; none if it was entered before."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self.entered:
                return []
            self.entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                visible = sorted((entry for entry in entries if is_visible(entry.name)), key=lambda entry: entry.name)
            is_collection = any(entry.name == COLLECTION_FILE for entry in visible)
            return [entry for entry in visible if not is_collection or entry.name not in COLLECTION_FOLDERS]
        except OSError as error:
            return [ScanFailure(to_uri(path), _explain_error(error))]

    def scan_entry(self, entry: os.DirEntry[str], sidecars: Set[str]) -> Iterator[FoundFile | ScanFailure]:
        """Yield one file of a folder, in which there are these sidecars."""
        try:
            record = _make_record(entry.path, entry.stat(), self.roots, sidecars)
        except OSError as error:
            record = ScanFailure(to_uri(entry.path), _explain_error(error))
        yield from self.yield_once(entry.path, record)

    def scan_deep_glob(self, pattern: str) -> Iterator[FoundFile | ScanFailure]:
        """Yield what a glob with `**` matches, on a walk of its own: Python's glob follows a loop of links until the
        path is too long, and files that this glob leaves out may still be yielded for another path."""
        steps = pattern.split(os.sep)
        start = steps.index("**")
        root, any_suffix, count = os.sep.join(steps[:start]), _names_suffix(pattern), 0
        if not os.path.splitdrive(root)[1]:  # nothing, or on Windows `C:` alone, which is not its root
            root += os.sep
        bases = sorted(glob.glob(root)) if glob.has_magic(root) else [root]
        for base in (base for base in bases if is_within(base, self.roots)):
            is_match = partial(_matches_glob, base=base, steps=steps[start:], any_suffix=any_suffix)
            scanner = _Scanner(is_match, self.roots)
            for record in scanner.scan_folder(base):
                count += 1
                path = record.path if isinstance(record, FoundFile) else to_path(record.uri)
                yield from self.yield_once(path, record)
        if not count:
            yield ScanFailure(to_uri(pattern), "nothing matches this glob")


def _matches_glob(path: str, base: str, steps: list[str], any_suffix: bool) -> bool:
    return (any_suffix or is_picture(path)) and _match_steps(os.path.relpath(path, base).split(os.sep), steps)


def _match_steps(names: list[str], steps: list[str]) -> bool:
    """Return True if the steps of a glob match a relative path, or a folder that it lies in."""
    if not steps:
        return True
    if steps[0] == "**":
        return any(_match_steps(names[skip:], steps[1:]) for skip in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], steps[0]) and _match_steps(names[1:], steps[1:])


def is_visible(name: str) -> bool:
    """Return False for a name that is skipped in folders and archives: a hidden one, or one of NOT_LIBRARIES."""
    return not name.startswith(".") and name not in NOT_LIBRARIES


def is_picture(path: str) -> bool:
    """Return True if the path has a picture's suffix."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in PICTURE_SUFFIXES or suffix in list_suffixes()


def is_sidecar(path: str) -> bool:
    """Return True if the path has a sidecar's suffix."""
    return path.endswith(SIDECAR_SUFFIXES)


def _names_suffix(pattern: str) -> bool:
    """Return True if a glob ends in a suffix (`*.dat`): it then yields files that a folder would not."""
    suffix = os.path.splitext(pattern)[1]
    return bool(suffix) and not glob.has_magic(suffix)


def _leads_back(link: str) -> bool:
    target, home = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.join(home, "").startswith(os.path.join(target, ""))


def _make_record(
    path: str, status: os.stat_result, roots: Sequence[Path] | None = None, sidecars: Set[str] | None = None
) -> FoundFile | ScanFailure:
    """Return the record of a file with its sidecar: among the names in `sidecars`, or else wherever it lies."""
    if stat.S_ISREG(status.st_mode):
        sidecar = _find_sidecar(path, roots, sidecars) if sidecars is None or sidecars else None
        return _make_file(path, status, sidecar)
    return ScanFailure(to_uri(path), f"{_KINDS.get(stat.S_IFMT(status.st_mode), 'something special')}, not a file")


def _make_file(path: str, status: os.stat_result, sidecar: FoundFile | None = None) -> FoundFile:
    inode = status.st_ino & _MAX_INODE
    return FoundFile(path, to_uri(path), status.st_size, status.st_mtime_ns, inode, status.st_ctime_ns, sidecar)


def _find_sidecar(path: str, roots: Sequence[Path] | None, names: Set[str] | None) -> FoundFile | None:
    """Return the sidecar of a picture: `a.jpg.xmp`, as digiKam and darktable name it, or Lightroom's `a.xmp`."""
    for base in (path, os.path.splitext(path)[0]):
        for suffix in SIDECAR_SUFFIXES:
            if names is None or os.path.basename(base) + suffix in names:
                with suppress(OSError, ValueError):
                    status = os.stat(base + suffix)
                    if stat.S_ISREG(status.st_mode) and is_within(base + suffix, roots):
                        return _make_file(base + suffix, status)
    return None


def _explain_error(error: OSError | ValueError) -> str:
    """Return the reason in words that help; for what is rare, the system's own."""
    if isinstance(error, ValueError):
        return f"no possible name of a file: {error}"
    if error.errno == errno.ELOOP:
        return "a link that leads to itself"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "a link to something that is not there" if os.path.islink(error.filename or "") else "not there"
    return (error.strerror or str(error)).lower()
