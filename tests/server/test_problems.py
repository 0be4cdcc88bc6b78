"""Errors as problem documents, which tell callers what they need and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from indexers import errors
from indexers.errors import WriterBusy
from retrieval import Collection
from retrieval.server import create_app
from retrieval.server.problems import answer_http_error, answer_library_error, answer_request_error, make_problem
from tests.support.serving import open_client


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.ItemNotFound("no item 7"), 404, "item-not-found"),
        (errors.BadQuery("k must be 1 or more"), 400, "bad-query"),
        (errors.PictureTooLarge("too many pixels"), 413, "picture-too-large"),
        (errors.UnreadablePicture("not a picture"), 422, "unreadable-picture"),
        (errors.Unavailable("no weights"), 503, "unavailable"),
    ],
)
def test_the_librarys_errors_keep_their_name_and_message(error: errors.NearkinError, status: int, kind: str) -> None:
    response = answer_library_error(error)
    problem = json.loads(bytes(response.body))
    assert response.status_code == problem["status"] == status
    assert response.media_type == "application/problem+json"
    assert (problem["type"], problem["detail"]) == (f"urn:nearkin:{kind}", str(error))
    assert problem["title"]


def test_a_fault_of_the_disk_goes_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    response = answer_library_error(errors.WriteFailed("cannot write /secret/path"))
    assert response.status_code == 500
    assert b"secret" not in response.body
    assert (
        b'"detail": "The disk is full, or the folder is not writable; the server\'s log has the details"'
        in response.body
    )
    assert "secret" in caplog.text


def test_an_error_with_a_status_keeps_its_headers() -> None:
    response = answer_http_error(HTTPException(408, "too slow", {"Connection": "close"}))
    assert response.headers["connection"] == "close"
    assert json.loads(bytes(response.body))["type"] == "urn:nearkin:too-slow"


def test_a_request_that_does_not_fit_is_told_all_and_three_in_words() -> None:
    faults = [{"loc": ("body", number, "function-wrap[f()]"), "msg": f"wrong {number}"} for number in range(4)]
    problem = json.loads(bytes(answer_request_error(RequestValidationError(faults)).body))
    assert problem["status"] == 422
    assert problem["errors"] == [{"where": ["body", str(number)], "what": f"wrong {number}"} for number in range(4)]
    assert problem["detail"] == "body.0: wrong 0; body.1: wrong 1; body.2: wrong 2"


def test_a_problem_may_have_headers_and_further_fields() -> None:
    response = make_problem(401, "no-token", "A token is needed", "send one", headers={"X-A": "b"}, hint=1)
    assert response.headers["x-a"] == "b"
    assert json.loads(bytes(response.body))["hint"] == 1


def test_who_writes_is_not_told_outside() -> None:
    response = answer_library_error(WriterBusy("another writer is at work: process 7 (nearkin serve --secret)"))
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert b"secret" not in response.body


def test_a_fault_tells_nothing(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/secret/path")

    with TestClient(create_app(discs), "http://localhost", raise_server_exceptions=False) as client:
        monkeypatch.setattr(Collection, "count", fail)
        response = client.get("/v1/count")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-frame-options"] == "DENY"
    assert "secret" not in response.text


def test_another_writer_is_waited_for_and_then_told(filled: Collection, tmp_path: Path) -> None:
    with (
        Collection.open(filled.path, wait=0.1) as impatient,
        open_client(impatient) as client,
        filled._catalogue.transaction(),
    ):
        response = client.patch("/v1/items/1", json={"text": "x"})
        assert (response.status_code, response.json()["type"]) == (503, "urn:nearkin:writer-busy")
        assert str(tmp_path) not in response.text
