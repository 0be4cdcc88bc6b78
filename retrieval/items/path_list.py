"""Lists of paths that other programs write: `find -print0`, PowerShell, editors, Windows' "Copy as path"."""

from __future__ import annotations

import codecs
import os
from contextlib import suppress

from indexers.errors import UsageError
from indexers.pictures.addresses import is_remote
from indexers.pictures.scan import to_path

_MARKS = (  # the longer first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WINDOWS = "cp1252", "cp850", "cp437"
"""What programs write, and what the command line does; other parts of the world have others."""
_END = "\x1a"
"""Ctrl+Z, with which a file ended once."""


def split_path_list(data: bytes) -> list[str]:
    """Return the paths in a list, one a line, or each ended by a NUL (as `find -print0` writes them).

    The list is UTF-8, or what its byte order mark says; names that are not UTF-8 keep their bytes, or are those that
    Windows means by them, whichever exist. Quotes around a line are removed, unless a file of that name exists. A line
    that begins with `#` is a path like any other.

    Raises UsageError, with the number of the line, for an empty entry and for one that stands for a whole disk or the
    home folder: in a list, that is a mistake.
    """
    text = _decode(data)
    separator = "\0" if "\0" in text else "\n"
    if separator == "\n":
        text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix(_END).rstrip("\n")
    entries = text.removesuffix("\0").split(separator) if text else []
    if separator == "\n":
        entries = [_read_windows(_unquote(entry)) for entry in entries]
    elif len(entries) > 3 and all(len(entry) <= 1 for entry in entries):
        raise UsageError("the list looks like UTF-16 without a byte order mark; save it as UTF-8")
    for number, entry in enumerate(entries, 1):
        _check_entry(entry, number)
    return entries


def _decode(data: bytes) -> str:
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", ""))
    encoding = encoding or _guess_utf_16(data)
    try:
        if encoding not in ("", "utf-8"):
            return data[len(mark) :].decode(encoding)
        return os.fsdecode(data[len(mark) :])
    except UnicodeDecodeError as error:
        raise UsageError(f"the list can't be read as {error.encoding}: {error.reason}; save it as UTF-8") from error


def _guess_utf_16(data: bytes) -> str:
    """Return the encoding of UTF-16 without a mark, which the first end of a line gives away; else ""."""
    for first, encoding in ((0, "utf-16-le"), (1, "utf-16-be")):
        letters, zeros = data[first::2], data[1 - first :: 2]
        place = letters.find(b"\r\n")
        if place >= 0 and zeros[place : place + 2] == b"\0\0":
            return encoding
    return ""


def _unquote(entry: str) -> str:
    is_quoted = len(entry) > 1 and entry[0] == entry[-1] == '"' and not os.path.lexists(entry)
    return entry[1:-1] if is_quoted else entry


def _read_windows(entry: str) -> str:
    """Return a path whose bytes are no UTF-8 as one of the encodings in which Windows writes lists, if that exists."""
    if any("\udc80" <= letter <= "\udcff" for letter in entry) and not os.path.lexists(entry):
        for encoding in _WINDOWS:
            with suppress(UnicodeError):
                path = os.fsencode(entry).decode(encoding)
                if os.path.lexists(os.path.expanduser(path)):
                    return path
    return entry


def _check_entry(entry: str, number: int) -> None:
    if not entry.strip():
        raise UsageError(f"line {number} of the list is empty; each line is a path")
    if is_remote(entry):
        return
    names = os.path.normpath(os.path.expanduser(to_path(entry))).split(os.sep)
    while len(names) > 1 and set(names[-1]) <= {"*"}:  # `/*`, `~/**`
        names.pop()
    folder = os.path.abspath(os.sep.join(names) + os.sep)
    folder = os.path.realpath(folder) if os.path.islink(folder) else folder
    if folder == os.path.dirname(folder) or folder == os.path.abspath(os.path.expanduser("~")):
        raise UsageError(
            f"line {number} of the list is {entry!r}, which stands for a whole disk or the home folder; if you mean "
            "that, give it as an argument"
        )
