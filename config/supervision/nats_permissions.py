"""Who may publish and read which NATS subjects (design D10): one table for the internal users.

Only gateways and hosts write the log; only hosts write timers, envelopes and feeds; nobody reads another role's
replies, because each role has an inbox prefix of its own. `embedded_nats` renders the table into the server
configuration, the operations guide shows it, and a test walks it against the real server.
"""

from dataclasses import dataclass

ROLES_WITH_INBOX = ("host", "gateway", "operator", "auth")


def inbox_prefix(user: str) -> str:
    """The inbox prefix that a client of this internal user must set."""
    return f"_INBOX_{user}"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects that one user may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    deny_publish: tuple[str, ...] = ()
    answers: str = ""
    """How many answers may go to the reply subject of a received request, and for how long; for users of low traffic,
    since the server remembers every request."""


_HOST = Permissions(
    publish=(
        "log.>",
        "timer.>",
        "due.>",
        "fan.>",
        "heads.>",
        "members.>",
        "actors.>",
        "wedding.*.feed.>",
        "wedding.*.outcome.*",
        "wedsync.dead.>",
        "$JS.API.>",
        "$JS.ACK.>",
        "$JS.FC.>",
        "$JS.SNAPSHOT.>",
        "$SRV.>",
        # Answers go to the inbox of whoever asked.
        "_INBOX_host.>",
        "_INBOX_gateway.>",
        "_INBOX_operator.>",
    ),
    subscribe=("_INBOX_host.>", "actors.>", "members.>", "heads.>", "$SRV.>", "$JS.EVENT.>"),
)

_GATEWAY = Permissions(
    publish=(
        "log.>",
        "presence.>",
        "revocations.>",
        "audits.>",
        "actors.>",
        "wedding.*.outcome.*",
        "wedsync.dead.>",
        "$SRV.>",
        "_INBOX_gateway.>",
        "_INBOX_operator.>",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        # INTAKE is theirs to drain, and nothing else of JetStream.
        "$JS.API.CONSUMER.CREATE.INTAKE.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.INTAKE.*",
        "$JS.API.CONSUMER.INFO.INTAKE.*",
        "$JS.API.CONSUMER.MSG.NEXT.INTAKE.*",
        "$JS.API.CONSUMER.UNPIN.INTAKE.*",
        "$JS.API.CONSUMER.RESET.INTAKE.*",
        "$JS.ACK.INTAKE.>",
    ),
    # Markers say how everybody's ops are decided; firings come from nats-server itself.
    deny_publish=("log.*.*.m.>", "log.*.*.*.*._timer"),
    subscribe=(
        "_INBOX_gateway.>",
        "fan.>",
        "heads.>",
        "presence.>",
        "revocations.>",
        "audits.>",
        "$SRV.>",
    ),
)

_OPERATOR = Permissions(
    publish=(
        "wedding.*.op.operator",
        "wedding.*.op.import",
        # Questions to the owners of weddings.
        "actors.>",
        "$SRV.>",
        "$SYS.REQ.USER.INFO",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.MSG.GET.*",
        "$JS.API.DIRECT.GET.>",
        "$JS.API.CONSUMER.INFO.>",
        "$JS.API.CONSUMER.LIST.*",
        "$JS.API.CONSUMER.NAMES.*",
        "$JS.API.CONSUMER.CREATE.>",
        "$JS.API.CONSUMER.MSG.NEXT.>",
        "$JS.FC.>",
    ),
    # A consumer on the work queue would take ops away from the gateways.
    deny_publish=("$JS.API.CONSUMER.CREATE.INTAKE.>", "$JS.API.CONSUMER.MSG.NEXT.INTAKE.>"),
    subscribe=("_INBOX_operator.>", "wedding.>", "wedsync.dead.>", "$JS.EVENT.>"),
)

_AUTH = Permissions(
    publish=("_INBOX_auth.>",),
    subscribe=("_INBOX_auth.>", "$SYS.REQ.USER.AUTH"),
    answers='{ max: 1, expires: "10s" }',
)

PERMISSIONS = {"host": _HOST, "gateway": _GATEWAY, "operator": _OPERATOR, "auth": _AUTH}
"""Every internal user but `sys`, which is alone in the system account and may do everything there."""


def render_permissions(permissions: Permissions) -> str:
    """The `permissions` member of a user in nats-server.conf."""
    answers = f", allow_responses: {permissions.answers}" if permissions.answers else ""
    deny = f", deny: {_subjects(permissions.deny_publish)}" if permissions.deny_publish else ""
    return (
        f", permissions: {{ publish: {{ allow: {_subjects(permissions.publish)}{deny} }}"
        f", subscribe: {{ allow: {_subjects(permissions.subscribe)} }}{answers} }}"
    )


def _subjects(subjects: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"
