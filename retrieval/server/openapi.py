"""The OpenAPI document: what the routes say of themselves, and what stands before all of them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from indexers.types import Json
from retrieval.server.guard import MARK, asks
from retrieval.server.problems import Problem
from retrieval.server.responses import CODES, refusals

BEFORE = (401, 421)
"""What the guard may answer to any request; further below, to those that change something or have a body."""


def document(app: FastAPI) -> Json:
    """OpenAPI 3.1; made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = made.setdefault("components", {})
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schemas = parts["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        made["security"] = [{}, {"token": []}]
        for path, methods in made["paths"].items():
            for method, operation in methods.items():
                _complete(path, method, operation)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    answers, changes = operation["responses"], not asks(method.upper(), path)
    codes = list(BEFORE) if path.startswith("/v1/") else [421]
    codes += [403] if changes else []
    codes += [400, 408, 413] if "requestBody" in operation else []
    if "requestBody" in operation or any(_may_not_fit(one) for one in operation.get("parameters", ())):
        codes += [422]
    elif answers.get("422", {}).get("description") != CODES[422]:
        answers.pop("422", None)  # FastAPI's, of any route that has a parameter
    answers.update({str(code): said for code, said in refusals(*codes).items()})
    operation["responses"] = dict(sorted(answers.items()))
    if changes:
        header = {"name": MARK, "in": "header", "required": False, "schema": {"type": "string"}}
        header["description"] = "Any value; needed where no token is set."
        operation.setdefault("parameters", []).append(header)


def _may_not_fit(parameter: Json) -> bool:
    """Whether a request may have it wrong: texts in a path, and those that may be left out, are always right."""
    kinds = {one.get("type") for one in parameter["schema"].get("anyOf", [parameter["schema"]])}
    return not kinds <= {"string", "null"} or (parameter["in"] == "query" and bool(parameter.get("required")))
