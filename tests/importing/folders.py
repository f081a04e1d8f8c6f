"""Wedding folders for tests: one small good wedding, of which each test changes what it is about."""

import json
from pathlib import Path
from typing import Any

from config.cli.importer.plan import WeddingPlan, plan_of
from tests.support.requirements import ROOT

SHIPPED = ROOT / "config" / "demo" / "wedding"

WEDDING: dict[str, Any] = {
    "id": "small",
    "title": "Small",
    "date": "2027-06-19",
    "timeZone": "Europe/Zurich",
    "homeCurrency": "CHF",
    "people": [{"id": "amara", "name": "Amara", "role": "couple"}, {"id": "fatou", "name": "Fatou", "role": "family"}],
}
TABLES = {
    "vendors.csv": "id,name,contract_start,contract_end,overtime_per_hour,currency\n"
    "bloom,Bloom,2027-06-19T08:00,2027-06-19T16:00,95.00,CHF\n"
    "lux,Lux,,,,\n",
    "timeline.csv": "id,title,start,duration_min,depends_on,vendors,resource,visibility,anchored\n"
    "arch,Arch,2027-06-19T09:00,60,,bloom,lawn,team,no\n"
    "ceremony,Ceremony,2027-06-19T14:30,45,arch,lux|bloom,lawn,everyone,yes\n",
    "guests.csv": "id,first_name,child,rsvp,needs,sit_with,keep_apart\n"
    "g1,Awa,no,yes,wheelchair|near exit,g2,\n"
    "g2,Nora,yes,pending,,,g1\n",
    "tables.csv": "id,name,capacity,near_exit,x,y\nt1,Aare,8,yes,0,-4\n",
    "budget.csv": "id,item,vendor,estimate,currency,payer\nb1,Arch,bloom,1450.00,CHF,fatou\nb2,Hall,,9800,,couple\n",
}


def write_folder(path: Path, wedding: dict[str, Any] | str | None = None, **tables: Any) -> Path:
    """Write the small wedding; `wedding` changes wedding.json, `vendors`, `timeline`... replace a file (None: leave out)."""
    text = wedding if isinstance(wedding, str) else json.dumps(WEDDING | (wedding or {}))
    (path / "wedding.json").write_text(text, encoding="utf-8")
    for name, content in TABLES.items():
        replaced = tables.get(name.removesuffix(".csv"), content)
        if replaced is not None:
            (path / name).write_bytes(replaced if isinstance(replaced, bytes) else replaced.encode())
    return path


def plan(path: Path, wedding: dict[str, Any] | None = None, **tables: Any) -> WeddingPlan:
    """Write the small wedding with these changes and read it."""
    return plan_of(write_folder(path, wedding, **tables))


def found(read: WeddingPlan) -> list[tuple[str, str, str]]:
    """The problems without their sentences."""
    return [problem[:3] for problem in read.problems]
