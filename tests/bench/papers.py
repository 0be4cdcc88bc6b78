"""Papers, cards, charts and drawings: pictures of one form and other contents, which are no copies of each other.

Each kind is a function of two random generators: `form` draws what all sheets of a form share, `content` what is
filled in. Kinds are split into those that limits were tuned on and those whose figures are reported.

    python -m tests.bench papers     pairs of each kind that are called copies, and copies that are found
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from indexers.matching.verification import verify_pictures
from tests.bench.harness import Bench

Random = np.random.Generator
Paper = Callable[[Random, Random], Image.Image]
Pen = ImageDraw.ImageDraw

SYLLABLES = ["ba", "ko", "ri", "ten", "mal", "so", "ve", "dun", "ki", "lo", "fa", "ster", "gan", "pol", "mi", "ra"]


def write(pen: Pen, x: float, y: float, text: str, size: int, fill: object = "black") -> None:
    pen.text((x, y), text, font=ImageFont.load_default(size), fill=fill)  # type: ignore[arg-type]


def make_word(random: Random) -> str:
    return "".join(random.choice(SYLLABLES, int(random.integers(2, 5)))).title()


def make_words(random: Random, count: int) -> str:
    return " ".join(make_word(random) for _ in range(count))


def make_number(random: Random, digits: int) -> str:
    return str(int(random.integers(10 ** (digits - 1), 10**digits)))


def pick_colour(random: Random, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    red, green, blue = random.integers(low, high, 3).tolist()
    return red, green, blue


def draw_face(random: Random, size: tuple[int, int]) -> Image.Image:
    """Draw a blurred patchwork, which stands for a portrait."""
    patches = (random.random((9, 7, 3)) * 255).astype(np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def draw_invoice(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (1000, 1400), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((60, 60, 300, 160), fill=pick_colour(form, 0, 160))
    write(pen, 80, 85, make_words(form, 2)[:12], 36, "white")
    write(pen, 600, 80, f"{make_words(form, 2)}\n{make_word(form)}\nVAT {make_number(form, 6)}", 20)
    write(pen, 80, 260, f"Invoice no. {make_number(content, 5)}", 34)
    write(pen, 80, 320, f"Date: 2024-{content.integers(1, 13):02}-{content.integers(1, 29):02}", 20)
    write(pen, 80, 380, f"To: {make_words(content, 3)}", 22)
    for line in range(12):
        pen.line((80, 480 + line * 50, 920, 480 + line * 50), fill="grey")
    for line in range(int(content.integers(2, 7))):
        write(pen, 90, 490 + line * 50, make_words(content, 3), 22)
        write(pen, 800, 490 + line * 50, f"{content.uniform(10, 900):.2f}", 22)
    write(pen, 700, 1100, f"Total {content.uniform(100, 3000):.2f} EUR", 26)
    write(pen, 80, 1200, "Payment within thirty days to the account below.\nGoods stay ours until paid in full.", 18)
    return page


def draw_letter(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (1000, 1400), "white")
    pen = ImageDraw.Draw(page)
    write(pen, 80, 60, make_words(form, 3), 36, pick_colour(form, 0, 160))
    write(pen, 80, 110, f"{make_words(form, 3)} {make_number(form, 5)}", 18, "grey")
    pen.line((80, 150, 920, 150), fill="black", width=2)
    write(pen, 80, 240, f"{make_words(content, 2)}\n{make_words(content, 2)} {make_number(content, 2)}", 22)
    write(pen, 80, 400, f"Dear {make_words(content, 2)},", 22)
    for line in range(int(content.integers(8, 20))):
        write(pen, 80, 450 + line * 34, make_words(content, 8)[:70], 22)
    write(pen, 80, 1250, "Yours faithfully", 22)
    write(pen, 80, 1300, make_words(form, 2), 22)
    return page


def draw_business_card(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (850, 550), pick_colour(form, 225, 256))
    pen, colour = ImageDraw.Draw(page), pick_colour(form, 0, 160)
    pen.ellipse((60, 60, 180, 180), fill=colour)
    pen.rectangle((105, 90, 135, 150), fill="white")
    write(pen, 210, 90, make_words(form, 2), 44, colour)
    pen.rectangle((0, 500, 850, 550), fill=colour)
    write(pen, 60, 270, make_words(content, 2), 40)
    write(pen, 60, 320, make_words(content, 2), 24, "grey")
    write(pen, 60, 390, f"+{make_number(form, 2)} {make_number(form, 3)} {make_number(content, 6)}", 24)
    write(pen, 60, 430, f"{make_word(content).lower()}@{make_word(form).lower()}.example", 24)
    return page


def _draw_axes(form: Random) -> tuple[Image.Image, Pen]:
    page = Image.new("RGB", (1000, 600), "white")
    pen = ImageDraw.Draw(page)
    write(pen, 300, 20, make_words(form, 3), 32)
    for line in range(6):
        pen.line((80, 540 - line * 90, 960, 540 - line * 90), fill=(220, 220, 220))
        write(pen, 30, 530 - line * 90, str(line * 20), 18)
    pen.line((80, 80, 80, 540, 960, 540), fill="black", width=2)
    return page, pen


def draw_bar_chart(form: Random, content: Random) -> Image.Image:
    page, pen = _draw_axes(form)
    count, colour = int(form.integers(4, 11)), pick_colour(form, 0, 200)
    for place, height in enumerate(content.uniform(40, 440, count)):
        left = 100 + place * 860 / count
        pen.rectangle((left, 540 - height, left + 600 / count, 539), fill=colour)
        write(pen, left, 550, make_word(form), 18)
    return page


def draw_line_chart(form: Random, content: Random) -> Image.Image:
    page, pen = _draw_axes(form)
    for _ in range(int(form.integers(1, 3))):
        steps = np.clip(content.uniform(200, 400) + np.cumsum(content.normal(0, 18, 60)), 90, 530)
        points = list(zip(np.linspace(80, 960, 60).tolist(), steps.tolist(), strict=True))
        pen.line(points, fill=pick_colour(form, 0, 200), width=4)
    return page


def draw_pie_chart(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (900, 600), "white")
    pen, count = ImageDraw.Draw(page), int(form.integers(4, 8))
    write(pen, 250, 20, make_words(form, 3), 32)
    ends = 360 * np.cumsum(content.dirichlet(np.ones(count) * 2))
    for place, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        colour = pick_colour(form, 30, 230)
        pen.pieslice((80, 100, 540, 560), start, end, fill=colour, outline="white")
        pen.rectangle((620, 150 + place * 50, 650, 180 + place * 50), fill=colour)
        write(pen, 665, 150 + place * 50, f"{make_word(form)} {round((end - start) / 3.6)} %", 22)
    return page


def draw_map(form: Random, content: Random) -> Image.Image:
    """Draw blocks and roads; every second form has one ground, on which only the route and its marks differ."""
    page = Image.new("RGB", (1000, 800), (238, 236, 228))
    pen, ground = ImageDraw.Draw(page), form if form.random() < 0.5 else content
    for _ in range(6):
        x, y = ground.uniform(0, 900, 2)
        pen.ellipse((x, y, x + ground.uniform(60, 260), y + ground.uniform(60, 200)), fill=(200, 226, 190))
    for _ in range(12):
        ends = ground.uniform(0, 1, 2) * (1000, 800)
        slope = ground.uniform(-0.6, 0.6)
        across = bool(ground.random() < 0.5)
        line = (0, ends[1], 1000, ends[1] + 1000 * slope) if across else (ends[0], 0, ends[0] + 800 * slope, 800)
        pen.line(line, fill=(190, 190, 190), width=12)
        pen.line(line, fill="white", width=8)
    for _ in range(9):
        write(pen, *ground.uniform(0, 1, 2) * (880, 770), make_word(ground), 18, (90, 90, 90))
    route = content.uniform(0.1, 0.9, (5, 2)) * (1000, 800)
    pen.line([(float(x), float(y)) for x, y in route], fill=(40, 90, 230), width=7)
    for x, y in route[[0, -1]]:
        pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=(210, 40, 40))
    return page


def draw_qr_code(form: Random, content: Random) -> Image.Image:
    """Draw random modules between the three finders, the timing lines and a quiet zone."""
    edge = int(form.choice([25, 29, 33, 37]))
    modules = content.random((edge, edge)) < 0.5
    modules[6, :], modules[:, 6] = np.arange(edge) % 2 == 0, np.arange(edge) % 2 == 0
    finder = np.zeros((8, 8), bool)
    finder[:7, :7], finder[1:6, 1:6], finder[2:5, 2:5] = True, False, True
    modules[:8, :8], modules[:8, -8:], modules[-8:, :8] = finder, finder[:, ::-1], finder[::-1]
    picture = Image.fromarray(np.pad(~modules, 4, constant_values=True).astype(np.uint8) * 255)
    return picture.resize((720, 720), Image.Resampling.NEAREST).convert("RGB")


def draw_product(form: Random, content: Random) -> Image.Image:
    """Draw a bottle on white, with a shade at its foot; the bottle is the form, its label the content."""
    page = Image.new("RGB", (800, 800), "white")
    pen, glass = ImageDraw.Draw(page), pick_colour(form, 30, 220)
    half, shoulder = form.uniform(80, 150), form.uniform(230, 330)
    pen.ellipse((400 - half * 1.3, 690, 400 + half * 1.3, 740), fill=(225, 225, 225))
    page.paste(page.filter(ImageFilter.GaussianBlur(8)))
    pen.rounded_rectangle((400 - half, shoulder, 400 + half, 720), 40, fill=glass)
    pen.rectangle((365, 120, 435, shoulder + 20), fill=glass)
    pen.rectangle((360, 90, 440, 130), fill=pick_colour(form, 0, 120))
    label = pick_colour(content, 90, 256) if form.random() < 0.5 else pick_colour(form, 180, 256)
    pen.rectangle((400 - half, 420, 400 + half, 640), fill=label)
    write(pen, 410 - half, 440, make_word(content), 36)
    write(pen, 410 - half, 500, make_word(content), 24)
    page.paste(draw_face(content, (90, 70)), (355, 550))
    return page


def draw_line_drawing(form: Random, content: Random) -> Image.Image:
    """Draw a face of a few strokes: eyes, brows and mouth are the content."""
    page = Image.new("RGB", (600, 600), "white")
    pen = ImageDraw.Draw(page)
    fill = pick_colour(form, 190, 256) if form.random() < 0.7 else "white"
    pen.ellipse((80, 80, 520, 520), outline="black", width=14, fill=fill)
    for left in (195, 345):
        height = content.uniform(6, 60)
        pen.ellipse((left, 250 - height / 2, left + 60, 250 + height / 2), fill="black")
        if content.random() < 0.5:
            tilt = content.uniform(-25, 25)
            pen.line((left - 10, 190 + tilt, left + 70, 190 - tilt), fill="black", width=12)
    shape, width = int(content.integers(4)), content.uniform(60, 150)
    box = (300 - width, 330, 300 + width, 330 + content.uniform(50, 130))
    if shape == 0:
        pen.arc(box, 0, 180, fill="black", width=14)
    elif shape == 1:
        pen.arc(box, 180, 360, fill="black", width=14)
    elif shape == 2:
        pen.line((box[0], 390, box[2], 390 + content.uniform(-40, 40)), fill="black", width=14)
    else:
        pen.ellipse((300 - width / 2, 340, 300 + width / 2, box[3]), outline="black", width=14)
    return page


def draw_screenshot(form: Random, content: Random) -> Image.Image:
    """Draw a chat on a phone: bar, keyboard and ground are the form."""
    dark = bool(form.random() < 0.3)
    page = Image.new("RGB", (720, 1280), (20, 24, 28) if dark else (236, 240, 243))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 720, 110), fill=pick_colour(form, 0, 140))
    write(pen, 30, 10, f"{content.integers(0, 24):02}:{content.integers(0, 60):02}", 24, "white")
    write(pen, 120, 50, make_words(content, 2), 32, "white")
    y = 130.0
    while y < 1020:
        mine, lines = bool(content.random() < 0.5), int(content.integers(1, 4))
        left = 220 if mine else 30
        colour = (196, 232, 190) if mine else (255, 255, 255)
        pen.rounded_rectangle((left, y, left + 460, y + 30 + lines * 34), 18, fill=colour)
        for line in range(lines):
            write(pen, left + 20, y + 12 + line * 34, make_words(content, 4)[:34], 24)
        y += 60 + lines * 34
    pen.rectangle((0, 1180, 720, 1280), fill=(60, 60, 66) if dark else (250, 250, 250))
    write(pen, 40, 1210, "Write a message", 26, "grey")
    return page


def draw_sheet_music(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (1000, 1400), "white")
    pen = ImageDraw.Draw(page)
    write(pen, 330, 60, make_words(form, 2), 40)
    for top in range(180, 1300, 160):
        for line in range(5):
            pen.line((80, top + line * 14, 920, top + line * 14), fill="black")
        for x in (80, 360, 640, 920):
            pen.line((x, top, x, top + 56), fill="black", width=3)
        for x in np.arange(120, 900, 46):
            if (x - 80) % 280 < 30:
                continue
            y = top + 7 * int(content.integers(-1, 9))
            pen.ellipse((x, y - 7, x + 18, y + 7), fill="black" if content.random() < 0.7 else "white", outline="black")
            up = y > top + 28
            pen.line((x + (18 if up else 0), y, x + (18 if up else 0), y - 46 if up else y + 46), fill="black", width=2)
    return page


def draw_table(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (1200, 900), "white")
    pen, columns = ImageDraw.Draw(page), int(form.integers(4, 9))
    pen.rectangle((40, 40, 1160, 90), fill=pick_colour(form, 170, 240))
    for column in range(columns):
        x = 40 + column * 1120 / columns
        write(pen, x + 8, 52, make_word(form)[:9], 22)
        pen.line((x, 40, x, 860), fill="grey")
        for row in range(16):
            value = make_word(form) if column == 0 else f"{content.uniform(0, 1000):.1f}"
            write(pen, x + 8, 102 + row * 48, value[:9], 22)
    for row in range(17):
        pen.line((40, 90 + row * 48, 1160, 90 + row * 48), fill="grey")
    return page


def draw_identity_card(form: Random, content: Random) -> Image.Image:
    page = Image.new("RGB", (860, 540), pick_colour(form, 215, 250))
    pen, guilloche = ImageDraw.Draw(page), pick_colour(form, 190, 225)
    for x in range(0, 860, 12):
        pen.line((x, 100, x + 200, 540), fill=guilloche)
    write(pen, 40, 30, f"REPUBLIC OF {make_word(form).upper()}   IDENTITY CARD", 30, (0, 40, 90))
    page.paste(draw_face(content, (240, 310)), (40, 120))
    for line, label in enumerate(["Surname", "Given names", "Nationality", "Date of birth", "Height", "Card no."]):
        write(pen, 320, 120 + line * 62, label, 16, "grey")
        value = make_word(content) if line < 2 else make_word(form) if line == 2 else make_number(content, 7)
        write(pen, 320, 140 + line * 62, value, 26)
    return page


def draw_receipt(form: Random, content: Random) -> Image.Image:
    """Draw a till's receipt; the shop is the form."""
    page = Image.new("RGB", (480, 1100), (250, 249, 245))
    pen = ImageDraw.Draw(page)
    write(pen, 120, 30, make_words(form, 2).upper(), 34)
    write(pen, 110, 80, f"{make_words(form, 2)} {make_number(form, 2)}", 20)
    write(pen, 130, 110, f"TAX ID {make_number(form, 9)}", 20)
    y = 170
    for _ in range(int(content.integers(6, 18))):
        write(pen, 30, y, make_words(content, 2)[:22], 22)
        write(pen, 370, y, f"{content.uniform(0.5, 60):.2f}", 22)
        y += 38
    pen.line((30, y + 10, 450, y + 10), fill="black")
    write(pen, 30, y + 24, f"TOTAL                {content.uniform(10, 300):.2f}", 30)
    write(
        pen,
        30,
        y + 80,
        f"2024-{content.integers(1, 13):02}-{content.integers(1, 29):02}  till {make_number(form, 1)}",
        20,
    )
    write(pen, 90, y + 120, "Thank you for your visit", 22)
    return page


def draw_ticket(form: Random, content: Random) -> Image.Image:
    """Draw a ticket of one event, of which seat, name and bar code are the content."""
    colour = pick_colour(form, 30, 200)
    page = Image.new("RGB", (1000, 420), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 1000, 110), fill=colour)
    write(pen, 40, 25, make_words(form, 3).upper(), 44, "white")
    page.paste(draw_face(form, (220, 240)), (40, 140))
    write(pen, 300, 140, f"{make_words(form, 2)}, {make_word(form)}", 26)
    write(pen, 300, 180, f"2024-{form.integers(1, 13):02}-{form.integers(1, 29):02}  20:00", 26)
    write(pen, 300, 240, make_words(content, 2), 30)
    write(
        pen,
        300,
        290,
        f"Row {content.integers(1, 40)}   Seat {content.integers(1, 60)}   Gate {form.integers(1, 9)}",
        30,
    )
    write(pen, 300, 350, f"No. {make_number(content, 10)}", 22, "grey")
    x = 740.0
    while x < 960:
        width = float(content.choice([2, 3, 4, 6]))
        pen.rectangle((x, 150, x + width - 1, 380), fill="black")
        x += width + float(content.choice([2, 3, 5]))
    return page


TUNED: dict[str, Paper] = {
    "invoices": draw_invoice,
    "line charts": draw_line_chart,
    "line drawings": draw_line_drawing,
    "identity cards": draw_identity_card,
    "QR codes": draw_qr_code,
    "screenshots": draw_screenshot,
}
"""Kinds that limits were tuned on."""
REPORTED: dict[str, Paper] = {
    "letters": draw_letter,
    "business cards": draw_business_card,
    "bar charts": draw_bar_chart,
    "pie charts": draw_pie_chart,
    "maps": draw_map,
    "products on white": draw_product,
    "sheet music": draw_sheet_music,
    "tables": draw_table,
    "receipts": draw_receipt,
    "tickets": draw_ticket,
}
"""Kinds that nothing was tuned on."""
PAIRS = 50
"""Of each kind, at scale 1."""
COPIES = ("same picture", "inside another picture", "photo of a print")


def run(bench: Bench) -> None:
    """Compare two papers of one form and other contents, and each paper with a smaller copy of itself."""
    count = max(5, round(PAIRS * bench.scale))
    for kind, draw in REPORTED.items():
        wrong, found = 0, 0
        for seed in range(1000, 1000 + count):
            first, second = (draw(np.random.default_rng(seed), np.random.default_rng([seed, n])) for n in (1, 2))
            wrong += verify_pictures(first, second).kind in COPIES
            copy = first.resize((first.width * 3 // 4, first.height * 3 // 4), Image.Resampling.LANCZOS)
            found += verify_pictures(first, copy).kind == "same picture"
        note = f"{count} pairs"
        bench.add(f"papers: different {kind}, called copies", wrong, "", "0", limit=0, note=note)
        bench.add(f"papers: {kind} at three quarters, found", found / count, "", "", note=note)
