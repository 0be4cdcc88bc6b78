"""What was done to a picture is proven, whatever it was, both ways round; and never of other pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from indexers.matching.features import extract_features
from indexers.matching.verification import Verdict, verify_features, verify_pictures
from tests.bench.papers import REPORTED, TUNED
from tests.bench.transforms import burst, recompress, rotate
from tests.support.photographs import load_photograph

Edit = Callable[[Image.Image], Image.Image]


def load(name: str = "coffee") -> Image.Image:
    return load_photograph(name, 512)


def stretch(image: Image.Image, across: float, down: float = 1.0) -> Image.Image:
    return image.resize((round(image.width * across), round(image.height * down)), Image.Resampling.BICUBIC)


def lay_on(image: Image.Image, ground: Image.Image, left: int, top: int) -> Image.Image:
    covered = ground.copy()
    covered.paste(image, (left, top))
    return covered


def put_into_box(image: Image.Image, blurred: bool) -> Image.Image:
    ground = image.resize((image.width, image.width * 16 // 9)).filter(ImageFilter.GaussianBlur(25))
    return lay_on(image, ground if blurred else Image.new("RGB", ground.size), 0, (ground.height - image.height) // 2)


EDITS: dict[str, tuple[Edit, set[str]]] = {
    "5 % wider": (lambda image: stretch(image, 1.05), {"stretched by 5 %"}),
    "40 % higher": (lambda image: stretch(image, 1, 1.4), {"stretched by 40 %"}),
    "mirrored, 15 % wider": (lambda image: stretch(ImageOps.mirror(image), 1.15), {"mirrored", "stretched by 15 %"}),
    "corner cut, 25 % higher": (
        lambda image: stretch(image.crop((0, 0, image.width * 9 // 10, image.height * 9 // 10)), 1, 1.25),
        {"cropped", "stretched by 25 %"},
    ),
    "turned by 90": (lambda image: image.transpose(Image.Transpose.ROTATE_90), {"rotated 90°"}),
    "turned by 45": (lambda image: image.rotate(45, expand=True, fillcolor="teal"), {"rotated 45°"}),
    "inverted": (ImageOps.invert, {"inverted"}),
    "inverted, mirrored": (lambda image: ImageOps.invert(ImageOps.mirror(image)), {"inverted", "mirrored"}),
    "toned": (lambda image: ImageOps.colorize(image.convert("L"), (30, 15, 0), (255, 240, 200)), {"toned"}),
    "letterbox": (lambda image: put_into_box(image, False), {"border"}),
    "story": (lambda image: put_into_box(image, True), {"border"}),
    "JPEG 5": (lambda image: recompress(image, 5), {"recompressed"}),
}


def verify_both_ways(a: Image.Image, b: Image.Image) -> Verdict:
    left, right = extract_features(a), extract_features(b)
    forth, back = verify_features(left, right), verify_features(right, left)
    assert forth.kind == back.kind
    assert forth.score == pytest.approx(back.score)
    assert set(forth.differs) ^ set(back.differs) <= {"brighter", "darker", "border", "cropped"}
    if forth.transform is not None and back.transform is not None and forth.kind == "same picture":
        product = np.vstack([forth.transform, [0, 0, 1]]) @ np.vstack([back.transform, [0, 0, 1]])
        np.testing.assert_allclose(product, np.eye(3), atol=1e-5)
    return forth


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_a_copy_is_the_same_picture_both_ways_round(name: str, edit: str) -> None:
    make, words = EDITS[edit]
    verdict = verify_both_ways(load(name), make(load(name)))
    assert verdict.kind == "same picture", verdict
    assert words <= set(verdict.differs), verdict


def test_the_transform_of_a_stretched_copy_is_that_of_its_pixels() -> None:
    verdict = verify_pictures(load(), stretch(load(), 1.25))
    assert verdict.stretch == pytest.approx(1.25, abs=0.01)
    assert verdict.transform is not None
    np.testing.assert_allclose(verdict.transform, [[1.25, 0, 0], [0, 1, 0]], atol=2)
    np.testing.assert_allclose(verdict.transform[:, :2], [[1.25, 0], [0, 1]], atol=0.01)


def test_a_picture_in_a_collage_is_proven_but_no_duplicate() -> None:
    inner = load().resize((256, 171))
    verdict = verify_both_ways(load(), lay_on(inner, load("astronaut"), 200, 40))
    assert verdict.kind == "inside another picture"
    assert "inside another picture" in verdict.differs
    assert verdict.score >= 0.5
    part = verify_pictures(load(), load().crop((100, 60, 356, 231)))  # as large as it is there: a crop
    assert part.kind == "same picture"
    assert "cropped" in part.differs


def lay_in_grid(*cells: Image.Image) -> Image.Image:
    page = Image.new("RGB", (520, 520), "white")
    for place, cell in enumerate(cells):
        page.paste(ImageOps.fit(cell, (256, 256)), (264 * (place % 2), 264 * (place // 2)))
    return page


def test_the_middle_of_a_picture_in_a_grid_is_proven_but_no_duplicate() -> None:
    whole = load("astronaut").resize((512, 384))
    grid = lay_in_grid(load("rocket"), whole, load("cat"), load("coffee"))
    verdict = verify_both_ways(whole, grid)
    assert verdict.kind == "inside another picture"
    assert "inside another picture" in verdict.differs
    other = lay_in_grid(*(load(name) for name in ("rocket", "moon", "cat", "coffee")))
    assert verify_both_ways(whole, other).kind not in ("same picture", "inside another picture")


def turn_hues(image: Image.Image, steps: int) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda level: (level + steps) % 256), saturation, value)).convert("RGB")


@pytest.mark.parametrize("steps", [40, -60])
@pytest.mark.parametrize("name", ["astronaut", "cat"])
def test_a_picture_with_all_hues_turned_alike_is_the_same(name: str, steps: int) -> None:
    verdict = verify_both_ways(load(name), turn_hues(load(name), steps))
    assert verdict.kind == "same picture"
    assert "other hues" in verdict.differs


def test_a_picture_of_one_hue_in_another_one_is_not() -> None:
    grey = load("astronaut").convert("L")
    red, blue = (ImageOps.colorize(grey, "black", "white", mid=colour) for colour in ("crimson", "royalblue"))
    assert verify_pictures(red, blue).kind != "same picture"


def test_a_print_seen_at_an_angle_is_a_kind_of_its_own() -> None:
    framed = ImageOps.expand(load("astronaut"), 60, "sienna")
    corners = (0, -40, 40, 600, 600, 690, 632, 50)
    seen = framed.transform(framed.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    verdict = verify_both_ways(load("astronaut"), seen)
    assert verdict.kind == "photo of a print"
    assert "seen at an angle" in verdict.differs


@pytest.mark.parametrize("kind", [*TUNED, *REPORTED])
def test_other_papers_of_one_form_are_no_copies_and_copies_are(kind: str) -> None:
    draw = {**TUNED, **REPORTED}[kind]
    first, second = (draw(np.random.default_rng(5), np.random.default_rng(seed)) for seed in (1, 2))
    assert verify_both_ways(first, second).kind in ("same template", "same scene", "different")
    assert verify_pictures(first, recompress(first, 40)).kind == "same picture"


def test_a_thing_that_moved_over_a_blank_ground_is_no_copy() -> None:
    frames = []
    for left in (60, 300):
        frame = Image.new("RGB", (480, 360), "tan")
        frame.paste(load("astronaut").resize((110, 110)), (left, 120))
        frames.append(frame)
    assert verify_both_ways(*frames).kind != "same picture"
    ground = Image.linear_gradient("L").resize((480, 360)).convert("RGB")
    assert verify_pictures(*burst(ground, load("cat"), np.random.default_rng(0))).kind != "same picture"


def draw_sign(colour: str = "crimson", left: int = 90) -> Image.Image:
    drawing = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(drawing)
    pen.polygon([(left, 150), (left + 90, 60), (left + 90, 240)], fill=colour, outline="black", width=9)
    pen.rectangle((left + 90, 120, 330, 180), fill=colour, outline="black", width=9)
    pen.ellipse((300, 20, 380, 100), fill="gold", outline="black", width=9)
    return drawing


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: recompress(image, 30),
        lambda image: image.resize((200, 150)),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: ImageEnhance.Brightness(image).enhance(1.3),
        ImageOps.invert,
    ],
)
def test_an_edited_sign_is_the_same(edit: Edit) -> None:
    assert verify_both_ways(draw_sign(), edit(draw_sign())).kind == "same picture"


@pytest.mark.parametrize(
    "other",
    [draw_sign("royalblue"), draw_sign("black"), ImageOps.mirror(draw_sign()), rotate(draw_sign(), 180)],
    ids=["blue", "black", "mirrored", "turned"],
)
def test_a_sign_in_another_colour_or_turned_over_is_another_sign(other: Image.Image) -> None:
    assert verify_both_ways(draw_sign(), other).kind == "same template"


def test_a_page_on_its_head_is_the_same_page() -> None:
    page = REPORTED["letters"](np.random.default_rng(1), np.random.default_rng(2))
    assert verify_pictures(page, rotate(page, 180)).kind == "same picture"
