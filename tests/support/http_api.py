"""Calls to the HTTP API of a running gateway, as a plain HTTP client makes them."""

import io
import json
from typing import Any, NamedTuple

import aiohttp

from tests.support.gateways import RunningGateway, token_of

BASE = "/api/collaboration"


class Answer(NamedTuple):
    """Status, decoded JSON body (None for other bodies), text and headers of a response."""

    status: int
    body: Any
    text: str
    headers: Any


class HttpApi:
    """One principal at one wedding; `token` overrides the valid one."""

    def __init__(self, gateway: RunningGateway, wedding: str, principal: str, token: str | None = None) -> None:
        self._url = gateway.url
        self.wedding = wedding
        self._token = token_of(principal, wedding) if token is None else token

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body` is sent as JSON, bytes as they are; without a token no header goes."""
        if self._token:
            headers.setdefault("Authorization", f"Bearer {self._token}")
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self._url + path, data=data, headers=headers) as response,
        ):
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(response.status, json.loads(text) if is_json and text else None, text, response.headers)

    async def post(self, what: str, body: Any = None) -> Answer:
        return await self.call("POST", f"{BASE}/{what}/{self.wedding}", body)

    async def get(self, what: str, query: str = "") -> Answer:
        return await self.call("GET", f"{BASE}/{what}/{self.wedding}{query}")

    async def found_wedding(self, **overrides: Any) -> Answer:
        """Create the wedding."""
        body = {
            "id": self.wedding, "title": "A wedding", "date": "2027-06-19", "timeZone": "Europe/London", "homeCurrency": "GBP",
            "role": "couple",
        }  # fmt: skip
        return await self.call("POST", f"{BASE}/weddings", body | overrides)

    async def submit(self, kind: str, action: str, collection: str, identifier: str, data: Any = None, **members: Any) -> Answer:
        """One op."""
        return await self.post("events", op_of(kind, action, collection, identifier, data or {}, **members))


def op_of(kind: str, action: str, collection: str, identifier: str, data: Any = None, **members: Any) -> dict[str, Any]:
    """An op as a client or an integrator writes it, without an id unless `members` has one."""
    target = {"collection": collection, "id": identifier}
    return {"type": kind, "action": action, "target": target, **({} if data is None else {"data": data}), **members}


def is_problem(answer: Answer, status: int, code: str) -> bool:
    """Whether the answer is a complete RFC 9457 problem with this status and code."""
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer
    assert {"type", "title", "status", "detail", "code", "remedy"} <= answer.body.keys(), answer.body
    assert answer.body["status"] == answer.status, answer
    assert (answer.status, answer.body["code"]) == (status, code), answer
    return True
