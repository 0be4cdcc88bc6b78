from __future__ import annotations

import json

from retrieval.server.example_values import FIELDS, SPECIAL


def test_examples_are_json_and_a_special_one_is_another_than_the_usual() -> None:
    assert json.loads(json.dumps(FIELDS)) == FIELDS
    assert not [name for name, value in SPECIAL.items() if FIELDS.get(name.partition(".")[2], object()) == value]
