"""Make the sample data that travel with the package: the first events of two larger files.

Usage: python examples/make_sample.py FOLDER, where FOLDER holds ttH.root and ttbar.root.
"""

import sys
from pathlib import Path

import awkward as ak
import uproot

TREE = "events"
EVENTS = 4000
EVENTS_A_BASKET = 1000
SAMPLE = Path(__file__).resolve().parent.parent / "python" / "mlaas4hep" / "sample"


def read(path: Path) -> dict[str, ak.Array]:
    """Read the first events of a file, without the counters, which the writer makes anew."""
    with uproot.open(path) as file:
        tree = file[TREE]
        counters = {branch.count_branch.name for branch in tree.branches if branch.count_branch is not None}
        names = [name for name in tree.keys() if name not in counters]  # noqa: SIM118  (a TTree is no mapping)
        events = tree.arrays(names, entry_stop=EVENTS)
        return {name: events[name] for name in names}


def write(columns: dict[str, ak.Array], path: Path) -> None:
    """Write a tree in which every jagged branch has a counter of its own: ``njetPt`` for ``jetPt``."""
    types = {name: str(column.type.content) for name, column in columns.items()}
    with uproot.recreate(path, compression=uproot.ZLIB(9)) as file:
        tree = file.mktree(TREE, types)
        for start in range(0, EVENTS, EVENTS_A_BASKET):
            tree.extend({name: column[start : start + EVENTS_A_BASKET] for name, column in columns.items()})


def main() -> None:
    """Make both files."""
    folder = Path(sys.argv[1])
    for name in ("ttH.root", "ttbar.root"):
        write(read(folder / name), SAMPLE / name)
        print(f"{SAMPLE / name}: {EVENTS} events, {(SAMPLE / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
