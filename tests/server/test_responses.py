"""JSON, pictures and parts of them, what has not changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server.responses import (
    MAX_IN_MEMORY,
    PageBeyondLast,
    answer_bytes,
    answer_json,
    check_page,
    document_errors,
    matches_etag,
    parse_number,
    parse_range,
)
from tests.support import pictures
from tests.support.serving import open_client


def make_request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=5-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("", None),
        ("bytes=²-", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges(header: str, span: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == span


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("²", None), ("", None), ("-1", None), ("9" * 19, None)])
def test_numbers_in_headers(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_a_range_is_answered_with_its_bytes_and_its_place() -> None:
    response = answer_bytes(make_request(range="bytes=2-4"), b"0123456789", "image/png", {})
    assert (response.status_code, response.body) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/10"
    assert answer_bytes(make_request(), b"0123456789", "image/png", {}).status_code == 200


def test_a_range_beyond_the_end_is_a_problem_that_tells_the_size() -> None:
    response = answer_bytes(make_request(range="bytes=10-"), b"0123456789", "image/png", {})
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */10"
    assert json.loads(bytes(response.body))["detail"] == "the picture has 10 bytes"


def test_etags_match_weak_and_among_several() -> None:
    assert matches_etag(make_request(if_none_match='"a", W/"b"'), '"b"')
    assert not matches_etag(make_request(if_none_match='"a"'), '"b"')
    assert not matches_etag(make_request(), '"b"')


def test_json_is_ascii_even_where_utf8_fails() -> None:
    assert answer_json({"name": "\udcff"}).body == b'{"name":"\\udcff"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        answer_json({"score": float("nan")})


def test_errors_are_described_as_problem_documents() -> None:
    described = document_errors(404)
    assert set(described) == {404}
    assert set(described[404]["content"]) == {"application/problem+json"}


def test_a_picture_is_given_as_it_lies_there(discs_client: TestClient, discs_folder: Path) -> None:
    whole = discs_client.get("/v1/items/1/picture")
    content = (discs_folder / "black.png").read_bytes()
    assert (whole.content, whole.headers["content-type"]) == (content, "image/png")
    tag = whole.headers["etag"]
    assert discs_client.get("/v1/items/1/picture", headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    part = discs_client.get("/v1/items/1/picture", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(content)}"
    assert discs_client.get("/v1/items/1/picture", headers={"Range": "bytes=-4"}).content == content[-4:]


@pytest.mark.parametrize(("number", "total"), [(1, 0), (1, 1), (1, 100), (2, 101), (3, 300)])
def test_a_page_that_exists_is_no_error(number: int, total: int) -> None:
    check_page(number, 100, total)


@pytest.mark.parametrize(("number", "total", "last"), [(2, 0, 1), (2, 100, 1), (4, 300, 3)])
def test_a_page_beyond_the_last_says_so(number: int, total: int, last: int) -> None:
    with pytest.raises(PageBeyondLast, match=f"there is no page {number}; the last one is {last}"):
        check_page(number, 100, total)


def test_long_pictures_are_sent_from_the_disk(discs: Collection, tmp_path: Path) -> None:
    content = pictures.encoded(pictures.noise(1, (900, 700)), "PNG")
    assert len(content) > MAX_IN_MEMORY
    (tmp_path / "noise.png").write_bytes(content)
    [item_id] = discs.add(tmp_path / "noise.png").items
    with open_client(discs) as client:
        path = f"/v1/items/{item_id}/picture"
        whole = client.get(path)
        assert (whole.status_code, whole.content) == (200, content)
        assert whole.headers["content-length"] == str(len(content))
        part = client.get(path, headers={"Range": "bytes=10-1200000"})
        assert (part.status_code, part.content) == (206, content[10:1200001])
        assert client.get(path, headers={"Range": "bytes=10-19"}).content == content[10:20]
    discs.remove(item_id)
