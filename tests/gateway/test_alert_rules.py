"""The alert rules that we ship: Prometheus takes them, they fire when they should, and a gateway shows every series they name."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.gateways import RunningGateway
from tests.support.http_api import HttpApi
from tests.support.requirements import ROOT, require_program

RULES = ROOT / "config" / "deploy" / "alerts.yml"
REMEDY = "install Debian's package prometheus, or put promtool on PATH"


def test_d12_alert_rules_fire_when_an_operator_must_act(tmp_path: Path) -> None:
    """Prometheus's own checker takes the rules, and made-up series raise each alert when they should and not before."""
    promtool = require_program("promtool", REMEDY)
    told = (ROOT / "tests" / "support" / "alerts_test.yml").read_text(encoding="utf-8").replace("RULES", str(RULES))
    (tmp_path / "alerts_test.yml").write_text(told, encoding="utf-8")
    for arguments in (("check", "rules", str(RULES)), ("test", "rules", str(tmp_path / "alerts_test.yml"))):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
async def test_d12_alert_rules_name_series_that_gateways_show(stack: RunningGateway) -> None:
    """A rule about a series that nobody exposes would never fire."""
    shown = (await HttpApi(stack, "w1", "ana", token="").call("GET", "/metrics")).text
    named = set(re.findall(r"wedsync_\w+", RULES.read_text(encoding="utf-8")))
    assert named
    assert {name for name in named if not re.search(rf"^{name}(\{{| )", shown, re.MULTILINE)} == set()
