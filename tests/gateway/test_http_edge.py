"""What goes around every request: origins of web pages and CORS, methods, media types, documents asked about again."""

import asyncio
import gzip
import json
import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.errors import SettingsInvalid
from config.settings import load_settings
from gateway.http.negotiation import takes_json
from gateway.http.operations import BASE, OPERATIONS
from gateway.http.origins import may_call
from tests.gateway.conftest import FoundWedding
from tests.support.gateways import RunningGateway, token_of
from tests.support.http_api import HttpApi, is_problem, op_of
from tests.support.waiting import eventually

LISTED = frozenset({"https://wedding.example"})
NO_LIST: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("origin", "allowed", "verdict"),
    [
        (None, LISTED, True),
        ("https://wedding.example", LISTED, True),
        ("HTTPS://Wedding.Example", LISTED, True),
        ("https://wedding.example.evil.example", LISTED, False),
        ("https://evilwedding.example", LISTED, False),
        ("https://wedding.example:444", LISTED, False),
        ("http://localhost:5173", LISTED, False),
        ("null", LISTED, False),
        ("", LISTED, False),
        ("https://[broken", LISTED, False),
        ("http://gateway.example:8080", LISTED, True),
        ("http://localhost:5173", NO_LIST, True),
        ("http://app.localhost", NO_LIST, True),
        ("https://[::1]:8443", NO_LIST, True),
        ("http://localhost.evil.example", NO_LIST, False),
        ("https://evil.example", NO_LIST, False),
        ("null", NO_LIST, False),
        ("file://localhost", NO_LIST, False),
        ("https://evil.example", frozenset({"*"}), True),
    ],
)
def test_an_origin_is_taken_exactly(origin: str | None, allowed: frozenset[str], verdict: bool) -> None:
    """Programs, the gateway's own pages and listed ones may call; without a list those of this machine; nobody by likeness."""
    assert may_call(origin, "gateway.example:8080", allowed) is verdict


@pytest.mark.parametrize("origins", ["wedding.example", "https://wedding.example/", "https://a.example, null"])
def test_a_list_that_no_browser_could_match_is_refused(origins: str) -> None:
    """A path, a missing scheme and `null` are mistakes, told at start with how to write it."""
    with pytest.raises(SettingsInvalid, match="WEDSYNC_ALLOWED_ORIGINS"):
        load_settings(allowed_origins=origins)


@pytest.mark.parametrize(
    ("accepted", "verdict"),
    [
        ([], True),
        (["*/*"], True),
        (["text/html,application/xhtml+xml,*/*;q=0.8"], True),
        (["application/json;q=0.1"], True),
        (["text/html", "application/*"], True),
        (["text/html"], False),
        (["application/json;q=0, */*"], False),
        (["*/*;q=0"], False),
        (["application/json;q=nonsense"], True),
    ],
)
def test_the_most_exact_range_decides(accepted: list[str], verdict: bool) -> None:
    """`Accept` as RFC 9110 reads it."""
    assert takes_json(accepted) is verdict


@pytest.mark.servers
async def test_pages_of_listed_origins_may_call_and_others_may_not(stack: RunningGateway, found: FoundWedding) -> None:
    """Preflight, the answer, a problem and a 404 name the origin; a foreign page gets 403 without it, and nothing is done."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    anybody = HttpApi(stack, "w1", "ana", token="")
    ours: dict[str, Any] = {"Origin": "http://localhost:5173"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await anybody.call("OPTIONS", f"{BASE}/events/w1", **ours, **asked)
    assert (preflight.status, preflight.text) == (204, "")
    assert preflight.headers["Access-Control-Allow-Origin"] == ours["Origin"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "Content-Type"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in preflight.headers, "no page can borrow a cookie, for there is none"
    op = op_of("task_completion", "insert", "tasks", "cake", {"title": "Order the cake"})
    for answer in (
        await ana.call("POST", f"{BASE}/events/w1", op, **ours),
        await anybody.call("POST", f"{BASE}/events/w1", op, **ours),
        await anybody.call("GET", "/nowhere", **ours),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == ours["Origin"], answer
        assert "Origin" in answer.headers["Vary"]
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    foreign = {"Origin": "https://evil.example"}
    for method, path in (("OPTIONS", f"{BASE}/events/w1"), ("POST", f"{BASE}/events/w1"), ("GET", "/ws"), ("GET", "/limits")):
        refused = await ana.call(method, path, op if method == "POST" else None, **foreign, **asked)
        assert is_problem(refused, 403, "not_allowed"), path
        assert "Access-Control-Allow-Origin" not in refused.headers
    history = (await ana.get("history")).body["events"]
    assert len([event for event in history if event["channel"] == "tasks.team"]) == 1


@pytest.mark.servers
async def test_methods_and_media_types_are_judged(stack: RunningGateway, found: FoundWedding) -> None:
    """OPTIONS everywhere, HEAD where GET is, 405 with Allow, 406 and 415 as problems; JSON is taken under its other names."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    for operation in OPERATIONS:
        path = re.sub(r"{\w+}", "some", operation.address.replace("{wedding}", "w1"))
        options = await ana.call("OPTIONS", path)
        assert (options.status, "OPTIONS" in options.headers["Allow"]) == (204, True), path
        assert operation.method in options.headers["Allow"], path
    head, get = await ana.call("HEAD", "/limits"), await ana.call("GET", "/limits")
    assert (head.status, head.text, head.headers["Content-Length"]) == (200, "", str(len(get.text)))
    wrong = await ana.call("PATCH", f"{BASE}/events/w1")
    assert is_problem(wrong, 405, "bad_frame")
    assert wrong.headers["Allow"] == "OPTIONS, POST"
    assert is_problem(await ana.call("GET", f"{BASE}/history/w1", Accept="text/csv"), 406, "bad_frame")
    for query in ("history/w1?user=ana&user=tom", "history/w1?limit=", "conflicts/w1?strategy=null"):
        assert is_problem(await ana.call("GET", f"{BASE}/{query}"), 422, "bad_value"), query
    body = b'{"type":"presence_change","data":{}}'
    for taken in ("application/json; charset=utf-8", "application/merge-patch+json", "application/x-www-form-urlencoded"):
        assert (await ana.call("POST", f"{BASE}/events/w1", body, **{"Content-Type": taken})).status == 200, taken
    for refused in ("text/xml", "text/plain", "multipart/form-data; boundary=x"):
        answer = await ana.call("POST", f"{BASE}/events/w1", body, **{"Content-Type": refused})
        assert is_problem(answer, 415, "bad_frame"), refused


@pytest.mark.servers
async def test_a_compressed_body_is_refused_unread(stack: RunningGateway, found: FoundWedding) -> None:
    """Well compressed, badly or in a form that nobody knows: 415 and never a fault of ours, and nothing is done."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    body = json.dumps(op_of("task_completion", "insert", "tasks", "t1", {"title": "x"})).encode()
    for encoding, sent in (("gzip", gzip.compress(body)), ("gzip", body), ("deflate", body), ("br", body), ("nonsense", body)):
        refused = await ana.call("POST", f"{BASE}/events/w1", sent, **{"Content-Encoding": encoding})
        assert is_problem(refused, 415, "bad_frame"), encoding
    assert (await ana.call("POST", f"{BASE}/events/w1", body, **{"Content-Encoding": "identity"})).status == 200


@pytest.mark.servers
async def test_the_printed_address_leads_to_the_documents(stack: RunningGateway) -> None:
    """Who opens the address of READY in a browser is shown the documents; no answer tells the versions of our libraries."""
    ana = HttpApi(stack, "w1", "ana")
    page = await ana.call("GET", "/")
    assert (page.status, "WedSync API" in page.text, page.headers["Server"]) == (200, True, "WedSync")
    assert (await ana.call("GET", "/nowhere")).headers["Server"] == "WedSync"


@pytest.mark.servers
async def test_documents_are_asked_about_again(stack: RunningGateway, found: FoundWedding) -> None:
    """A document has a tag and is not sent again while it is the same; what is of a wedding is stored nowhere."""
    await found("w1")
    ana = HttpApi(stack, "w1", "ana")
    for path in ("/openapi.json", "/asyncapi.json", "/limits", "/docs"):
        first = await ana.call("GET", path)
        again = await ana.call("GET", path, **{"If-None-Match": first.headers["ETag"]})
        assert (first.status, again.status, again.text) == (200, 304, ""), path
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (await ana.call("GET", path, **{"If-None-Match": '"other"'})).status == 200
    for answer in (await ana.get("history"), await ana.call("GET", "/nowhere")):
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.servers
async def test_inv5_what_is_no_http_is_in_no_log(stack: RunningGateway, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that break HTTP are answered with 400, and no line of a log repeats them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    with caplog.at_level("DEBUG"):
        writer.write(b"GET /limits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\x00\r\n\r\n")
        async with asyncio.timeout(30):
            assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    assert "SECRET" not in caplog.text


async def test_inv6_a_host_that_no_answer_could_repeat_is_refused(stack: RunningGateway, found: FoundWedding) -> None:
    """The address of the socket is made from `Host`, and `Origin` comes back in a header: bytes that are no text fail neither."""
    await found("w1")
    head = f"Authorization: Bearer {token_of('ana', 'w1')}\r\nContent-Length: 0\r\nConnection: close\r\n"
    for names in (b"Host: a\xff\r\n", b"Host: a\r\nOrigin: http://\xff\r\n", "Host: é\r\n".encode()):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        writer.write(b"POST /api/collaboration/join/w1 HTTP/1.1\r\n" + names + head.encode() + b"\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.split()[1] in {b"400", b"422"}, answer


async def test_inv6_who_goes_in_the_midst_of_a_request_is_no_fault_of_ours(stack: RunningGateway, found: FoundWedding) -> None:
    """A phone that loses its network while it sends a body: nothing is in the log."""
    await found("w1")
    head = (
        f"POST /api/collaboration/undo/w1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token_of('ana', 'w1')}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    turns = stack.gateway.limiter.slow_requests
    with capture_logs() as events:
        _, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        writer.write(head.encode())
        await eventually(lambda: len(turns) == 1, "its body is waited for")
        writer.transport.abort()
        await eventually(lambda: len(turns) == 0, "it is over")
    assert "http_failed" not in [event["event"] for event in events]
