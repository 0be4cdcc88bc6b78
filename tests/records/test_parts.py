from __future__ import annotations

from retrieval.records.codec import from_json
from retrieval.records.parts import FindReport, Part
from retrieval.records.search import Hit


def test_parts_and_hits_with_a_part_come_back_from_json() -> None:
    part = Part(3, 1, "subject", (1, 2, 3, 4), 0.5, "1x1:0 1")
    hit = Hit(1, "key", 0.5, None, {}, part=part)
    assert from_json(Part, part.to_dict()) == part
    assert from_json(Hit, hit.to_dict()) == hit
    assert hit.to_dict()["part"]["box"] == [1, 2, 3, 4]
    report = FindReport(2, 1, 3, 0, (), 5)
    assert from_json(FindReport, report.to_dict()) == report
