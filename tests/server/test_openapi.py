"""The OpenAPI document is valid and useful, holds against schemathesis, and each error it names can be met."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server import ServerSettings, create_app
from tests.support import pictures
from tests.support.serving import CLIENT_HEADERS, READ, WRITE, make_png, open_client

JSON_TYPE = {"Content-Type": "application/json"}


def fill_collection(place: Path) -> Collection:
    """Some pictures, with copies, and ready-made clusters to rename."""
    folder = place / "pictures"
    folder.mkdir(parents=True)
    for number in range(12):
        pictures.noise(number, (64, 48)).save(folder / f"{number}.png")
    made = Collection.open(place / "collection", create=True, embedder="tiny")
    made.add(sorted(folder.glob("*.png")), metadata=[{"number": number} for number in range(12)])
    return made


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with fill_collection(tmp_path_factory.mktemp("document")) as made:
        yield made


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(collection: Collection) -> Iterator[TestClient]:
    with open_client(collection, read_token=READ, write_token=WRITE, headers={}) as made:
        yield made


@pytest.fixture(scope="module")
def document(client: TestClient) -> Any:
    return client.get("/v1/openapi.json").json()


def list_operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_it_is_of_version_3_1_and_says_what_everything_is(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    for method, path, one in list_operations(document):
        assert one["description"], (method, path)
        good = [code for code in one["responses"] if code < "300"]
        assert good, (method, path)
        for code, said in one["responses"].items():
            assert said["description"], (method, path, code)
            if code >= "400":
                assert set(said["content"]) == {"application/problem+json"}, (method, path, code)


def test_every_reference_leads_somewhere(document: Any) -> None:
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= set(document["components"]["schemas"])
    assert {"Problem", "Item", "Hit", "Cluster", "DuplicateGroup", "Job"} <= names


def test_records_are_described_by_their_own_fields(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert "evidence" in schemas["Pair"]["properties"]
    assert "path" not in schemas["ServedInfo"]["properties"]
    assert {"items", "server"} <= set(schemas["ServedInfo"]["required"])
    assert "change number" in str(schemas["HitList"]) or "as_of" in schemas["HitList"]["properties"]


# ---- every documented error is met

UNKNOWN_ID = 2**40
"""An id that nothing has."""


def fill_path(path: str, name: Any = 1) -> str:
    """A route's path with something in its place."""
    for part in ("item", "cluster", "decision", "job", "name"):
        path = path.replace("{" + part + "}", str(name))
    return path


def check_problem(answer: Any, code: int) -> None:
    assert answer.status_code == code, (answer.request.method, answer.request.url, answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == code
    assert told["type"].startswith("urn:nearkin:")
    assert told["title"]
    assert told["detail"]


def find_operations(document: Any, code: int) -> list[tuple[str, str, Any]]:
    return [(method, path, one) for method, path, one in list_operations(document) if str(code) in one["responses"]]


def test_without_a_token(document: Any, guarded: TestClient) -> None:
    for method, path, _ in find_operations(document, 401):
        check_problem(guarded.request(method, fill_path(path)), 401)


def test_with_a_token_that_only_reads(document: Any, guarded: TestClient) -> None:
    for method, path, _ in find_operations(document, 403):
        headers = {"Authorization": f"Bearer {READ}"}
        check_problem(guarded.request(method, fill_path(path), headers=headers), 403)


def test_by_another_name(document: Any, client: TestClient) -> None:
    for method, path, _ in find_operations(document, 421):
        check_problem(client.request(method, fill_path(path), headers={"Host": "evil.example"}), 421)


def test_more_than_is_taken(document: Any, client: TestClient) -> None:
    for method, path, _ in find_operations(document, 413):
        check_problem(client.request(method, fill_path(path), content=b"x" * (4 * 2**20 + 1)), 413)


def test_a_body_that_is_no_json(document: Any, client: TestClient) -> None:
    for method, path, one in find_operations(document, 400):
        if "application/json" in one.get("requestBody", {}).get("content", {}):
            digits = b'{"k": ' + b"1" * 5000 + b"}"
            check_problem(client.request(method, fill_path(path), content=digits, headers=JSON_TYPE), 400)


def test_a_form_that_is_none(client: TestClient) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    for path in ("/v1/uploads", "/v1/items"):
        check_problem(client.post(path, content=b"x", headers=headers), 400)


def test_a_request_that_does_not_fit(document: Any, client: TestClient) -> None:
    for method, path, one in find_operations(document, 422):
        wrong = {name["name"]: "x" for name in one.get("parameters", ()) if name["in"] == "query"}
        how: dict[str, Any] = {"params": wrong if wrong.keys() != {"key"} else {}}
        content = one.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            how["json"] = {"nobody": "knows this"}
        elif content:
            how["files"] = {"picture": b"no picture", "pictures": b"no picture"}
        check_problem(client.request(method, fill_path(path, "x"), **how), 422)


def test_what_is_not_there(document: Any, client: TestClient) -> None:
    none = UNKNOWN_ID
    bodies: dict[str, dict[str, Any]] = {
        "/v1/search": {"json": {"item": none}},
        "/v1/items/remove": {"json": {"items": [none]}},
        "/v1/decisions": {"json": {"what": "keep both", "items": [none, none + 1]}},
        "/v1/item": {"params": {"key": "nobody"}},
        "/v1/duplicates/overlay": {"params": {"a": none, "b": none}},
    }
    for method, path, _ in find_operations(document, 404):
        how = bodies.get(path, {})
        if method == "patch":
            how = {"json": {"text": "x"} if "items" in path else {"name": "x"}}
        check_problem(client.request(method, fill_path(path, none), **how), 404)


def test_what_the_library_refuses(document: Any, client: TestClient) -> None:
    asked: dict[tuple[str, str], dict[str, Any]] = {
        ("get", "/v1/items"): {"params": {"where": "{"}},
        ("get", "/v1/count"): {"params": {"where": '{"$no": 1}'}},
        ("get", "/v1/clusters"): {"params": {"level": "none"}},
        ("get", "/v1/clusters/loose"): {"params": {"level": "none"}},
        ("get", "/v1/duplicates"): {"params": {"threshold": 7}},
        ("get", "/v1/items/{item}/thumbnail"): {"params": {"edge": 161}},
        ("post", "/v1/search"): {"json": {"item": 1, "text": "x"}},
        ("post", "/v1/items"): {"files": {"pictures": make_png("red")}, "data": {"metadata": "{"}},
        ("post", "/v1/items/remove"): {"json": {}},
        ("post", "/v1/clusterings"): {"json": {"name": "1"}},
        ("post", "/v1/decisions"): {"json": {"what": "keep", "items": [1, 2]}},
        ("patch", "/v1/items/{item}"): {"json": {}},
        ("patch", "/v1/clusters/{cluster}"): {"json": {"name": " "}},
        ("delete", "/v1/decisions/{decision}"): {},
    }
    left = set()
    for method, path, one in find_operations(document, 400):
        if (method, path) in asked:
            check_problem(
                client.request(method, fill_path(path, 10**6 if "decision" in path else 1), **asked[method, path]),
                400,
            )
        elif "requestBody" not in one:
            left.add((method, path))
    assert not left


def test_pictures_that_can_not_be_read(client: TestClient, collection: Collection, tmp_path: Path) -> None:
    place = tmp_path / "gone.png"
    pictures.noise(99, (64, 48)).save(place)
    [item] = collection.add([place], keys=["gone"]).items
    place.unlink()
    check_problem(client.get(f"/v1/items/{item}/picture"), 422)
    check_problem(client.get(f"/v1/items/{item}/thumbnail"), 422)
    check_problem(client.get("/v1/duplicates/overlay", params={"a": item, "b": 1}), 422)
    collection.remove("gone")


def test_a_part_that_is_not_there(document: Any, client: TestClient) -> None:
    for method, path, _ in find_operations(document, 416):
        check_problem(client.request(method, fill_path(path), headers={"Range": "bytes=99999999-"}), 416)


# ---- schemathesis

REFUSED = ["2xx", "3xx", "400", "401", "403", "404", "409", "5xx"]
CONFIG = SchemathesisConfig.from_dict({"checks": {"positive_data_acceptance": {"expected-statuses": REFUSED}}})
"""400: what is of the right form, and makes no sense to the library all the same."""
SENDING = ("POST /v1/uploads", "POST /v1/items")
"""Bytes that are no picture are of the right form."""
EXAMPLES = 400 if "--slow" in sys.argv else 6


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Of a collection of its own, since what is done to it is anybody's guess."""
    place = tmp_path_factory.mktemp("conforming")
    with fill_collection(place) as made:
        app = create_app(made, ServerSettings(hosts=("testserver",), allow=(place / "pictures",)))

        async def requests(scope: Any, receive: Any, send: Any) -> None:
            """Its life is the test client's."""
            if scope["type"] == "http":
                await app(scope, receive, send)
                return
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})

        with TestClient(app):
            app.state.nearkin.stopping.set()  # else streams of events never end
            yield schemathesis.openapi.from_asgi("/v1/openapi.json", requests, config=CONFIG)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_the_document_says(schema: Any, mode: GenerationMode) -> None:
    wrong = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def holds(case: Any) -> None:
            excluded = [positive_data_acceptance] if case.operation.label in SENDING else []
            case.call_and_validate(headers=CLIENT_HEADERS, excluded_checks=excluded)

        try:
            holds()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.label  # there is nothing to have wrong
        except (Exception, FailureGroup) as failure:  # all of them are told at once
            wrong.append(f"{operation.label}: {failure!r} {getattr(failure, 'exceptions', '')}")
    assert not wrong, "\n\n".join(wrong)
