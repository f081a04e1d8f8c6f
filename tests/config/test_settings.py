"""Settings: defaults, the environment, rules between settings, and what is shown of secrets."""

from pathlib import Path

import pytest

from config.checks import RULES
from config.errors import SettingsInvalid
from config.limits import Limits
from config.settings import Settings, load_settings


def test_defaults_are_those_of_the_design() -> None:
    """Without an environment the figures that the design names hold."""
    settings = load_settings()

    assert (settings.region, settings.partitions, settings.log_streams) == ("r0", 64, 1)
    assert (settings.flush_interval_seconds, settings.flush_ops, settings.flush_buffer_bytes) == (0.250, 2_000, 64 * 1024 * 1024)
    assert (settings.hello_timeout_seconds, settings.http_answer_timeout_seconds, settings.member_timeout_seconds) == (5, 2, 1.5)
    assert (settings.log_trim_age_hours, settings.log_trim_from_fill) == (72, 0.60)
    assert (settings.limits.ops_per_second_per_connection, settings.limits.op_burst_per_connection) == (200, 1_000)


def test_the_environment_wins_over_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings, limits and the two addresses come from their variables."""
    monkeypatch.setenv("WEDSYNC_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WEDSYNC_LIMIT_BATCH_OPS", "7")
    monkeypatch.setenv("NATS_URL", "nats://elsewhere:4222")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/wedsync")

    settings = load_settings()

    assert settings.data_dir == tmp_path
    assert settings.limits.batch_ops == 7
    assert settings.nats_url.get_secret_value() == "nats://elsewhere:4222"
    assert settings.database_url.get_secret_value() == "postgresql://elsewhere/wedsync"


def test_overrides_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line names is not replaced by a variable."""
    monkeypatch.setenv("WEDSYNC_PORT", "9000")

    assert load_settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"WEDSYNC_PORT": "eighty"}, "WEDSYNC_PORT"),
        ({"WEDSYNC_REGION": "r.0"}, "WEDSYNC_REGION"),
        ({"WEDSYNC_LIMIT_FRAME_BYTES": "1"}, "WEDSYNC_LIMIT_FRAME_BYTES"),
        ({"WEDSYNC_MEMBER_TIMEOUT_SECONDS": "0.4"}, "at least twice WEDSYNC_HEARTBEAT_INTERVAL_SECONDS, here 0.5"),
        ({"WEDSYNC_READER_SILENCE_SECONDS": "1.5"}, "at least twice WEDSYNC_READER_HEARTBEAT_SECONDS, here 2"),
        ({"WEDSYNC_LOG_STREAMS": "4", "WEDSYNC_PARTITIONS": "2"}, "must not exceed WEDSYNC_PARTITIONS, here 2"),
        ({"WEDSYNC_HEADS_WINDOW_SECONDS": "1"}, "WEDSYNC_HEADS_WINDOW_SECONDS is 1"),
        ({"WEDSYNC_HEADS_SILENCE_SECONDS": "1"}, "WEDSYNC_HEADS_SILENCE_SECONDS is 1"),
        ({"WEDSYNC_JWT_SECRET": "short"}, "WEDSYNC_JWT_SECRET has 5 bytes"),
        ({"WEDSYNC_LIMIT_OP_BURST_PER_WEDDING": "10"}, "WEDSYNC_LIMIT_OP_BURST_PER_WEDDING is 10"),
        ({"WEDSYNC_LIMIT_FRAME_BYTES": "65536"}, "must exceed WEDSYNC_LIMIT_OP_BYTES"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    """Whoever sets a value that cannot work reads which variable to change, and to what."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid) as refused:
        load_settings()

    assert sentence in refused.value.message
    assert "\n" not in refused.value.message


def test_all_contradictions_are_named_at_once() -> None:
    """Two broken rules are two sentences, so that nobody starts twice to find them."""
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(member_timeout_seconds=0.1, heads_window_seconds=0.1)

    assert "WEDSYNC_MEMBER_TIMEOUT_SECONDS" in refused.value.message
    assert "WEDSYNC_HEADS_WINDOW_SECONDS" in refused.value.message


def test_every_rule_accepts_the_defaults() -> None:
    """The shipped settings break no rule of their own."""
    assert [rule(Settings()) for rule in RULES] == [None] * len(RULES)


def test_print_config_shows_every_setting_and_no_secret() -> None:
    """The dump names all settings, tells which secrets are set, and contains the value of none."""
    secret = "s" * 40
    settings = load_settings(jwt_secret=secret, nats_url="nats://user:hidden@elsewhere")

    shown = settings.masked()

    assert set(shown) == set(Settings.model_fields)
    assert shown["jwt_secret"] == shown["nats_url"] == "**********"
    assert shown["database_url"] == ""
    assert secret not in str(shown)
    assert "hidden" not in str(shown)


def test_the_wire_names_every_limit() -> None:
    """`welcome.limits` leaves no limit out and speaks camelCase."""
    wire = Limits().as_wire()

    assert wire["opBytes"] == 65_536
    assert wire["opsPerSecondPerConnection"] == 200
    assert len(wire) == len(Limits.model_fields)
