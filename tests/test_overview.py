"""Branches in groups, and what is known of them together."""

from pathlib import Path
from typing import Any

import pytest
from mlaas4hep import Specs
from mlaas4hep.cli.tables import specs_table
from mlaas4hep.dataset import Dataset
from mlaas4hep.inputs import Input
from mlaas4hep.overview import TreeView, look
from mlaas4hep.sources import Branch, Storage, TreeInfo


def branch(name: str, kind: str = "flat", why_not: str = "") -> Branch:
    """Return a branch."""
    return Branch(name, kind, "float32", "float", why_not == "counter", why_not)  # type: ignore[arg-type]


def view(*branches: Branch, storage: dict[str, Storage] | None = None) -> TreeView:
    """Return a tree of these branches."""
    return TreeView(TreeInfo("t", 10, branches, storage or {}), branches, {}, False)


def groups(*branches: Branch) -> list[tuple[str, str, int, str]]:
    """Return pattern, kind, number of branches and counter of every group."""
    found = view(*branches).groups()
    return [(group.pattern, group.kind, len(group.branches), group.counter) for group in found]


@pytest.mark.parametrize("mark", "_./")
def test_names_that_begin_alike_are_a_group(mark: str) -> None:
    found = groups(branch(f"Muon{mark}pt", "jagged"), branch("run"), branch(f"Muon{mark}eta", "jagged"))
    assert found == [(f"Muon{mark}*", "jagged", 2, ""), ("run", "flat", 1, "")]


def test_names_in_camel_case_are_a_group() -> None:
    assert groups(branch("jetPt"), branch("jetEta"), branch("jets")) == [
        ("jet[A-Z]*", "flat", 2, ""),
        ("jets", "flat", 1, ""),
    ]


def test_kinds_are_apart() -> None:
    found = groups(branch("A_x"), branch("A_y"), branch("A_z", "jagged"), branch("A_v", "jagged"))
    assert found == [("A_*", "jagged", 2, ""), ("A_*", "flat", 2, "")]


def test_a_counter_goes_with_its_collection() -> None:
    jagged = [branch(name, "jagged") for name in ("Muon_pt", "Muon_eta", "PSWeight")]
    counters = [branch(name, why_not="counter") for name in ("nMuon", "nPSWeight", "nOther", "nMore")]
    assert groups(*counters, *jagged) == [
        ("Muon_*", "jagged", 2, "nMuon"),
        ("n[A-Z]*", "flat", 2, ""),
        ("PSWeight", "jagged", 1, "nPSWeight"),
    ]


def test_every_branch_is_in_one_group() -> None:
    names = ["Muon_pt", "Muon_x", "nMuon", "_", "", "a.b.c", "a.b", "x", "nX", "jetPt", ".hidden"]
    branches = [branch(name, why_not="counter" if name[:1] == "n" else "") for name in names]
    found = [member.name for group in view(*branches).groups() for member in group.branches]
    assert sorted(found) == sorted(names)


def test_sizes_add_up_where_all_are_known() -> None:
    storage = {"x": Storage(10, 20, 1, "ZSTD"), "y": Storage(5, None, 2, "none")}
    tree = view(branch("x"), branch("y"), storage=storage)
    assert tree.storage(tree.branches) == Storage(15, None, 3, "ZSTD, none")
    assert tree.pieces == (1, 2)
    assert view(branch("x")).storage([branch("x")]) == Storage()
    assert view(branch("x")).pieces is None


def test_reasons_are_counted_but_for_groups_of_branches() -> None:
    left_out = [branch("s", "string", "strings"), branch("t", "string", "strings")]
    tree = view(
        branch("x"), *left_out, branch("n", why_not="counter"), branch("g", "other", "a group of other branches")
    )
    assert tree.why_not == {"strings": 2, "counter": 1}


def test_specs_of_many_branches_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What specs give by name is made anew each time, of all branches."""
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,3\n")
    specs = Dataset(path).specs()
    made: list[str] = []
    for name in ("counts", "jdim", "minv", "maxv", "types"):
        given = getattr(Specs, name).fget

        def counted(self: Specs, name: str = name, given: Any = given) -> Any:
            made.append(name)
            return given(self)

        monkeypatch.setattr(Specs, name, property(counted))
    look([Input(str(path), None, 0, 0)], specs=specs)
    assert max(map(made.count, made)) == 1
    made.clear()
    specs_table(specs)
    assert max(map(made.count, made)) == 1
