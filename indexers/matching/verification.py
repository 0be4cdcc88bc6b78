"""The verdict on two pictures: the same, a part, a template, a scene, or different; and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.differences import describe_differences
from indexers.matching.features import Features, extract_features
from indexers.matching.judging import FLAT_DEVIATION, SAME, SCENE_INLIERS, Proof, measure_covered
from indexers.matching.proofs import find_proof

__all__ = ["SAME", "Kind", "Verdict", "has_contrast", "verify_features", "verify_pictures"]

Kind = Literal["same picture", "inside another picture", "photo of a print", "same template", "same scene", "different"]

_FEW_POINTS = 40  # below this a picture is compared by its pixels too
_PAPER = 0.25  # the share of a drawing or a paper that is blank
_PART = 0.5  # the share of a picture below which another one that it shows is only a part of it
_SMALLER = 0.8  # the scale at which it shows it, below which it is no replacement


@dataclass(frozen=True, slots=True)
class Verdict:
    """The record of a proof about pictures a and b.

    `kind`: of "same picture" one can replace the other. "inside another picture": one is a part of the other, as in a
    collage, and smaller there; "photo of a print": one shows the other at an angle, with something around it; both are
    proven. "same template": papers, drawings or screens that have a form in common, and not what is drawn on it.

    `score`: how sure it is that they are the same picture, 0 to 1, `SAME` being the limit. `inliers`: points that agree
    on `transform` (0 where only pixels were compared). `overlap`: the share of the smaller picture, as one lies over
    the other, that both show. `agreement`: the share of blocks of pixels that are the same. `transform` float64 (2, 3):
    takes x and y in pixels of the original a to those of b; None where none was found. `mirrored`, `scale` (of b's
    original pixels over a's), `rotation` in degrees, clockwise, -180 to 180. `stretch`: how many times as wide for its
    height b is as a, before the rotation. `inverted`: b is the negative of a. `differs`: in words, what was changed
    between a and b; empty if nothing was.
    """

    kind: Kind
    score: float
    inliers: int = 0
    overlap: float = 0.0
    agreement: float = 0.0
    transform: NDArray[np.float64] | None = None
    mirrored: bool = False
    scale: float = 1.0
    rotation: float = 0.0
    stretch: float = 1.0
    inverted: bool = False
    differs: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record for JSON, its numbers rounded."""
        return {
            "kind": self.kind,
            "score": round(self.score, 4),
            "inliers": self.inliers,
            "overlap": round(self.overlap, 4),
            "agreement": round(self.agreement, 4),
            "transform": None if self.transform is None else self.transform.round(4).tolist(),
            "mirrored": self.mirrored,
            "scale": round(self.scale, 4),
            "rotation": round(self.rotation, 2),
            "stretch": round(self.stretch, 4),
            "inverted": self.inverted,
            "differs": list(self.differs),
        }


def verify_features(a: Features, b: Features) -> Verdict:
    """Judge whether `a` and `b` are the same picture, perhaps edited; two views of the same scene; or different.

    Points that look alike and agree on a similarity transform show that the scene is the same; how they deviate from
    the transform, and whether the aligned pixels agree, shows whether the picture is. Then whole frames are laid on
    each other, turned, stretched or inverted. Pictures with few points are aligned by their pixels; blank ones are
    never the same. Deterministic; `verify_features(b, a)` gives the same verdict with the inverse transform.
    """
    swapped = _order_key(b) < _order_key(a)
    first, second = (b, a) if swapped else (a, b)
    if not (has_contrast(a) and has_contrast(b)):
        return Verdict("different", 0.0)
    proof = find_proof(first, second, _FEW_POINTS)
    if proof is None:
        return Verdict("different", 0.0)
    return _make_verdict(a, b, proof.swap() if swapped else proof)


def has_contrast(picture: Features) -> bool:
    """Return False for a blank picture, which proves nothing: all such pictures agree, whatever they were made of."""
    deviations = (picture.thumbnail, *np.moveaxis(picture.colours, 2, 0))
    return any(float(values.std()) >= FLAT_DEVIATION for values in deviations)


def verify_pictures(a: Image.Image, b: Image.Image, engine: str = "auto") -> Verdict:
    """Judge two upright RGB pictures as `verify_features` judges their features."""
    return verify_features(extract_features(a, engine), extract_features(b, engine))


def _order_key(picture: Features) -> tuple[int, int, bytes, bytes]:
    """Return a key that orders any two pictures, so that both ways round are one computation."""
    pixels = picture.thumbnail.tobytes() + picture.colours.tobytes()
    return picture.width, picture.height, picture.descriptors.tobytes(), pixels


def _name_kind(proof: Proof, scale: float) -> Kind:
    if proof.score >= SAME:
        if proof.homography is not None:
            return "photo of a print"
        if proof.is_cut:
            return "inside another picture"
        first, second = measure_covered(proof)
        is_part = (second < _PART and scale < _SMALLER) or (first < _PART and scale > 1 / _SMALLER)
        return "inside another picture" if is_part else "same picture"
    if proof.details is not None and proof.details.blank >= _PAPER:
        return "same template"
    return "same scene" if proof.inliers >= SCENE_INLIERS else "different"


def _make_verdict(a: Features, b: Features, proof: Proof) -> Verdict:
    transform, pixels = proof.transform, proof.comparison
    matrix = _find_matrix(a, b, proof)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    rotation = float(np.degrees(np.angle(-transform.turn if transform.mirrored else transform.turn)))
    kind = _name_kind(proof, scale)
    differs = describe_differences(proof, kind, scale, rotation) if proof.score >= SAME else ()
    return Verdict(
        kind,
        proof.score,
        proof.inliers,
        pixels.overlap,
        pixels.agreeing,
        matrix,
        transform.mirrored,
        scale,
        rotation,
        proof.stretch,
        proof.is_inverted,
        differs,
    )


def _find_matrix(a: Features, b: Features, proof: Proof) -> NDArray[np.float64]:
    """Return the affine matrix, float64 (2, 3), in original pixels; of a homography the affine part in the middle."""
    matrix = proof.transform.to_matrix()
    if proof.homography is not None:
        x, y = np.array(a.size) / 2
        u, v, w = proof.homography @ (x, y, 1)
        slopes = (proof.homography[:2, :2] - np.outer((u / w, v / w), proof.homography[2, :2])) / w
        matrix = np.column_stack([slopes, np.array((u / w, v / w)) - slopes @ (x, y)])
        matrix[:, :2] *= np.array(a.size) / (a.width, a.height)
        return matrix * (np.array((b.width, b.height)) / b.size)[:, None]
    matrix[:, :2] *= np.array(proof.a.size) / (a.width, a.height)
    return matrix * (np.array((b.width, b.height)) / proof.b.size)[:, None]
