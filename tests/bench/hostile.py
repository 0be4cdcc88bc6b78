"""Thousands of damaged pictures through `add`, decoded in processes of their own."""

from __future__ import annotations

import random
import resource
import shutil
import struct
import zlib
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from retrieval import Collection
from tests.bench.harness import Bench, run_python
from tests.support import hostile, pictures

SECONDS = 20


def run(bench: Bench) -> None:
    count = int(4200 * bench.scale)
    target = bench.work / "hostile"
    shutil.rmtree(target, ignore_errors=True)
    # in a process of its own: what the system tells of memory is the highest that it ever was
    code = (
        "import json, sys; from tests.bench.hostile import add_damaged; print(json.dumps(add_damaged(*sys.argv[1:])))"
    )
    outcome = run_python(code, str(target), str(count))
    note, title = (
        f"{outcome['added']} added, {outcome['failed']} failed",
        f"damaged pictures accounted for, of {count:,}",
    )
    bench.add(title, outcome["added"] + outcome["failed"], "", "all", limit=count, more=True, note=note)
    bench.add("items kept beside those counted as added", outcome["kept"] - outcome["added"], "", "none", limit=0)
    bench.add("decoders that crashed", outcome["crashed"], "", "none", limit=0)
    bench.add(f"pictures given up after {SECONDS} s", outcome["late"], "", "none", limit=0)
    bench.add("memory that the run took at its peak", outcome["grown"], "MiB", "bounded", limit=500)
    bench.add("largest decoding process", outcome["worker"], "MiB", "at most 2,048 MiB", limit=2048)
    shutil.rmtree(target)


def add_damaged(target: str, count: str) -> dict[str, float]:
    """Add so many damaged pictures, and return the counts and the memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Collection.open(target, create=True, embedder="tiny", isolated=1, seconds=SECONDS) as collection:
        keys = [f"k{number}" for number in range(int(count))]
        report = collection.add([damage(number) for number in range(int(count))], keys=keys)
        kept = collection.count()
    return {
        "added": report.added,
        "failed": report.failed,
        "kept": kept,
        "crashed": sum("crashed" in failure.reason for failure in report.failures),
        "late": sum("longer than" in failure.reason for failure in report.failures),
        "grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def damage(number: int) -> bytes:
    """Return a damaged picture: odd ones in random bytes, even ones in the parts of its format."""
    return hostile.mutate(number // 2) if number % 2 else restructure(number // 2)


def restructure(number: int) -> bytes:
    """Return a picture with parts doubled, left out, exchanged, moved or changed inside."""
    draw = random.Random(number)
    names = sorted(seeds())
    split, join, data = seeds()[names[number % len(names)]]
    head, parts = split(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        place, second_place = draw.randrange(len(parts)), draw.randrange(len(parts))
        match draw.randrange(5):
            case 0:
                parts[place:place] = [parts[second_place]] * draw.choice((1, 2, 50))
            case 1 if len(parts) > 1:
                del parts[place]
            case 2:
                parts[place], parts[second_place] = parts[second_place], parts[place]
            case 3:
                parts[place] = (parts[place][0], parts[second_place][1])
            case _:
                parts[place] = (parts[place][0], _change(parts[place][1], draw))
    return join(head, parts)


def _change(body: bytes, draw: random.Random) -> bytes:
    if not body:
        return draw.randbytes(draw.randrange(1, 20))
    data, place = bytearray(body), draw.randrange(len(body))
    data[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return bytes(data) if draw.random() < 0.8 else bytes(data[: place + 1])


# ---- formats as lists of (name, body) after a head

Parts = list[tuple[bytes, bytes]]


@cache
def seeds() -> dict[str, tuple[Callable[[bytes], tuple[bytes, Parts]], Callable[[bytes, Parts], bytes], bytes]]:
    drawing = pictures.noise(1, (96, 72))
    exif = pictures.exif({0x112: 6, 0x10F: "maker"}, "2024:05:17 10:20:30")
    files = {kind: pictures.encoded(drawing, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")}
    slow = pictures.encoded(drawing, "JPEG", progressive=True, exif=exif)
    formats = {"JPEG": (_segments, _from_segments, files["JPEG"]), "progressive": (_segments, _from_segments, slow)}
    formats |= {
        "PNG": (_chunks, _from_chunks, files["PNG"]),
        "APNG": (_chunks, _from_chunks, pictures.animation("PNG")),
    }
    formats |= {"WEBP": (_riff, _from_riff, files["WEBP"]), "moving": (_riff, _from_riff, pictures.animation("WEBP"))}
    formats |= {"AVIF": (_boxes, _from_boxes, files["AVIF"]), "HEIC": (_boxes, _from_boxes, pictures.heic(1))}
    formats |= {
        "TIFF": (_tags, _from_tags, files["TIFF"]),
        "deep": (_tags, _from_tags, pictures.deep_tiff("RGBA", "<")),
    }
    return formats | {"GIF": (_blocks, _from_blocks, pictures.animation("GIF"))}


def _segments(data: bytes) -> tuple[bytes, Parts]:
    parts, place = [], 2
    while data[place : place + 2] not in (b"\xff\xd9", b""):
        end = place + 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
        if data[place + 1] == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0:
                end += 1
        parts.append((data[place : place + 2], data[place + 4 : end]))
        place = end
    return data[:2], parts


def _from_segments(head: bytes, parts: Parts) -> bytes:
    """Join segments; the header of a scan keeps its length, and its entropy-coded data follow."""
    written = [head]
    for name, body in parts:
        length = 2 + min(len(body), 1 + 2 * body[0] + 3 if body and name == b"\xff\xda" else 65533)
        written.append(name + struct.pack(">H", length) + body)
    return b"".join(written) + b"\xff\xd9"


def _chunks(data: bytes) -> tuple[bytes, Parts]:
    parts, place = [], 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    return data[:8], parts


def _from_chunks(head: bytes, parts: Parts) -> bytes:
    return head + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def _riff(data: bytes) -> tuple[bytes, Parts]:
    parts, place = [], 12
    while place < len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        parts.append((data[place : place + 4], data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return data[:12], parts


def _from_riff(head: bytes, parts: Parts) -> bytes:
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + head[8:] + body


def _boxes(data: bytes) -> tuple[bytes, Parts]:
    """Split the boxes inside `meta` one by one, since they hold all facts about the picture."""
    start = data.index(b"meta") + 8
    end = start - 12 + int.from_bytes(data[start - 12 : start - 8], "big")
    parts, place = [(b"rest", data[end:])], start
    while place < end:
        length = int.from_bytes(data[place : place + 4], "big")
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + length]))
        place += length
    return data[: start - 12], parts


def _from_boxes(head: bytes, parts: Parts) -> bytes:
    rest = b"".join(body for name, body in parts if name == b"rest")
    boxes = b"".join(struct.pack(">I", len(body) + 8) + name + body for name, body in parts if name != b"rest")
    return head + struct.pack(">I", len(boxes) + 12) + b"meta\0\0\0\0" + boxes + rest


def _tags(data: bytes) -> tuple[bytes, Parts]:
    """Split the entries of the first directory, wherever it lies; `head` is the file with room for them at its end."""
    start, order = struct.unpack("<I", data[4:8])[0], "<"
    count = struct.unpack(f"{order}H", data[start : start + 2])[0]
    entries = [data[start + 2 + 12 * number :][:12] for number in range(count)]
    return data, [(entry[:2], entry[2:]) for entry in entries]


def _from_tags(head: bytes, parts: Parts) -> bytes:
    entries = b"".join((name + body).ljust(12, b"\0")[:12] for name, body in parts)
    return head[:4] + struct.pack("<I", len(head)) + head[8:] + struct.pack("<H", len(parts)) + entries + b"\0\0\0\0"


def _blocks(data: bytes) -> tuple[bytes, Parts]:
    """Split a GIF, which is a chain of lengths, where an image or an extension seems to begin."""
    places = [place for place in range(13, len(data) - 1) if data[place] in b"!," and data[place - 1] == 0]
    cuts = [*places, len(data)]
    return data[: cuts[0]], [(data[a : a + 1], data[a + 1 : b]) for a, b in pairwise(cuts)]


def _from_blocks(head: bytes, parts: Parts) -> bytes:
    return head + b"".join(name + body for name, body in parts)
