"""The ports that a data folder remembers: each name has one of its own."""

from pathlib import Path

import pytest

from config.supervision import ports
from config.supervision.data_folder import DataFolder


def test_each_name_has_a_port_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers of one folder never draw the same port, however few there are to draw from."""
    first = ports.free_port()
    monkeypatch.setattr(ports, "_FIRST_PORT", first)
    monkeypatch.setattr(ports, "_LAST_PORT", first + 8)
    folder = DataFolder(tmp_path)
    folder.create()
    drawn = folder.reserve_ports("nats", "nats_monitor", "postgres", "gateway")
    assert len(set(drawn.values())) == len(drawn)
    assert folder.reserve_ports(*drawn) == drawn
