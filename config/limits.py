"""Every limit that a client, an integrator or an operator can run into, in one place.

Each is a setting (`WEDSYNC_LIMIT_<NAME>`) and is told to clients in `welcome.limits`. Nothing that decides the meaning of an op
belongs here: the rules must give the same decisions on every machine, whatever its settings.
"""

from typing import Annotated, Final

from pydantic import Field, PositiveInt
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, SettingsConfigDict

LIMIT_PREFIX = "WEDSYNC_LIMIT_"
KIB = 1024
MIB = 1024 * KIB
#: What is counted per second, and of whom: each has a rate and a burst.
RATES: Final = (
    ("op", "connection"),
    ("op", "person"),
    ("op", "wedding"),
    ("frame", "connection"),
    ("repair", "connection"),
    ("request", "person"),
    ("message", "address"),
)


def names_of_rate(what: str, scope: str) -> tuple[str, str]:
    """The names of the two limits that make one of the RATES."""
    return f"{what}s_per_second_per_{scope}", f"{what}_burst_per_{scope}"


class Limits(BaseSettings):
    """The limits of one process; all of them positive, sizes in bytes, rates per second."""

    model_config = SettingsConfigDict(env_prefix=LIMIT_PREFIX, frozen=True, extra="ignore")

    #: Ops that one connection may send in the long run, and at once after a rest: two full batches of somebody who was offline.
    ops_per_second_per_connection: PositiveInt = 200
    op_burst_per_connection: PositiveInt = 1_000
    #: The same over all connections, requests and NATS ops of one person in one wedding at one gateway: less than the wedding's.
    ops_per_second_per_person: PositiveInt = 400
    op_burst_per_person: PositiveInt = 1_500
    #: The same over everybody in one wedding at one gateway.
    ops_per_second_per_wedding: PositiveInt = 1_000
    op_burst_per_wedding: PositiveInt = 2_000
    #: The JSON text of one op, of one WebSocket frame or HTTP body, and the ops of one batch.
    op_bytes: Annotated[int, Field(ge=KIB, le=64 * KIB)] = 64 * KIB
    frame_bytes: Annotated[int, Field(ge=64 * KIB)] = MIB
    batch_ops: PositiveInt = 500
    #: One frame of a snapshot is cut here; an envelope above its limit travels without its events.
    snapshot_chunk_bytes: Annotated[int, Field(ge=64 * KIB)] = 512 * KIB
    envelope_bytes: Annotated[int, Field(ge=64 * KIB, le=900 * KIB)] = 512 * KIB
    #: A client further behind than this gets a snapshot instead of events, per channel.
    resume_events: PositiveInt = 500
    resume_bytes: Annotated[int, Field(ge=64 * KIB)] = 2 * MIB
    #: Bytes that may wait to be written to one socket before presence is dropped (half), events are dropped and the socket is
    #: resumed once it has read (three quarters), and it is closed (whole); and how long it may take to read.
    socket_buffer_bytes: Annotated[int, Field(ge=64 * KIB)] = 2 * MIB
    stale_seconds_per_socket: PositiveInt = 15
    #: What a gateway keeps for those who join: one wedding's whole state, and the states and last events of all together.
    cache_bytes_per_room: Annotated[int, Field(ge=64 * KIB)] = 32 * MIB
    cache_bytes_per_gateway: Annotated[int, Field(ge=64 * KIB)] = 256 * MIB
    #: Frames of any kind that one connection may send in the long run, and at once; each counts once for every KiB begun.
    #: Beyond it comes a warning (`slow_down`) and a pause; who had so many warnings in two minutes is closed with 4429.
    frames_per_second_per_connection: PositiveInt = 1_000
    frame_burst_per_connection: PositiveInt = 5_000
    warnings_per_connection: PositiveInt = 8
    #: Repairs that one connection may ask for (`data_sync` with `channels`), each of which computes whole channels.
    repairs_per_second_per_connection: PositiveInt = 1
    repair_burst_per_connection: PositiveInt = 5
    #: HTTP requests of one person in one wedding at one gateway.
    requests_per_second_per_person: PositiveInt = 100
    request_burst_per_person: PositiveInt = 500
    #: Frames (as above), HTTP requests and openings of sockets from one address at one gateway: a venue's guests share one.
    messages_per_second_per_address: PositiveInt = 20_000
    message_burst_per_address: PositiveInt = 50_000
    #: Open sockets of one person in one wedding at one gateway, and from one address: only a flood should meet that.
    sockets_per_person: PositiveInt = 200
    sockets_per_address: PositiveInt = 15_000
    #: Open sockets of one gateway process; a process has about 20,000 files.
    sockets_per_gateway: PositiveInt = 18_000
    #: Ops of one connection that may wait at the gateway for the log, and the bytes of all of them together.
    waiting_ops_per_connection: PositiveInt = 1_000
    waiting_bytes_per_gateway: Annotated[int, Field(ge=MIB)] = 64 * MIB
    #: One person's presence, as JSON text, and its updates per second and connection.
    presence_bytes: Annotated[int, Field(ge=64)] = 4 * KIB
    presence_per_second: PositiveInt = 20
    #: People of one page of `GET presence`.
    presence_people: PositiveInt = 1_000
    #: Requests that take long (history, state, why, undo, consistency, versions, operational-transform) of one person in one
    #: wedding at one gateway: in hand at once, and in line behind them. They hold places that others need.
    slow_requests_per_person: PositiveInt = 2
    slow_requests_in_line_per_person: PositiveInt = 20
    #: What moving one edit over others may cost over HTTP, which nothing else runs beside: a component that is sent, one of the
    #: edit for each delta that it is moved over, and 5,000 code points of the text for each are one step; about 3 µs.
    transform_steps: PositiveInt = 5_000
    #: Ops of one integrator that may wait in the intake, and events of one history answer.
    intake_waiting_per_principal: PositiveInt = 1_000
    history_events: PositiveInt = 1_000

    def as_wire(self) -> dict[str, int]:
        """Return every limit under its camelCase name, as `welcome.limits` tells them."""
        values: dict[str, int] = self.model_dump()
        return {to_camel(name): value for name, value in values.items()}
