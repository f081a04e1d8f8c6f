"""The ops that bring a wedding to what its folder says, folded by the real rules."""

from pathlib import Path

from actors.contract.changes import ChannelItems
from actors.contract.ops import Op
from actors.domain import views
from config.cli.importer.plan import WeddingPlan, ops_toward, plan_of
from tests.importing.folders import SHIPPED, plan
from tests.support.folding import Fold


def present(fold: Fold) -> ChannelItems:
    """Items by collection, as a client shows them."""
    return {collection: {name: item.fields for name, item in items.items()} for collection, items in fold.state.items.items()}


def bring(fold: Fold, read: WeddingPlan) -> list[Op]:
    """Send what differs as `import`; everything is applied."""
    ops = list(ops_toward(read, present(fold)))
    for op in ops:
        decision = fold.act("import", op.target.collection, op.action, op.target.id, op.data)
        assert decision.refusal is None, decision
    return ops


def test_an_import_writes_every_item_once() -> None:
    """The shipped wedding arrives whole, its members with it, in the order of its files."""
    read, fold = plan_of(SHIPPED), Fold("vale-2027")
    assert {op.action for op in bring(fold, read)} == {"insert"}
    items = present(fold)
    assert items["wedding"]["vale-2027"] == read.fields
    for collection, wanted in read.items.items():
        got = {
            name: {field: value for field, value in fields.items() if field != "order"}
            for name, fields in items[collection].items()
        }
        assert got == wanted
        if collection != "people":
            assert sorted(items[collection], key=lambda name, of=items[collection]: of[name]["order"]) == list(wanted)  # type: ignore[misc]  # a default binds the loop's value
    members = views.members(fold.state)
    assert (members["ines"].role, members["petala"].role, len(members)) == ("couple", "vendor", 16)


def test_a_second_import_sends_nothing() -> None:
    """What is as the folder says is left alone."""
    read, fold = plan_of(SHIPPED), Fold("vale-2027")
    bring(fold, read)
    assert bring(fold, read) == []


def test_a_second_import_changes_only_what_differs(tmp_path: Path) -> None:
    """One cell is one field of one op; a new row is an insert; nothing is deleted."""
    fold = Fold("small")
    bring(fold, plan(tmp_path))
    tables = "id,name,capacity,near_exit,x,y\nt1,Aare,10,yes,0,-4\nt2,Rhone,8,no,1,1\n"
    ops = bring(fold, plan(tmp_path, tables=tables, guests="id,first_name\ng1,Awa\n"))
    assert [(op.action, op.target.id, op.data) for op in ops] == [
        ("update", "t1", {"capacity": 10}),
        ("insert", "t2", {"name": "Rhone", "capacity": 8, "nearExit": False, "x": 1, "y": 1}),
    ]
    assert "g2" in present(fold)["guests"]


def test_a_second_import_clears_only_emptied_cells(tmp_path: Path) -> None:
    """An empty cell clears what an earlier import wrote; a column that the folder does not have, or an order, stays as it is."""
    fold = Fold("small")
    bring(fold, plan(tmp_path))
    fold.act("import", "tables", "update", "t1", {"shape": "round"})
    ops = bring(fold, plan(tmp_path, tables="id,name,capacity\nt1,Aare,\n"))
    assert [(op.action, op.target.id, op.data) for op in ops] == [("update", "t1", {"capacity": None})]
    assert present(fold)["tables"]["t1"] == {"name": "Aare", "nearExit": True, "x": 0, "y": -4, "shape": "round", "order": "a0"}
