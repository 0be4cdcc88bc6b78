from __future__ import annotations

import pytest

from indexers.errors import UsageError
from retrieval.records.codec import from_json
from retrieval.records.together import Alignment, Stitched


def test_they_survive_json_without_their_pictures() -> None:
    aligned = Alignment(1, 2, "affine", ((1.0, 0.0, 5.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), 0.2, 0.5, 40, 50)
    assert from_json(Alignment, aligned.to_dict()) == aligned
    with pytest.raises(UsageError, match="align the pictures again"):
        aligned.difference()
    stitched = Stitched((1, 2), (), "flat", 600, 400, (aligned.matrix,))
    assert from_json(Stitched, stitched.to_dict()) == stitched
    with pytest.raises(UsageError, match="stitch again"):
        stitched.image()
