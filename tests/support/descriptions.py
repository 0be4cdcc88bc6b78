"""Makes what photo programs write about pictures: XMP packets, sidecars and IPTC blocks."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "darktable": "http://darktable.sf.net/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
}


def make_xmp(attributes: str = "", **elements: str | Sequence[str]) -> bytes:
    """Return a packet with these attributes and elements; `dc_title="A"` is a text, `dc_subject=["a"]` a list."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    body = "".join(_write_element(name.replace("_", ":"), value) for name, value in elements.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>\n'
        '<?xpacket end="w"?>'
    ).encode()


def _write_element(name: str, value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return f"<{name}>{value}</{name}>"
    items = "".join(f"<rdf:li>{text}</rdf:li>" for text in value)
    return f"<{name}><rdf:Bag>{items}</rdf:Bag></{name}>"


def write_sidecar(path: Path, attributes: str = "", **elements: str | Sequence[str]) -> None:
    path.write_bytes(make_xmp(attributes, **elements))


def make_iptc(datasets: Sequence[tuple[int, bytes]], utf_8: bool = True) -> bytes:
    """Return a block of these data sets of the application record."""
    block = b"\x1c\x01\x5a\0\x03\x1b%G" if utf_8 else b""
    return block + b"".join(struct.pack(">BBBH", 28, 2, number, len(text)) + text for number, text in datasets)


def make_resources(iptc: bytes, digest: bytes = b"") -> bytes:
    """Return Photoshop's image resources with an IPTC block, and the digest that was noted of it."""
    resources = [(0x0404, iptc), *([(0x0425, digest)] if digest else [])]
    return b"".join(
        b"8BIM" + struct.pack(">HxxI", number, len(data)) + data + b"\0" * (len(data) % 2) for number, data in resources
    )


def insert_iptc(jpeg: bytes, iptc: bytes, digest: bytes = b"") -> bytes:
    """Return a JPEG with an IPTC block."""
    body = b"Photoshop 3.0\0" + make_resources(iptc, digest)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
