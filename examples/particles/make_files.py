"""Make the three files of the example: ttH, and ttbar in two halves, of which the second is a Parquet file.

Usage: python -m examples.particles.make_files FOLDER
"""

import shutil
import sys
from pathlib import Path

import awkward as ak
import pyarrow.parquet
import uproot

SAMPLE = Path(__file__).resolve().parents[2] / "python" / "mlaas4hep" / "sample"


def read(path: Path) -> dict[str, ak.Array]:
    """Read a tree without its counters."""
    with uproot.open({path: "events"}) as tree:
        counters = {branch.count_branch.name for branch in tree.branches if branch.count_branch is not None}
        names = [name for name in tree.keys() if name not in counters]  # noqa: SIM118 (no mapping)
        events = tree.arrays(names)
        return {name: events[name] for name in names}


def main() -> None:
    """Write the files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLE / "ttH.root", folder / "ttH.root")
    events = read(SAMPLE / "ttbar.root")
    half = len(events["met"]) // 2
    with uproot.recreate(folder / "ttbar-1.root") as file:
        tree = file.mktree("events", {name: str(column.type.content) for name, column in events.items()})
        tree.extend({name: column[:half] for name, column in events.items()})
    columns = {name: ak.to_arrow(column[half:], extensionarray=False) for name, column in events.items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "ttbar-2.parquet")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    main()
