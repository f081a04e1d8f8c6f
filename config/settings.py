"""Every tunable of a WedSync process, read once at start from `WEDSYNC_*`, `NATS_URL` and `DATABASE_URL`.

Names carry their unit. Rules between settings are the functions of config.checks, run together before anything starts.
Limits that clients meet are in config.limits. Settings never change while a process runs.
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.errors import SettingsInvalid
from config.limits import KIB, LIMIT_PREFIX, MIB, Limits

PREFIX = "WEDSYNC_"
GIB = 1024 * MIB
#: The same form as ids in subjects: one lower-case token.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def _number(value: object) -> object:
    """A choice of numbers, too, comes as text from the environment."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _networks(value: str) -> str:
    """Raise ValueError for what is no address and no network."""
    for each in value.split(",") if value else ():
        ip_network(each.strip(), strict=False)
    return value


class Settings(BaseSettings):
    """The settings of one process; frozen, so that they can be handed to every part."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, populate_by_name=True, extra="ignore")

    # Where things are. Empty addresses mean the embedded servers, which the supervisor starts and names to its children.
    data_dir: Path = Path(".wedsync")
    nats_url: SecretStr = Field(default=SecretStr(""), validation_alias="NATS_URL")
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")
    nats_user: str = ""
    nats_password: SecretStr = SecretStr("")
    #: With both, gateways admit integrators to NATS (auth callout); the seed is the nkey of the issuing account.
    nats_auth_password: SecretStr = SecretStr("")
    nats_issuer_seed: SecretStr = SecretStr("")
    #: At least 32 bytes; signs and checks user tokens.
    jwt_secret: SecretStr = SecretStr("")
    token_lifetime_seconds: PositiveFloat = 12 * 3600

    # Who this process is.
    region: Name = "r0"
    host_id: Name = "host-1"
    gateway_id: Name = "gateway-1"

    # The gateway's door.
    listen_host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    #: Several gateways of one machine listen on the same port (SO_REUSEPORT).
    share_port: bool = False
    #: Origins of web pages that may call over HTTP and WebSockets beside the gateway's own, separated by commas, as in
    #: `https://wedding.example`; `*` is every page, empty those of this machine (localhost, 127.0.0.1, ::1).
    allowed_origins: str = ""
    #: Addresses or networks, separated by commas, of proxies in front of the gateways: what they say in X-Forwarded-For is
    #: believed, so that limits per address count the client's and not the proxy's.
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    hello_timeout_seconds: PositiveFloat = 5.0
    http_answer_timeout_seconds: PositiveFloat = 2.0
    #: How long a connection may take over the header of its first request, and a request over its body.
    http_header_timeout_seconds: PositiveFloat = 10.0
    http_body_timeout_seconds: PositiveFloat = 30.0
    websocket_ping_seconds: PositiveFloat = 20.0
    drain_seconds: Annotated[float, Field(ge=0)] = 5.0
    #: A gateway whose event loop stands still for so long ends, to be started again; half of it is told in its log.
    loop_stuck_seconds: PositiveFloat = 15.0

    # The log: partitions and streams are fixed when it is created and compared at every start.
    partitions: Annotated[int, Field(ge=1, le=4096)] = 64
    log_streams: Annotated[int, Field(ge=1, le=64)] = 1
    log_replicas: Annotated[Literal[1, 3, 5], BeforeValidator(_number)] = 1
    log_max_bytes: Annotated[int, Field(ge=16 * MIB)] = 4 * GIB
    log_trim_age_hours: PositiveFloat = 72.0
    log_trim_from_fill: Annotated[float, Field(gt=0, lt=1)] = 0.60
    log_trim_interval_seconds: PositiveFloat = 30.0
    publish_timeout_seconds: PositiveFloat = 5.0
    #: Ops in one atomic batch, and batches that may wait for their acknowledgement at once: a batch takes the server several
    #: milliseconds whatever its size, so few large ones are quicker than many small ones (docs/decisions.md).
    commit_batch_ops: Annotated[int, Field(ge=1, le=1000)] = 500
    commits_in_flight: Annotated[int, Field(ge=1, le=50)] = 1
    reader_heartbeat_seconds: PositiveFloat = 1.0
    reader_silence_seconds: PositiveFloat = 2.5
    #: A host that has one op in hand for so long ends, and the op is held to be what ended it.
    decide_timeout_seconds: PositiveFloat = 5.0

    # Actors and what they leave in Postgres.
    flush_interval_seconds: PositiveFloat = 0.250
    flush_ops: PositiveInt = 2_000
    flush_buffer_bytes: Annotated[int, Field(ge=MIB)] = 64 * MIB
    #: Ops that may wait for weddings that are waking; beyond it the log readers pause.
    waking_queue_bytes: Annotated[int, Field(ge=64 * KIB)] = 64 * MIB
    #: A changed wedding gets a snapshot after so many ops or so long, whichever is first.
    snapshot_every_ops: PositiveInt = 500
    snapshot_after_seconds: PositiveFloat = 300.0
    idle_actor_sleep_seconds: PositiveFloat = 600.0
    idle_checkpoint_seconds: PositiveFloat = 10.0
    read_behind_wait_seconds: PositiveFloat = 1.0
    #: How often a host looks for timers to send again, and how long before they are due it does so.
    timer_sweep_seconds: PositiveFloat = 5.0
    timer_ahead_seconds: PositiveFloat = 60.0
    database_pool_connections: Annotated[int, Field(ge=2)] = 6
    database_timeout_seconds: PositiveFloat = 10.0

    # Who is alive, and how far everybody is.
    #: Another host takes over when one was silent for the timeout: the least that a dead host's weddings wait.
    heartbeat_interval_seconds: PositiveFloat = 0.25
    member_timeout_seconds: PositiveFloat = 1.5
    heads_interval_seconds: PositiveFloat = 1.0
    heads_window_seconds: PositiveFloat = 10.0
    heads_silence_seconds: PositiveFloat = 3.0

    # Presence: the first change goes at once, later ones once per tick.
    presence_tick_seconds: PositiveFloat = 0.020
    presence_tick_large_room_seconds: PositiveFloat = 0.250
    presence_large_room_members: Annotated[int, Field(ge=2)] = 50
    presence_store_interval_seconds: PositiveFloat = 10.0
    #: Who does nothing for so long (no op, no presence; a ping is not enough) is away.
    presence_idle_seconds: PositiveFloat = 300.0
    #: From so many people on a socket is told numbers, and of them only those who matter to it, at most so many.
    presence_summary_members: Annotated[int, Field(ge=2)] = 100
    presence_summary_shown: PositiveInt = 50
    #: Presence from HTTP or NATS has no socket that could close: it is forgotten after this time.
    presence_without_socket_seconds: PositiveFloat = 60.0

    # What it says about itself.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    limits: Limits = Field(default_factory=Limits)

    @model_validator(mode="after")
    def _keep_the_rules_between_settings(self) -> Self:
        """Refuse combinations that would start and then misbehave."""
        from config.checks import contradictions

        found = contradictions(self)
        if found:
            raise ValueError("\n".join(found))
        return self

    def masked(self) -> dict[str, Any]:
        """Return every setting for `--print-config`, in plain types, secrets shown as set or empty and never by value."""
        values = self.model_dump(mode="json")
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                values[name] = "**********" if value.get_secret_value() else ""
        return values


def load_settings(**overrides: object) -> Settings:
    """Read the environment, `overrides` winning over it; raises `SettingsInvalid` with one readable line per mistake."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic judges the values, which come from a command line
    except ValidationError as error:
        prefix = LIMIT_PREFIX if error.title == Limits.__name__ else PREFIX
        raise SettingsInvalid("; ".join(_readable(prefix, each["loc"], each["msg"]) for each in error.errors())) from None


def _readable(prefix: str, location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ").replace("\n", "; ")
    if not location:
        return text
    name = str(location[-1])
    return f"{name if name.isupper() else prefix + name.upper()}: {text}"
