"""Opening a file of 1,479 branches: what uproot alone takes to name them with their types, and what we add."""

from pathlib import Path

import uproot
from mlaas4hep.sources import list_trees, open_source
from mlaas4hep.sources.root import known
from pytest_benchmark.fixture import BenchmarkFixture

from benches.files import nano_file
from benches.race import Contestant, race


def test_opening(folder: Path, benchmark: BenchmarkFixture) -> None:
    path = str(nano_file(folder))

    def by_uproot() -> dict[str, str]:
        with uproot.open({path: None}, object_cache=None, array_cache=None) as file:
            tree = file["Events"]
            assert len(tree.keys()) == 1479
            found: dict[str, str] = tree.typenames()
            return found

    def opened() -> dict[str, str]:
        known._MEMORY.clear()
        source = open_source(path)
        found = {name: branch.typename for name, branch in source.schema().items()}
        source.close()
        return found

    def listed() -> dict[str, str]:
        known._MEMORY.clear()
        (tree,) = [tree for tree in list_trees(path) if tree.name == "Events"]
        return {branch.name: branch.typename for branch in tree.branches}

    assert opened() == by_uproot() == listed()
    contestants = [
        Contestant("mlaas4hep, open a source", opened, 1479),
        Contestant("mlaas4hep, list the trees", listed, 1479),
        Contestant("uproot, open, keys and typenames", by_uproot, 1479),
    ]
    race("open a file of 1,479 branches, branches instead of events", contestants, benchmark)
