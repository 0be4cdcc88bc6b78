from __future__ import annotations

import numpy as np

from indexers.classifiers.base import softmax


def test_softmax_is_stable() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])), [[0.5, 0.5], [1, 0]])
