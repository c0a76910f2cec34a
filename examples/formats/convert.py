"""Write the sample's events in other formats, without the counters, which other formats do not know.

Usage: python examples/formats/convert.py FOLDER
"""

import json
import sys
from pathlib import Path

import awkward as ak
import pyarrow.csv
import pyarrow.parquet
import uproot

SAMPLE = Path(__file__).resolve().parents[2] / "python" / "mlaas4hep" / "sample"
PROCESSES = ("ttH", "ttbar")


def read(path: Path) -> ak.Array:
    """Read a tree without its counters, as records."""
    with uproot.open({path: "events"}) as tree:
        counters = {branch.count_branch.name for branch in tree.branches if branch.count_branch is not None}
        return tree.arrays([name for name in tree.keys() if name not in counters])  # noqa: SIM118 (no mapping)


def write(events: ak.Array, folder: Path, process: str) -> None:
    """Write an RNTuple, a Parquet file, and a CSV of the flat branches."""
    columns = {name: events[name] for name in events.fields}
    with uproot.recreate(folder / f"{process}.ntuple.root") as file:
        file.mkrntuple("events", columns)
    table = ak.to_arrow_table(events, extensionarray=False)
    pyarrow.parquet.write_table(table, folder / f"{process}.parquet")
    flat = [name for name, column in columns.items() if column.ndim == 1]
    pyarrow.csv.write_csv(table.select(flat), folder / f"{process}.csv")


def params(events: ak.Array) -> dict[str, object]:
    """Return the parameters of the trainings; a text does not say which type its numbers have."""
    flat = {name: events[name].type.content for name in events.fields if events[name].ndim == 1}
    return {
        "identifier": ["runNo", "evtNo", "lumi"],
        "exclude_branches": ["genWeight"],
        "training": "standard",
        "epochs": 3,
        "reading": {"types": {name: str(type_) for name, type_ in flat.items()}},
    }


def main() -> None:
    """Convert both files, and write the parameters that fit them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for process in PROCESSES:
        events = read(SAMPLE / f"{process}.root")
        write(events, folder, process)
    (folder / "params.json").write_text(json.dumps(params(events), indent=2) + "\n")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    main()
