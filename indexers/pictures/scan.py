"""Find pictures on disk (files, folders, globs) and read them; write any path as a string that a database takes."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import quote_from_bytes, unquote_to_bytes

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.types import FoundFile, Limits, Unscanned

_SUFFIXES = """
    jpg jpeg jpe jfif mpo png apng gif webp avif avifs heic heif hif tif tiff bmp dib jp2 j2k jpx ico icns
    ppm pgm pbm pnm psd qoi pcx jxl
"""
PICTURE_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""What a folder is searched for, whatever the case. A file that is named itself may be called anything."""

NOT_LIBRARIES = frozenset({"@eaDir", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"})
"""Folders in which systems keep thumbnails and rubbish of their own: passed over, as hidden ones are."""

_SCHEME = "file://"
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def to_uri(path: str | os.PathLike[str]) -> str:
    """The absolute path itself, or `file://` and its percent-encoded bytes where it is no valid UTF-8."""
    absolute = os.path.abspath(path)
    try:
        absolute.encode()
    except UnicodeEncodeError:  # surrogates, which SQLite refuses
        return encoded_uri(absolute)
    return absolute


def encoded_uri(absolute: str) -> str:
    """`file://` and the percent-encoded bytes of a path."""
    return _SCHEME + quote_from_bytes(_raw(absolute))


def _raw(path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:  # no file can have that name, but messages have to name it
        return path.encode("utf-8", "surrogatepass")


def to_path(uri: str) -> str:
    """The path that `to_uri` was given, made absolute."""
    if not uri.startswith(_SCHEME):
        return uri
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(_SCHEME)))


def find(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[FoundFile | Unscanned]:
    """Every picture file that the paths name, each once, sorted by name within a folder.

    A path is a file, a folder (searched with all below it), a glob (`**` crosses folders) or begins with `~`. A name
    that exists is taken literally, even with `*` or `[` in it. Folders and globs give files with a picture's suffix
    (a glob that ends in a suffix of its own gives those); a file that is named itself is always given. In folders,
    hidden names (`.thumbnails`, `._IMG_1.jpg`) and NOT_LIBRARIES are passed over; naming a hidden folder searches it.

    Linked folders are followed after the real ones, each folder once. What can't be entered or followed (no
    permission, a dangling link, a loop, a pipe, nothing there) is yielded as Unscanned; nothing is opened or blocks.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    scan = _Scan(_is_picture)
    for path in paths:
        yield from scan.named(os.path.expanduser(os.fspath(path)))


def read(path: str | os.PathLike[str], limits: Limits = Limits()) -> bytes:  # noqa: B008 (frozen)
    """The bytes of a file. Never waits for a pipe; raises UnreadablePicture, PictureTooLarge (before reading)."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb", buffering=0) as file:
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
    """Raises PictureTooLarge."""
    if count > limits.max_bytes:
        raise PictureTooLarge(f"the file has {count:,} bytes; the limit max_bytes is {limits.max_bytes:,}")


class _Scan:
    """One walk; remembers where it has been. `wanted` says of a path in a folder whether it is asked for."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.wanted = wanted
        self.folders: set[tuple[int, int]] = set()
        self.given: set[str] = set()

    def named(self, path: str) -> Iterator[FoundFile | Unscanned]:
        """What a path from the caller stands for."""
        absolute = os.path.abspath(path)
        if os.path.lexists(path) or not glob.has_magic(path):
            yield from self.place(absolute, picked=True)
        elif "**" in absolute.split(os.sep):
            yield from self.deep_glob(absolute)
        else:
            matches = [one for one in sorted(glob.glob(absolute)) if os.path.basename(one) not in NOT_LIBRARIES]
            for match in matches:
                yield from self.place(match, picked=_names_suffix(absolute))
            if not matches:
                yield Unscanned(to_uri(path), "nothing matches this glob")

    def place(self, path: str, picked: bool) -> Iterator[FoundFile | Unscanned]:
        """A folder, or a file if it is wanted or `picked` by its name."""
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            yield from self.once(path, Unscanned(to_uri(path), _why(error)))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self.folder(path)
        elif picked or self.wanted(path):
            yield from self.once(path, _record(path, status))

    def once(self, path: str, found: FoundFile | Unscanned) -> Iterator[FoundFile | Unscanned]:
        if path not in self.given:
            self.given.add(path)
            yield found

    def folder(self, path: str) -> Iterator[FoundFile | Unscanned]:
        """All that is wanted in and below a folder. A stack: folders may be nested deeper than Python may recurse."""
        stack, links = [path], list[str]()
        while stack or links:
            below = []
            for entry in self.enter(stack.pop() if stack else links.pop(0)):
                if isinstance(entry, Unscanned):
                    yield entry
                elif entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif not entry.is_symlink():
                    if self.wanted(entry.path):
                        yield from self.place_entry(entry)
                elif not os.path.isdir(entry.path):
                    if self.wanted(entry.path) or not os.path.exists(entry.path):
                        yield from self.place(entry.path, picked=True)
                elif _leads_back(entry.path):
                    yield Unscanned(to_uri(entry.path), "a link to a folder that it lies in; not followed")
                else:
                    links.append(entry.path)
            stack.extend(reversed(below))

    def enter(self, path: str) -> list[os.DirEntry[str] | Unscanned]:
        """The visible entries of a folder by name; none if it was entered before."""
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in self.folders:
                return []
            self.folders.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                return [*sorted((entry for entry in entries if _is_visible(entry.name)), key=lambda entry: entry.name)]
        except OSError as error:
            return [Unscanned(to_uri(path), _why(error))]

    def place_entry(self, entry: os.DirEntry[str]) -> Iterator[FoundFile | Unscanned]:
        try:
            found = _record(entry.path, entry.stat())
        except OSError as error:
            found = Unscanned(to_uri(entry.path), _why(error))
        yield from self.once(entry.path, found)

    def deep_glob(self, pattern: str) -> Iterator[FoundFile | Unscanned]:
        """A glob with `**`, on a walk of its own: Python's follows a loop of links until the path is too long, and
        what this glob leaves out another path may still bring in."""
        parts = pattern.split(os.sep)
        start = parts.index("**")
        root, picked, count = os.sep.join(parts[:start]) or os.sep, _names_suffix(pattern), 0
        for base in sorted(glob.glob(root)) if glob.has_magic(root) else [root]:
            walk = _Scan(partial(_is_match, base=base, parts=parts[start:], picked=picked))
            for found in walk.folder(base):
                count += 1
                yield from self.once(found.path if isinstance(found, FoundFile) else to_path(found.uri), found)
        if not count:
            yield Unscanned(to_uri(pattern), "nothing matches this glob")


def _is_match(path: str, base: str, parts: list[str], picked: bool) -> bool:
    return (picked or _is_picture(path)) and _fits(os.path.relpath(path, base).split(os.sep), parts)


def _fits(names: list[str], parts: list[str]) -> bool:
    """Whether the parts of a glob fit a relative path; what lies in a folder that fits does too."""
    if not parts:
        return True
    if parts[0] == "**":
        return any(_fits(names[skip:], parts[1:]) for skip in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_LIBRARIES


def _is_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in PICTURE_SUFFIXES


def _names_suffix(pattern: str) -> bool:
    """Whether a glob asks for a suffix (`*.dat`), and so for files that no folder would give."""
    suffix = os.path.splitext(pattern)[1]
    return bool(suffix) and not glob.has_magic(suffix)


def _leads_back(link: str) -> bool:
    target, home = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.join(home, "").startswith(os.path.join(target, ""))


def _record(path: str, status: os.stat_result) -> FoundFile | Unscanned:
    if stat.S_ISREG(status.st_mode):
        return FoundFile(path, to_uri(path), status.st_size, status.st_mtime_ns, status.st_ino)
    return Unscanned(to_uri(path), f"{_KINDS.get(stat.S_IFMT(status.st_mode), 'something special')}, not a file")


def _why(error: OSError | ValueError) -> str:
    """In words that help: the system's own for what is rare."""
    if isinstance(error, ValueError):
        return f"no possible name of a file: {error}"
    if error.errno == errno.ELOOP:
        return "a link that leads to itself"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "a link to something that is not there" if os.path.islink(error.filename or "") else "not there"
    return (error.strerror or str(error)).lower()
