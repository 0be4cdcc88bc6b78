from __future__ import annotations

import numpy as np

from retrieval.learning.questions import choose_questions


def test_doubtful_ones_come_first_and_alike_ones_once() -> None:
    vectors = np.float32([[1, 0], [1, 0], [0, 1], [0, 1]])
    probabilities = np.array([[0.5, 0.5], [0.51, 0.49], [0.6, 0.4], [0.99, 0.01]])
    assert choose_questions(vectors, probabilities, 2).tolist() == [0, 2]
    assert sorted(choose_questions(vectors, probabilities, 9).tolist()) == [0, 1, 2, 3]
    assert len(choose_questions(vectors[:0], probabilities[:0], 3)) == 0
