"""The AsyncAPI 3.0 document: the WebSocket's frames in both directions, and the NATS subjects of integrators.

Made from the same shapes that the gateway decodes and encodes. Served at `/asyncapi.json`.
"""

from typing import Any, Final

import msgspec

from actors.contract.client_frames import ClientFrame
from actors.contract.events import Event
from actors.contract.server_frames import Applied, Delayed, Rejected, ServerFrame
from actors.contract.subjects import feed_subject, intake_subject, outcome_subject
from gateway.http.openapi import schema_of_anything
from gateway.http.shapes import IntegratorOp, Op, Presence, PresenceChange, SaidPresence
from gateway.telemetry.service import VERSION
from gateway.wire.formats import JSON_PROTOCOL, PACKED_PROTOCOL

_REFERENCE: Final = "#/components/schemas/{name}"
_FROM_CLIENT: Final = tuple(ClientFrame.__args__)
_FROM_SERVER: Final = tuple(ServerFrame.__args__)
_NATS: Final = {"op": (IntegratorOp,), "feed": (Event,), "outcome": (Applied, Rejected, Delayed)}
#: What names an op over NATS.
_OP_HEADERS: Final = {
    "type": "object",
    "properties": {
        "Wedsync-Op-Id": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_.:-]{1,100}$",
            "description": "Your name for the op: a repeat under the same name is applied once.",
        }
    },
}


def asyncapi_document() -> dict[str, Any]:
    """Return the document as plain JSON values."""
    kinds = [*_FROM_CLIENT, *_FROM_SERVER, *(kind for group in _NATS.values() for kind in group)]
    shown = [*kinds, SaidPresence, Presence, Op, PresenceChange]
    _, components = msgspec.json.schema_components(shown, schema_hook=schema_of_anything, ref_template=_REFERENCE)
    _describe_presence(components)
    _describe_ops_and_events(components)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "WedSync",
            "version": VERSION,
            "description": "One socket carries one wedding; integrators publish and subscribe on NATS. See docs/protocol.md.",
        },
        "servers": {
            "gateway": {
                "host": "127.0.0.1:8080",
                "protocol": "ws",
                "description": f"Subprotocols: {JSON_PROTOCOL}, {PACKED_PROTOCOL}.",
            },
            "nats": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "The address that `wedsync integrator` prints.",
            },
        },
        "channels": {"socket": _socket(), **{name: _subject(name) for name in _NATS}},
        "operations": _operations(),
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": components,
        },
    }


def _describe_presence(components: dict[str, Any]) -> None:
    """Gateways carry presences as plain objects; say what is in them."""
    said, shown = _reference(SaidPresence), _reference(Presence)
    components["PresenceUpdate"]["properties"]["presence"] = {"anyOf": [said, {"type": "null"}]}
    components["PresenceFrame"]["properties"]["presence"]["additionalProperties"] = {"anyOf": [shown, {"type": "null"}]}


def _describe_ops_and_events(components: dict[str, Any]) -> None:
    """Gateways pass both on as they came; say what is in them."""
    op = {"anyOf": [_reference(Op), _reference(PresenceChange)]}
    components["SubmitOp"]["properties"]["op"] = op
    components["DataSync"]["properties"]["ops"] = {"anyOf": [{"type": "array", "items": op}, {"type": "null"}], "default": None}
    for frame in ("LiveEvents", "ChannelSync"):
        components[frame]["properties"]["events"] = {"type": "array", "items": _reference(Event)}


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _message(kind: type) -> dict[str, Any]:
    named = {"headers": _OP_HEADERS} if kind is IntegratorOp else {}
    return {
        **named,
        "name": kind.__name__,
        "summary": (kind.__doc__ or "").strip().partition("\n")[0],
        "contentType": "application/json",
        "payload": _reference(kind),
    }


def _messages(kinds: tuple[type, ...]) -> dict[str, Any]:
    return {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds}


def _socket() -> dict[str, Any]:
    return {
        "address": "/ws",
        "description": "JSON text frames, told apart by `type`; the first is hello.",
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": _messages((*_FROM_CLIENT, *_FROM_SERVER)),
    }


def _subject(name: str) -> dict[str, Any]:
    address, what = {
        "op": (intake_subject("{wedding}", "{id}"), "An integrator's op, without `id`; the header Wedsync-Op-Id may name it."),
        "feed": (feed_subject("{wedding}", "{id}", "{channel}"), "Events of the channels that the integrator reads."),
        "outcome": (outcome_subject("{wedding}", "{id}"), "Refusals, what is delayed, and `applied` where no event is readable."),
    }[name]
    parameters = {"wedding": "The wedding's id.", "id": "The integrator's id.", "channel": "<section>.<audience>"}
    return {
        "address": address,
        "description": what,
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {each: {"description": text} for each, text in parameters.items() if f"{{{each}}}" in address},
        "messages": _messages(_NATS[name]),
    }


def _operations() -> dict[str, Any]:
    """`receive` is what the server takes, `send` what it tells."""

    def operation(action: str, channel: str, kinds: tuple[type, ...]) -> dict[str, Any]:
        messages = [{"$ref": f"#/channels/{channel}/messages/{kind.__name__}"} for kind in kinds]
        return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}

    return {
        "takeFrame": operation("receive", "socket", _FROM_CLIENT),
        "sendFrame": operation("send", "socket", _FROM_SERVER),
        "takeOp": operation("receive", "op", _NATS["op"]),
        "sendEvent": operation("send", "feed", _NATS["feed"]),
        "sendOutcome": operation("send", "outcome", _NATS["outcome"]),
    }
