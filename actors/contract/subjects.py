"""NATS subjects, built and parsed in one place (docs/protocol.md). The table of subjects is this file."""

from typing import Final, NamedTuple

from actors.contract.ids import RULES_PRINCIPAL, partition_of

LOG_STREAM_PREFIX: Final = "LOG_"
INTAKE_STREAM: Final = "INTAKE"
TIMERS_STREAM: Final = "TIMERS"
DEAD_STREAM: Final = "DEAD"
INTAKE_FILTER: Final = "wedding.*.op.*"
DEAD_FILTER: Final = "wedsync.dead.>"
WEDDING: Final = "w"
VENDOR: Final = "v"
#: What stands in a partition for all of its actors (actors.contract.markers).
MARKER: Final = "m"


class LogAddress(NamedTuple):
    """What the subject of a log message says."""

    region: str
    partition: int
    kind: str
    id: str
    principal: str


def log_subject(region: str, kind: str, identifier: str, principal: str, partitions: int = 64) -> str:
    """`log.<region>.<p>.<kind>.<id>.<principal>`: one op."""
    return f"log.{region}.{partition_of(identifier, partitions)}.{kind}.{identifier}.{principal}"


def parse_log_subject(subject: str) -> LogAddress:
    """Take a log subject apart; raises ValueError when it is none."""
    word, region, partition, kind, identifier, principal = subject.split(".")
    if word != "log":
        raise ValueError(subject)
    return LogAddress(region, int(partition), kind, identifier, principal)


def log_filter(region: str, partition: int | None = None) -> str:
    """The subjects of one partition's ops, or of all."""
    return f"log.{region}.>" if partition is None else f"log.{region}.{partition}.>"


def marker_subject(region: str, partition: int | str, verb: str) -> str:
    """`log.<region>.<p>.m.<verb>._rules`: a marker of one partition; "*" for all."""
    return f"log.{region}.{partition}.{MARKER}.{verb}.{RULES_PRINCIPAL}"


def log_stream(index: int) -> str:
    """The name of a log stream; partition p lives in stream `p mod n`."""
    return f"{LOG_STREAM_PREFIX}{index}"


def timer_subject(region: str, partition: int, kind: str, identifier: str, timer: str) -> str:
    """`timer.<region>.<p>.<kind>.<id>.<timer>`: the schedule of one timer, whose id may have several tokens."""
    return f"timer.{region}.{partition}.{kind}.{identifier}.{timer}"


def due_subject(stream: int, region: str, partition: int | str, kind: str, identifier: str) -> str:
    """`due.<n>.<region>.<p>.<kind>.<id>`: firings on their way to the log stream n; "*" for all."""
    return f"due.{stream}.{region}.{partition}.{kind}.{identifier}"


def fan_subject(region: str, kind: str, identifier: str, partitions: int = 64) -> str:
    """`fan.<region>.<p>.<kind>.<id>`: envelopes, from host to gateways."""
    return f"fan.{region}.{partition_of(identifier, partitions)}.{kind}.{identifier}"


def heads_subject(region: str, partition: int | str) -> str:
    """`heads.<region>.<p>`: the heads beacon of a partition; "*" for all."""
    return f"heads.{region}.{partition}"


def presence_subject(region: str, wedding: str) -> str:
    """`presence.<region>.<W>`: gateways only."""
    return f"presence.{region}.{wedding}"


def presence_beat_subject(region: str) -> str:
    """`presence.<region>._gateways`: that a gateway lives; no wedding has an id of this form."""
    return f"presence.{region}._gateways"


def revocations_subject(region: str) -> str:
    """`revocations.<region>`: tokens that hold no longer, from gateway to gateway."""
    return f"revocations.{region}"


def audits_subject(region: str) -> str:
    """`audits.<region>`: what a gateway asks all others about one wedding (actors.contract.consistency)."""
    return f"audits.{region}"


def members_subject(region: str) -> str:
    """`members.<region>`: the heartbeats of hosts."""
    return f"members.{region}"


def call_subject(region: str, kind: str, identifier: str, call: str, partitions: int = 64) -> str:
    """`actors.<region>.<p>.<kind>.<id>.<call>`: a question to the owner."""
    return f"actors.{region}.{partition_of(identifier, partitions)}.{kind}.{identifier}.{call}"


def call_filter(region: str, partition: int) -> str:
    """What the owner of a partition listens to."""
    return f"actors.{region}.{partition}.>"


def feed_subject(wedding: str, principal: str, channel: str) -> str:
    """`wedding.<W>.feed.<principal>.<section>.<audience>`: events for an integrator."""
    return f"wedding.{wedding}.feed.{principal}.{channel}"


def outcome_subject(wedding: str, principal: str) -> str:
    """`wedding.<W>.outcome.<principal>`: refusals, and `applied` where no event is readable."""
    return f"wedding.{wedding}.outcome.{principal}"


def intake_subject(wedding: str, principal: str) -> str:
    """`wedding.<W>.op.<principal>`: an integrator's op."""
    return f"wedding.{wedding}.op.{principal}"


def dead_subject(reason: str) -> str:
    """`wedsync.dead.<reason>`: ops that could not be decoded or decided."""
    return f"wedsync.dead.{reason}"
