"""The OpenAPI document: what the routes say of themselves, and the errors and headers that all of them share."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from indexers.types import Json
from retrieval.records.evaluation import Evaluation
from retrieval.records.reports import Report, SyncReport
from retrieval.records.work import QueueReport, WorkReport
from retrieval.server.examples import add_examples
from retrieval.server.guard import CLIENT_HEADER, is_read_only
from retrieval.server.problems import Problem
from retrieval.server.responses import STATUS_DESCRIPTIONS, document_errors
from retrieval.server.schemas import build_model

REFERENCE = "#/components/schemas/{model}"
REPORTS: tuple[type, ...] = (SyncReport, Evaluation, Report, QueueReport, WorkReport)
"""Records that only reports of jobs hold."""
ANY_REQUEST_CODES = (401, 421)
"""What the guard may answer to any request; further codes go with changes and with bodies."""


def build_document(app: FastAPI) -> Json:
    """Return the document, OpenAPI 3.1. It is built once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schemas = components["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        models: list[type[BaseModel]] = [Problem, *(build_model(record) for record in REPORTS)]
        for model in models:
            schema = model.model_json_schema(ref_template=REFERENCE)
            schemas |= {**schema.pop("$defs", {}), model.__name__: schema}
        document["security"] = [{}, {"token": []}]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                _complete_operation(path, method, operation)
        add_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def name_operation(route: APIRoute) -> str:
    """Return the id of a route's operation: the name of its function, a verb and a noun."""
    return route.name


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    name = operation["operationId"].replace("_", " ")
    if operation["summary"] == name.title():  # FastAPI's, where a route gives none
        operation["summary"] = name.capitalize()
    responses, changes = operation["responses"], not is_read_only(method.upper(), path)
    for code, response in responses.items():
        if response.get("description") == "Successful Response":  # FastAPI's, where a route gives none
            response["description"] = f"{HTTPStatus(int(code)).phrase}."
    codes = list(ANY_REQUEST_CODES) if path.startswith("/v1/") else [421]
    codes += [403] if changes else []
    codes += [400, 408, 413] if "requestBody" in operation else []
    if "requestBody" in operation or any(map(_can_be_invalid, operation.get("parameters", ()))):
        codes += [422]
    elif responses.get("422", {}).get("description") != STATUS_DESCRIPTIONS[422]:
        responses.pop("422", None)  # FastAPI adds it to every route that has a parameter
    responses.update({str(code): response for code, response in document_errors(*codes).items()})
    operation["responses"] = dict(sorted(responses.items()))
    if changes:
        header = {"name": CLIENT_HEADER, "in": "header", "required": False, "schema": {"type": "string"}}
        header["description"] = "Any value; needed where no token is set."
        operation.setdefault("parameters", []).append(header)


def _can_be_invalid(parameter: Json) -> bool:
    """Return True if a request may have the parameter wrong: text in a path, and text that may be omitted, never is."""
    types = {schema.get("type") for schema in parameter["schema"].get("anyOf", [parameter["schema"]])}
    return not types <= {"string", "null"} or (parameter["in"] == "query" and bool(parameter.get("required")))
