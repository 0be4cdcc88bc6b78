"""Memes, forms, plots and other pictures of one template, in several fonts and sizes, as PNG and as JPEG.

As in `papers`, `form` draws what pictures of a template share and `content` what is filled in. Nothing was tuned on
these kinds. Fonts are those of the machine (Debian's fonts-dejavu and fonts-liberation), or Pillow's own.

    python -m tests.bench templates     pairs of each kind that are called copies, and copies that are found
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from indexers.matching.verification import verify_pictures
from tests.bench.copies import load_samples
from tests.bench.harness import Bench
from tests.bench.papers import COPIES, PAIRS, Pen, Random, draw_face, make_number, make_word, make_words, pick_colour
from tests.bench.transforms import recompress

FONTS = [
    "DejaVuSans",
    "DejaVuSerif",
    "DejaVuSansMono",
    "DejaVuSans-Bold",
    "LiberationSans-Regular",
    "LiberationSerif-Regular",
]
LETTERING = ("DejaVuSans-Bold", "LiberationSans-Bold", "LiberationSansNarrow-Bold")
SCALES = (0.6, 0.8, 1.0, 1.6)
QUALITIES = (0, 0, 60, 80, 92)
"""Of a JPEG; 0: a PNG."""
Template = Callable[[Random, Random], Image.Image]


@cache
def _load_font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for folder in ("dejavu", "liberation"):
        path = Path("/usr/share/fonts/truetype") / folder / f"{name}.ttf"
        if path.exists():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


class Sheet:
    """A page to draw on, in one of the fonts and sizes; places are those of a page of scale 1."""

    def __init__(self, form: Random, size: tuple[int, int], ground: object = "white") -> None:
        self.scale, self.font = float(form.choice(SCALES)), str(form.choice(FONTS))
        self.page = Image.new("RGB", (self.fit(size[0]), self.fit(size[1])), ground)  # type: ignore[arg-type]
        self.pen: Pen = ImageDraw.Draw(self.page)

    def fit(self, length: float) -> int:
        return round(length * self.scale)

    def place(self, *numbers: float) -> tuple[float, ...]:
        return tuple(number * self.scale for number in numbers)

    def write(self, x: float, y: float, text: str, size: int, fill: object = "black", font: str = "") -> None:
        chosen = _load_font(font or self.font, max(7, self.fit(size)))
        self.pen.text(self.place(x, y), text, fill=fill, font=chosen)  # type: ignore[arg-type]

    def paste(self, picture: Image.Image, box: tuple[int, int, int, int]) -> None:
        left, top, width, height = (self.fit(edge) for edge in box)
        self.page.paste(picture.resize((width, height)), (left, top))


# ---- memes


def draw_lettered_meme(photographs: Sequence[Image.Image], form: Random, content: Random) -> Image.Image:
    """Write white letters with a black edge over a photograph, above and below."""
    page = _pick_photograph(photographs, form)
    pen, size = ImageDraw.Draw(page), page.width // int(form.integers(9, 16))
    font = _load_font(str(form.choice(LETTERING)), size)
    for y in (size // 3, page.height - size * 3 // 2):
        words = make_words(content, int(content.integers(2, 4))).upper()
        pen.text((page.width / 2, y), words, "white", font, "ma", stroke_width=max(1, size // 14), stroke_fill="black")
    return page


def draw_captioned_meme(photographs: Sequence[Image.Image], form: Random, content: Random) -> Image.Image:
    """Write black words in a white bar above a photograph."""
    picture = _pick_photograph(photographs, form)
    size = picture.width // int(form.integers(14, 24))
    font, lines = _load_font(str(form.choice(FONTS)), size), int(form.integers(1, 4))
    page = Image.new("RGB", (picture.width, picture.height + round(size * (1.3 * lines + 1))), "white")
    page.paste(picture, (0, page.height - picture.height))
    for line in range(lines):
        words = make_words(content, int(content.integers(3, 6)))
        ImageDraw.Draw(page).text((size // 2, size / 2 + 1.3 * size * line), words, "black", font)
    return page


def draw_panelled_meme(photographs: Sequence[Image.Image], form: Random, content: Random) -> Image.Image:
    """Lay two photographs on the left of two captions."""
    sheet, size = Sheet(form, (800, 800)), int(form.integers(30, 60))
    for row in range(2):
        picture = ImageOps.fit(_pick_photograph(photographs, form), (400, 400))
        sheet.paste(picture, (0, 400 * row, 400, 400))
        for line in range(int(content.integers(1, 5))):
            sheet.write(420, 400 * row + 60 + line * size * 1.3, make_words(content, 2)[:14], size)
    sheet.pen.line(sheet.place(0, 400, 800, 400), fill="black", width=3)
    return sheet.page


def draw_labelled_meme(photographs: Sequence[Image.Image], form: Random, content: Random) -> Image.Image:
    """Name three things in a photograph."""
    page = _pick_photograph(photographs, form)
    pen, size = ImageDraw.Draw(page), page.width // int(form.integers(14, 20))
    font = _load_font(str(form.choice(LETTERING)), size)
    for x, y in form.uniform(0.05, 0.75, (3, 2)) * page.size:
        pen.text((x, y), make_words(content, 2), "white", font, stroke_width=max(1, size // 12), stroke_fill="black")
    return page


def _pick_photograph(photographs: Sequence[Image.Image], form: Random) -> Image.Image:
    picture = photographs[int(form.integers(len(photographs)))]
    edge = round(700 * float(form.choice(SCALES)))
    return ImageOps.contain(picture, (edge, edge)).copy()


# ---- papers


def draw_form(form: Random, content: Random) -> Image.Image:
    """Draw a questionnaire: boxes that are ticked, and letters in cells."""
    sheet = Sheet(form, (900, 1250))
    sheet.write(60, 40, f"Form {make_number(form, 3)}: {make_words(form, 3)}", 34)
    for row in range(int(form.integers(9, 13))):
        y = 130 + row * 84
        sheet.write(60, y, make_words(form, 2), 20, "grey")
        if form.random() < 0.5:
            for cell in range(18):
                sheet.pen.rectangle(sheet.place(60 + cell * 42, y + 28, 98 + cell * 42, y + 66), outline="black")
            for cell, letter in enumerate(make_words(content, 2).upper()[:18]):
                sheet.write(68 + cell * 42, y + 31, letter, 28, (20, 30, 140))
        else:
            for cell in range(4):
                box = sheet.place(60 + cell * 200, y + 30, 88 + cell * 200, y + 58)
                sheet.pen.rectangle(box, outline="black", width=2)
                sheet.write(98 + cell * 200, y + 32, make_word(form), 20)
            left = 60 + 200 * int(content.integers(4))
            sheet.pen.line(sheet.place(left, y + 30, left + 28, y + 58), fill=(20, 30, 140), width=4)
            sheet.pen.line(sheet.place(left, y + 58, left + 28, y + 30), fill=(20, 30, 140), width=4)
    return sheet.page


def draw_scatter_plot(form: Random, content: Random) -> Image.Image:
    sheet, colours = Sheet(form, (900, 640)), [pick_colour(form, 0, 200) for _ in range(int(form.integers(1, 4)))]
    sheet.write(280, 16, make_words(form, 3), 28)
    sheet.pen.rectangle(sheet.place(80, 70, 860, 580), outline="black", width=2)
    for step in range(1, 6):
        sheet.pen.line(sheet.place(80 + step * 130, 70, 80 + step * 130, 580), fill=(225, 225, 225))
        sheet.write(70 + step * 130, 590, str(step * 10), 18)
        sheet.write(40, 570 - step * 90, str(step * 5), 18)
    radius = float(form.uniform(3, 7))
    for colour in colours:
        slope, count = content.uniform(-0.6, 0.6), int(content.integers(30, 90))
        for x in content.uniform(100, 840, count):
            y = float(np.clip(325 + slope * (x - 470) + content.normal(0, 60), 80, 570))
            sheet.pen.ellipse(sheet.place(x - radius, y - radius, x + radius, y + radius), fill=colour)
    return sheet.page


def draw_district_map(form: Random, content: Random) -> Image.Image:
    """Colour the districts of one country by their values."""
    sheet = Sheet(form, (800, 700))
    places = form.uniform(60, 640, (int(form.integers(12, 30)), 2))
    y, x = np.mgrid[0 : sheet.page.height, 0 : sheet.page.width] / sheet.scale
    nearest = np.argmin([(x - u) ** 2 + (y - v) ** 2 for u, v in places], axis=0)
    base = np.array(pick_colour(form, 0, 120))
    shades = content.integers(0, 5, len(places)) / 5
    colours = (base + (250 - base) * shades[:, None]).astype(np.uint8)
    pixels = colours[nearest]
    border = (nearest != np.roll(nearest, 1, 0)) | (nearest != np.roll(nearest, 1, 1))
    pixels[border] = 60
    pixels[(x - 400) ** 2 + (y - 350) ** 2 > 330**2] = 255
    sheet.page.paste(Image.fromarray(pixels))
    sheet.write(20, 16, make_words(form, 3), 26)
    return sheet.page


def draw_street_map(form: Random, content: Random) -> Image.Image:
    """Draw two sheets of one atlas: its colours, fonts and grid are the form."""
    sheet, road = Sheet(form, (900, 900), pick_colour(form, 225, 250)), pick_colour(form, 150, 255)
    for _ in range(int(content.integers(3, 8))):
        corner = content.uniform(0, 850, 2)
        points = [tuple(sheet.place(*(corner + content.uniform(-120, 120, 2)))) for _ in range(6)]
        sheet.pen.polygon(points, fill=pick_colour(form, 190, 230))
    for width in (16, 10, 6, 6, 4, 4, 4):
        for _ in range(3):
            points = np.cumsum(content.normal(0, 90, (9, 2)), axis=0) + content.uniform(0, 900, 2)
            line = [tuple(sheet.place(*point)) for point in points.tolist()]
            sheet.pen.line(line, fill=road, width=max(1, sheet.fit(width)), joint="curve")
    for _ in range(14):
        sheet.write(*content.uniform(20, 820, 2), make_word(content), 18, (70, 70, 90))
    for step in range(0, 900, 150):
        sheet.pen.line(sheet.place(step, 0, step, 900), fill=(170, 200, 235))
        sheet.pen.line(sheet.place(0, step, 900, step), fill=(170, 200, 235))
    return sheet.page


def draw_printed_shirt(form: Random, content: Random) -> Image.Image:
    """Draw a shirt on white: its cut is the form, what is printed on it, or its colour, the content."""
    sheet, is_same_colour = Sheet(form, (800, 900)), form.random() < 0.5
    colour = pick_colour(form if is_same_colour else content, 20, 230)
    wide, long = float(form.uniform(170, 230)), float(form.uniform(650, 820))
    sleeves = [(400 - wide, 150), (400 - wide - 130, 330), (400 - wide - 50, 390), (400 - wide, 310)]
    outline = [(340, 120), *sleeves, (400 - wide, long), (400 + wide, long)]
    outline += [(800 - x, y) for x, y in reversed(sleeves)] + [(460, 120), (400, 165)]
    sheet.pen.polygon([tuple(sheet.place(*point)) for point in outline], fill=colour, outline=(120, 120, 120))
    words = make_word(content if is_same_colour else form)
    sheet.write(400 - wide + 30, 300, words, 54, "white" if sum(colour) < 380 else "black")
    if form.random() < 0.4:
        sheet.paste(draw_face(content, (90, 90)), (350, 400, 110, 110))
    return sheet.page


def draw_shoe(form: Random, content: Random) -> Image.Image:
    """Draw shoes of one maker on white: the last is the form, sole, stripes and colours the content."""
    sheet, sole = Sheet(form, (900, 600)), float(content.uniform(20, 60))
    upper, rim = pick_colour(content, 20, 230), float(form.uniform(170, 230))
    points = [(140, 450), (150, rim), (330, rim - 10), (430, 330), (700, 380), (780, 450)]
    sheet.pen.polygon([tuple(sheet.place(*point)) for point in points], fill=upper)
    sheet.pen.rounded_rectangle(sheet.place(130, 450, 790, 450 + sole), 12, fill=pick_colour(content, 150, 256))
    for stripe in range(int(content.integers(1, 5))):
        x = 300 + stripe * 50
        sheet.pen.line(sheet.place(x, 440, x + 60, 330), fill="white", width=max(2, sheet.fit(14)))
    for lace in range(4):
        sheet.pen.line(sheet.place(340 + lace * 22, 250 + lace * 20, 380 + lace * 22, 240 + lace * 20), fill="black")
    return sheet.page


def draw_coded_label(form: Random, content: Random) -> Image.Image:
    """Draw a parcel's label with a bar code and a code of modules."""
    sheet = Sheet(form, (700, 900))
    sheet.pen.rectangle(sheet.place(20, 20, 680, 880), outline="black", width=3)
    sheet.pen.rectangle(sheet.place(20, 20, 680, 120), fill=pick_colour(form, 0, 150))
    sheet.write(50, 45, make_words(form, 2).upper(), 40, "white")
    sheet.write(50, 150, f"{make_words(content, 2)}\n{make_words(content, 2)} {make_number(content, 2)}", 28)
    edge = int(form.choice([21, 25, 29]))
    modules = content.random((edge, edge)) < 0.5
    finder = np.zeros((8, 8), bool)
    finder[:7, :7], finder[1:6, 1:6], finder[2:5, 2:5] = True, False, True
    modules[:8, :8], modules[:8, -8:], modules[-8:, :8] = finder, finder[:, ::-1], finder[::-1]
    code = Image.fromarray((~modules).astype(np.uint8) * 255).convert("RGB")
    side = sheet.fit(280)
    sheet.page.paste(code.resize((side, side), Image.Resampling.NEAREST), (sheet.fit(50), sheet.fit(270)))
    x = 60.0
    while x < 620:
        width = float(content.choice([3, 6, 9]))
        sheet.pen.rectangle(sheet.place(x, 620, x + width, 800), fill="black")
        x += width + float(content.choice([3, 6, 9]))
    sheet.write(200, 815, make_number(content, 12), 30)
    return sheet.page


def draw_slide(form: Random, content: Random) -> Image.Image:
    sheet, colour = Sheet(form, (1000, 562), pick_colour(form, 235, 256)), pick_colour(form, 0, 160)
    sheet.pen.rectangle(sheet.place(0, 0, 1000, 84), fill=colour)
    sheet.write(40, 22, make_words(content, 4)[:34], 36, "white")
    for line in range(int(content.integers(3, 7))):
        sheet.pen.ellipse(sheet.place(60, 130 + line * 56, 72, 142 + line * 56), fill=colour)
        sheet.write(96, 120 + line * 56, make_words(content, int(content.integers(3, 6)))[:46], 26)
    sheet.write(40, 524, f"{make_words(form, 2)}   {content.integers(1, 60)}", 18, "grey")
    return sheet.page


def draw_editor(form: Random, content: Random) -> Image.Image:
    """Draw a program's source in an editor; its colours, tree of files and bars are the form."""
    sheet, dark = Sheet(form, (1100, 750), pick_colour(form, 20, 50)), pick_colour(form, 40, 70)
    sheet.pen.rectangle(sheet.place(0, 0, 200, 750), fill=dark)
    sheet.pen.rectangle(sheet.place(0, 725, 1100, 750), fill=pick_colour(form, 60, 200))
    colours = [pick_colour(form, 120, 256) for _ in range(4)]
    for line in range(24):
        sheet.write(16, 20 + line * 28, f"{make_word(form).lower()}.py", 17, (170, 170, 170))
        x = 250 + 34 * int(content.integers(0, 4))
        sheet.write(215, 20 + line * 28, str(line + 1), 15, (110, 110, 110))
        for _ in range(int(content.integers(0, 6))):
            word = make_word(content).lower()
            sheet.write(x, 20 + line * 28, word, 17, colours[int(content.integers(4))], "DejaVuSansMono")
            x += 12 * len(word) + 14
    return sheet.page


def draw_board(form: Random, content: Random) -> Image.Image:
    """Draw a game's diagram: the board is the form, where the men stand the content."""
    sheet, dark, light = Sheet(form, (720, 720)), pick_colour(form, 90, 170), pick_colour(form, 200, 250)
    count = int(form.choice([8, 10]))
    edge = 680 / count
    for row, column in np.ndindex(count, count):
        box = sheet.place(20 + column * edge, 20 + row * edge, 20 + (column + 1) * edge, 20 + (row + 1) * edge)
        sheet.pen.rectangle(box, fill=dark if (row + column) % 2 else light)
        if content.random() < 0.3:
            inner = (box[0] + edge / 6, box[1] + edge / 6, box[2] - edge / 6, box[3] - edge / 6)
            sheet.pen.ellipse(inner, fill="black" if content.random() < 0.5 else "white", outline="grey", width=2)
    return sheet.page


TEMPLATES: dict[str, Template] = {
    "forms": draw_form,
    "scatter plots": draw_scatter_plot,
    "district maps": draw_district_map,
    "street maps": draw_street_map,
    "shirts on white": draw_printed_shirt,
    "shoes on white": draw_shoe,
    "coded labels": draw_coded_label,
    "slides": draw_slide,
    "source in an editor": draw_editor,
    "boards": draw_board,
}
MEMES = {
    "memes with letters on them": draw_lettered_meme,
    "memes with a bar above": draw_captioned_meme,
    "memes of two panels": draw_panelled_meme,
    "memes with labels": draw_labelled_meme,
}


def list_templates(photographs: Sequence[Image.Image]) -> dict[str, Template]:
    return {**{kind: partial(draw, photographs) for kind, draw in MEMES.items()}, **TEMPLATES}


def store(image: Image.Image, random: Random) -> Image.Image:
    """Return the picture as a PNG or a JPEG of some quality keeps it."""
    quality = int(random.choice(QUALITIES))
    return recompress(image, quality) if quality else image


def run(bench: Bench) -> None:
    """Compare two pictures of one template and other contents, and each picture with a smaller copy of itself."""
    count = max(5, round(PAIRS * bench.scale))
    photographs = [picture for _, _, picture in load_samples(bench)]
    for kind, draw in list_templates(photographs).items():
        wrong, found = 0, 0
        for seed in range(count):
            first, second = (
                store(
                    draw(np.random.default_rng([seed, 7]), np.random.default_rng([seed, n])),
                    np.random.default_rng(n + seed),
                )
                for n in (8, 9)
            )
            wrong += verify_pictures(first, second).kind in COPIES
            copy = recompress(first.resize((first.width * 3 // 4, first.height * 3 // 4), Image.Resampling.LANCZOS), 80)
            found += verify_pictures(first, copy).kind == "same picture"
        note = f"{count} pairs"
        bench.add(f"templates: different {kind}, called copies", wrong, "", "0", limit=0, note=note)
        bench.add(f"templates: {kind} at three quarters, found", found / count, "", "", note=note)
