"""The OpenAPI 3.1 document, made from the table of operations and the shapes of bodies; served at `/openapi.json`."""

import re
from http import HTTPStatus
from typing import Any, Final, get_args

import msgspec

from gateway.http import shapes
from gateway.http.operations import OPERATIONS, Operation
from gateway.http.problems import PROBLEM_TYPE
from gateway.telemetry.service import VERSION

_REFERENCE: Final = "#/components/schemas/{name}"
_MEANINGS: Final = {
    HTTPStatus.OK: "Done.",
    HTTPStatus.CREATED: "Founded.",
    HTTPStatus.ACCEPTED: "Saved on disk and not decided yet; it will be, and the event tells the rest.",
    HTTPStatus.NO_CONTENT: "Done, and there is nothing to tell.",
}
_PROBLEM: Final = {"description": "What went wrong, and what helps.", "content": {PROBLEM_TYPE: {"schema": {}}}}


def schema_of_anything(kind: type) -> dict[str, Any]:
    """Any JSON value where the shape says `object` or is kept as it came; raises TypeError for another type."""
    if kind in (object, msgspec.Raw):
        return {"description": "Any JSON value."}
    raise TypeError(kind)


def openapi_document() -> dict[str, Any]:
    """Return the document as plain JSON values."""
    kinds = [shapes.Problem, *(kind for operation in OPERATIONS for kind in _kinds_of(operation))]
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=schema_of_anything, ref_template=_REFERENCE)
    schema_of = dict(zip(map(str, kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.address, {})[operation.method.lower()] = _described(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WedSync",
            "version": VERSION,
            "description": "Plan and run a wedding together. Sockets and NATS: /asyncapi.json. All in words: docs/protocol.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _kinds_of(operation: Operation) -> list[Any]:
    kinds = [*operation.answers.values(), *_bodies_of(operation)]
    return [kind for kind in kinds if kind is not None]


def _bodies_of(operation: Operation) -> tuple[Any, ...]:
    """The shapes that a body may have: none, one, or those of a union."""
    return get_args(operation.body) or ((operation.body,) if operation.body is not None else ())


def _described(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    name = operation.route.__name__
    described: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "description": (operation.route.__doc__ or "").strip(),
        "security": [{"token": []}] if operation.needs_token else [],
        "parameters": [*_path_parameters(operation.address), *_query_parameters(operation)],
        "responses": {
            **{str(int(status)): _answer(status, kind, schema_of) for status, kind in operation.answers.items()},
            "default": {**_PROBLEM, "content": {PROBLEM_TYPE: {"schema": schema_of[str(shapes.Problem)]}}},
        },
    }
    if bodies := _bodies_of(operation):
        schemas = [schema_of[str(body)] for body in bodies]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        described["requestBody"] = {
            "required": not any(map(_may_be_empty, bodies)),
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _may_be_empty(shape: Any) -> bool:
    return not any(field.required for field in msgspec.structs.fields(shape))


def _answer(status: HTTPStatus, kind: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": _MEANINGS[status]}
    if kind is not None:
        described["content"] = {"application/json": {"schema": schema_of[str(kind)]}}
    return described


def _path_parameters(address: str) -> list[dict[str, Any]]:
    identifier = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
    word = {"type": "string", "pattern": "^[A-Za-z]{1,64}$"}
    schemas = {"collection": word, "field": word}
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.get(name, identifier)}
        for name in re.findall(r"{(\w+)}", address)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "in": "query", "required": each.is_required, "schema": each.schema, "description": each.description}
        for each in operation.query
    ]
