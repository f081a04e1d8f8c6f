"""What config/deploy ships: the configuration that `up` uses, accepted by nats-server, and an example that names every value."""

import re
import shlex
import subprocess

import pytest

from config.supervision.embedded_nats import nats_server_program
from tests.architecture.shipped_configuration import EXAMPLE, FILE, shipped_configuration


def example_environment() -> dict[str, str]:
    """The variables of nats-server.env as a shell would read them."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(word.split("=", maxsplit=1) for line in lines for word in shlex.split(line))


def test_the_shipped_configuration_is_the_one_that_up_uses() -> None:
    """config/deploy/nats-server.conf is what `make docs` writes."""
    assert FILE.read_text(encoding="utf-8") == shipped_configuration(), "run `make docs` and commit config/deploy"


def test_the_example_names_every_variable() -> None:
    """A machine that fills in the example has left nothing out."""
    assert set(re.findall(r"\$(WEDSYNC_\w+)", FILE.read_text())) == set(example_environment())


@pytest.mark.servers
def test_nats_server_accepts_what_is_shipped() -> None:
    """`nats-server -t` takes the shipped file with the example's environment, and refuses it when a value is missing."""
    command = [nats_server_program(), "-t", "--config", str(FILE)]
    environment = example_environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    del environment["WEDSYNC_JETSTREAM_KEY"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode != 0
