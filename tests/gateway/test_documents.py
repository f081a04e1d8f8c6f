"""The API described by itself: documents that are well formed, and answers that are what they say."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.http import shapes
from gateway.http.asyncapi import asyncapi_document
from gateway.http.openapi import openapi_document
from gateway.http.operations import OPERATIONS
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway
from tests.support.http_api import Answer, HttpApi, op_of
from tests.support.requirements import missing

INSERT = op_of("task_completion", "insert", "tasks", "cake", {"title": "Order the cake"})


def references_of(value: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        if isinstance(found := value.get("$ref"), str):
            yield found
        for each in value.values():
            yield from references_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from references_of(each)


def leads_somewhere(document: dict[str, Any], reference: str) -> bool:
    """Whether a `$ref` names a part of the document."""
    part: Any = document
    for step in reference.removeprefix("#/").split("/"):
        if step not in part:
            return False
        part = part[step]
    return True


def test_the_document_is_openapi() -> None:
    """The document of the HTTP API is valid OpenAPI 3.1, schemas included."""
    try:
        from openapi_spec_validator import OpenAPIV31SpecValidator
    except ImportError:
        missing("openapi-spec-validator", "make setup")
    validator: Any = OpenAPIV31SpecValidator(openapi_document())
    assert [str(error) for error in validator.iter_errors()] == []


@pytest.mark.parametrize("document", [openapi_document(), asyncapi_document()], ids=["openapi", "asyncapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """A `$ref` names a part of the same document."""
    references = set(references_of(document))
    assert references
    assert [each for each in references if not leads_somewhere(document, each)] == []


def test_every_operation_is_named_once_and_described() -> None:
    """Names are unique, parameters are those of the address, and what needs a token says so."""
    operations = [each for methods in openapi_document()["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations) == len(OPERATIONS)
    assert all(each["description"] and each["summary"] for each in operations)
    for address, methods in openapi_document()["paths"].items():
        for each in methods.values():
            in_path = [parameter["name"] for parameter in each["parameters"] if parameter["in"] == "path"]
            assert in_path == re.findall(r"{(\w+)}", address)
            assert bool(each["security"]) == address.startswith("/api/")


def test_what_an_address_takes_and_means_is_told() -> None:
    """`events` takes ops and presence, and says of 202 that the op is not decided yet."""
    events = openapi_document()["paths"]["/api/collaboration/events/{wedding}"]["post"]
    taken = events["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert [each["$ref"].rpartition("/")[2] for each in taken] == ["Op", "PresenceChange"]
    assert "not decided" in events["responses"]["202"]["description"]


def test_ops_and_events_are_described_wherever_they_stand() -> None:
    """Frames carry them as they came, and a generated client must know what is in them; over NATS a header names an op."""
    document = asyncapi_document()
    shapes_of = document["components"]["schemas"]
    op = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Op", "PresenceChange")]}
    event = {"type": "array", "items": {"$ref": "#/components/schemas/Event"}}
    assert shapes_of["SubmitOp"]["properties"]["op"] == op
    assert {"type": "array", "items": op} in shapes_of["DataSync"]["properties"]["ops"]["anyOf"]
    assert shapes_of["LiveEvents"]["properties"]["events"] == shapes_of["ChannelSync"]["properties"]["events"] == event
    assert "field" in shapes_of["Target"]["properties"]
    assert "id" in shapes_of["Op"]["properties"]
    assert "id" not in shapes_of["IntegratorOp"]["properties"]
    assert "Wedsync-Op-Id" in document["components"]["messages"]["IntegratorOp"]["headers"]["properties"]


async def test_a_parameter_that_must_be_there_is_asked_for(stack: RunningGateway, found: FoundWedding) -> None:
    """The document says so, and the answer names it."""
    await found("w1")
    address = "/api/collaboration/documents/{wedding}/{document}/diff"
    [required] = [each for each in openapi_document()["paths"][address]["get"]["parameters"] if each["name"] == "from"]
    assert required["required"] is True
    answer = await HttpApi(stack, "w1", "ana").call("GET", "/api/collaboration/documents/w1/vows/diff")
    assert is_shaped(answer, 422, shapes.Problem)
    assert "`from`" in answer.body["detail"]


def is_shaped(answer: Answer, status: int, shape: Any) -> bool:
    """Whether the answer has this status and nothing but what the shape says."""
    assert answer.status == status, answer
    converted = msgspec.convert(answer.body, shape)
    assert msgspec.json.decode(msgspec.json.encode(converted)) == answer.body, answer.body
    return True


async def test_answers_are_what_the_document_says(stack: RunningGateway, found: FoundWedding) -> None:
    """Each kind of answer fits its shape, problems included, and the documents are served to anybody."""
    await found("w1")
    ana, eve = HttpApi(stack, "w1", "ana"), HttpApi(stack, "w1", "eve")
    assert is_shaped(await HttpApi(stack, "w2", "ana").found_wedding(), 201, shapes.Founded)
    assert is_shaped(await ana.post("join"), 200, shapes.Joined)
    assert is_shaped(await ana.post("events", INSERT), 200, shapes.Taken)
    assert is_shaped(await ana.post("events", INSERT), 409, shapes.Problem)
    assert is_shaped(await ana.post("events", {"type": "presence_change", "data": {}}), 200, shapes.Taken)
    synced = await ana.post("sync", {"ops": [INSERT, {}], "channels": {"tasks.team": 0}})
    assert is_shaped(synced, 200, shapes.Synced)
    assert is_shaped(await ana.get("presence"), 200, shapes.Present)
    assert is_shaped(await ana.get("history"), 200, shapes.PastEvents)
    assert is_shaped(await ana.get("sessions"), 200, shapes.Sessions)
    assert is_shaped(await eve.get("presence"), 403, shapes.Problem)
    nobody = HttpApi(stack, "w1", "ana", token="")
    assert is_shaped(await nobody.get("presence"), 401, shapes.Problem)
    limits = await nobody.call("GET", "/limits")
    assert limits.body == stack.gateway.settings.limits.as_wire()
    assert (await nobody.call("GET", "/openapi.json")).body == openapi_document()
    assert (await nobody.call("GET", "/asyncapi.json")).body == asyncapi_document()
    page = await nobody.call("GET", "/docs")
    assert "/openapi.json" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
