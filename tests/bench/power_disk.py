"""A disk as strace saw it written: what its files hold at each moment, and what a power cut may leave of them.

A file's content is on the disk once the file was synced, and a name once its folder was. All else may be there, in part
or not at all (POSIX; Pillai et al., All File Systems Are Not Created Equal, OSDI 2014).
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "open,openat,creat,lseek,write,pwrite64,writev,pwritev,sendfile,copy_file_range,truncate,ftruncate,fsync,fdatasync,"
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat"
)
COMMAND = (
    "strace",
    "-f",
    "-y",
    "-xx",
    "-s",
    "1000000000",
    "--seccomp-bpf",
    "-e",
    f"trace={CALLS}",
    "-e",
    "signal=none",
)
SECTOR = 512
_LINE = re.compile(r"^(\d+)\s+(.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<([^>]*)>)?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_HANDLE = re.compile(r"^(AT_FDCWD|\d+)(?:<([^>]*)>)?")


@dataclass(frozen=True)
class Call:
    """A system call that did what it was told. `paths`: those that it names, absolute. `data`: what it writes."""

    name: str
    result: int
    arguments: tuple[str, ...]
    paths: tuple[str, ...] = ()
    data: bytes = b""

    def read_handle(self, place: int = 0) -> tuple[int, str]:
        """Return an open file's number and the path that it has now, "" for one that was deleted."""
        found = _HANDLE.match(self.arguments[place])
        assert found is not None, self
        return int(found[1]), _read_path(found[2])

    def number(self, place: int) -> int:
        """Return an argument that is a number; [0] is the value of a pointer."""
        return int(self.arguments[place].strip().strip("[]"), 0)


def read_trace(lines: Sequence[str]) -> Iterator[Call]:
    """Yield the calls of a trace that succeeded, each when it was complete."""
    unfinished: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = text.removesuffix("<unfinished ...>")
            continue
        resumed = _RESUMED.match(text)
        if resumed:
            text = unfinished.pop(thread, "") + resumed[1]
        call = _CALL.match(text)
        if call and int(call[3]) >= 0:
            yield _read_call(call[1], _split(call[2]), int(call[3]))


def _split(text: str) -> list[str]:
    """Split arguments at the commas between them; strings hold none, since each of their letters is a number."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _read_path(text: str | None) -> str:
    return os.fsdecode(_decode(text)) if text and text.startswith("\\x") and " " not in text else ""


def _read_call(name: str, arguments: list[str], result: int) -> Call:
    if name in ("write", "pwrite64", "writev", "pwritev"):
        data = b"".join(_decode(part) for part in _STRING.findall(arguments[1]))
        return Call(name, result, tuple(arguments), data=data[:result])
    paths, folder = [], ""
    for argument in arguments:
        handle, string = _HANDLE.match(argument), _STRING.match(argument)
        if string:
            paths.append(os.path.normpath(os.path.join(folder, os.fsdecode(_decode(string[1])))))
        elif handle:
            folder = _read_path(handle[2])
    return Call(name, result, tuple(arguments), tuple(paths))


@dataclass(eq=False)
class Content:
    """A file. `synced`: what the disk holds for sure. `pending`: writes (start, data), lengths (length, None) since."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, start: int, data: bytes | None) -> None:
        """Write bytes at a place, or cut the file to a length."""
        self.pending.append((start, data))
        _write(self.data, start, data)

    def sync(self) -> None:
        self.synced, self.pending = bytes(self.data), []


def _write(content: bytearray, start: int, data: bytes | None) -> None:
    if data is None:
        del content[start:]
    end = start if data is None else start + len(data)
    content.extend(bytes(max(0, end - len(content))))
    if data is not None:
        content[start:end] = data


Entry = Content | None
"""None is a folder."""


class Disk:
    """The files below a root. `names`: as processes see them; `kept`: those whose folders were synced."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, Entry] = {self.root: None}
        for path in sorted(root.rglob("*")):
            content = None if path.is_dir() else Content(bytearray(path.read_bytes()))
            if content:
                content.sync()
            self.names[str(path)] = content
        self.kept = dict(self.names)
        self.pending: list[list[tuple[str, Entry | str]]] = []
        """Changes of names since their folders were synced, each (path, what it means now)..., "" where it is gone."""
        self._places: dict[tuple[int, Content], int] = {}
        """Where the next write goes, by the number of the open file: several processes may have the same numbers."""
        self._appending: set[tuple[int, Content]] = set()

    def apply(self, call: Call) -> bool:
        """Carry out a call; return False if it changes nothing below the root, and syncs nothing."""
        if call.name in ("open", "openat", "creat"):
            return self._open_file(call)
        if call.paths:
            return any(self._is_inside(path) for path in call.paths) and self._change_names(call)
        handle, path = call.read_handle()
        return path in self.names and self._use_handle(call, handle, path)

    def _is_inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + os.sep)

    def _open_file(self, call: Call) -> bool:
        path, flags = call.paths[0], call.arguments[-2] + call.arguments[-1] + call.name
        if not self._is_inside(path):
            return False
        is_new = path not in self.names
        if is_new:
            self._name((path, Content()))
        content = self.names[path]
        if content is None:
            return False
        opened = call.result, content
        self._places[opened] = 0
        self._appending.discard(opened)
        if "O_APPEND" in flags:
            self._appending.add(opened)
        if ("O_TRUNC" in flags or "creat" in flags) and content.data:
            content.write(0, None)
            return True
        return is_new

    def _name(self, *change: tuple[str, Entry | str]) -> None:
        self.pending.append(list(change))
        _set_names(self.names, change)

    def _change_names(self, call: Call) -> bool:
        path = call.paths[0]
        match call.name:
            case "mkdir" | "mkdirat":
                self._name((path, None))
            case "unlink" | "unlinkat" | "rmdir":
                self._name((path, ""))
            case "link" | "linkat":
                self._name((call.paths[1], self.names[path]))
            case "truncate":
                content = self.names[path]
                assert content is not None
                content.write(call.number(1), None)
            case _:
                self._rename(path, call.paths[1])
        return True

    def _rename(self, source: str, target: str) -> None:
        """Rename a file or a folder with all below it, as one step."""
        moved = {name: entry for name, entry in self.names.items() if (name + os.sep).startswith(source + os.sep)}
        self._name(
            *((target + name[len(source) :], entry) for name, entry in moved.items()), *((name, "") for name in moved)
        )

    def _use_handle(self, call: Call, handle: int, path: str) -> bool:
        content = self.names[path]
        if call.name in ("fsync", "fdatasync"):
            self._sync(content, path)
            return True
        if content is None:
            return False
        opened = handle, content
        match call.name:
            case "lseek":
                self._places[opened] = call.result
                return False
            case "ftruncate":
                content.write(call.number(1), None)
                return True
            case "pwrite64" | "pwritev":
                content.write(call.number(len(call.arguments) - 1), call.data)
                return True
            case "sendfile" | "copy_file_range":
                data = self._read_other(call)
            case _:
                data = call.data
        place = len(content.data) if opened in self._appending else self._places[opened]
        content.write(place, data)
        self._places[opened] = place + len(data)
        return bool(data)

    def _read_other(self, call: Call) -> bytes:
        """Return what a call copies from another file."""
        is_send = call.name == "sendfile"
        _, path = call.read_handle(1 if is_send else 0)
        source = self.names.get(path) or Content(bytearray(Path(path).read_bytes()))
        begin = call.arguments[2 if is_send else 1].split(" => ")[0].strip("[]")
        start = 0 if begin == "NULL" else int(begin)
        return bytes(source.data[start : start + call.result])

    def _sync(self, content: Entry, path: str) -> None:
        if content is not None:
            content.sync()
            return
        for change in self.pending:
            if _touches(change, path):
                _set_names(self.kept, change)
        self.pending = [change for change in self.pending if not _touches(change, path)]

    def leave(self, choose: Choose) -> dict[str, bytes | None]:
        """Return what a power cut at this moment leaves: content by path, None for a folder."""
        names = dict(self.kept)
        for change in self.pending[: choose.count_names(len(self.pending))]:
            _set_names(names, change)
        left: dict[str, bytes | None] = {}
        for path in sorted(names):
            entry = names[path]
            if path == self.root or os.path.dirname(path) in left:  # nobody finds what lies in a folder without a name
                left[path] = None if entry is None else choose.keep(entry)
        return left


def _set_names(names: dict[str, Entry], change: Iterable[tuple[str, Entry | str]]) -> None:
    for path, entry in change:
        if isinstance(entry, str):
            names.pop(path, None)
        else:
            names[path] = entry


def _touches(change: Sequence[tuple[str, Entry | str]], folder: str) -> bool:
    """Return True if a sync of the folder brings the change to the disk."""
    return any(os.path.dirname(path) == folder for path, _ in change)


@dataclass(frozen=True)
class Choose:
    """What of the unsynced is left. `count_names`: of so many changes of names, in order, those that are there."""

    what: str
    count_names: Callable[[int], int]
    keep: Callable[[Content], bytes]


def list_choices(seed: int) -> tuple[Choose, ...]:
    """Return the ways in which a disk may be left: all as processes saw it, nothing unsynced, names alone, any part."""
    draw = random.Random(seed)

    def keep_some(content: Content) -> bytes:
        data = bytearray(content.synced)
        for start, written in content.pending:
            if draw.random() < 0.5:
                torn = written if written is None or draw.random() < 0.8 else written[: SECTOR * draw.randrange(8)]
                _write(data, start, torn)
        return bytes(data)

    return (
        Choose("all that was written", lambda count: count, lambda content: bytes(content.data)),
        Choose("what was synced", lambda _: 0, lambda content: content.synced),
        Choose("all names, content that was synced", lambda count: count, lambda content: content.synced),
        Choose("any part of the rest", lambda count: draw.randint(0, count), keep_some),
    )


def restore(root: Path, left: dict[str, bytes | None]) -> None:
    """Make the folder anew with what is left. SQLite's shared memory is none: no cut leaves any."""
    shutil.rmtree(root, ignore_errors=True)
    for path, content in left.items():
        if content is None:
            Path(path).mkdir(parents=True, exist_ok=True)
        elif not path.endswith("-shm"):
            Path(path).write_bytes(content)
