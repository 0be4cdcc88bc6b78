"""PDFs and films that the tests make."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw


def make_pdf(pages: Sequence[tuple[str, str]]) -> bytes:
    """Return a PDF of small pages, each a colour ("1 0 0 rg") and words."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for colour, words in pages:
        text = f"{colour} 0 0 200 150 re f 0 0 0 rg BT /F1 18 Tf 20 60 Td ({words}) Tj ET".encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text))
        kids.append(len(objects) + 1)
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 150] {resources} /Contents {len(objects)} 0 R >>"
        objects.append(page.encode())
    references = " ".join(f"{kid} 0 R" for kid in kids)
    objects[1] = f"<< /Type /Pages /Kids [{references}] /Count {len(kids)} >>".encode()
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def write_film(path: Path, colours: Sequence[str], seconds: float = 2.0, rate: int = 10, codec: str = "mpeg4") -> Path:
    """Write a film of scenes of one colour each, in which a white square moves; skip the test without PyAV."""
    av = pytest.importorskip("av", reason="films need PyAV: pip install 'nearkin[video]'")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for colour in colours:
            for number in range(int(seconds * rate)):
                image = Image.new("RGB", (96, 64), colour)
                ImageDraw.Draw(image).rectangle((2 * number, 20, 2 * number + 14, 34), "white")
                for packet in stream.encode(av.VideoFrame.from_image(image)):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
