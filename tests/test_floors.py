"""The floors of the package: imports go down only, and importing it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import mlaas4hep
import pytest

PACKAGE = Path(mlaas4hep.__file__).parent

# From the lowest floor to the highest. A module may import modules of its own floor and of those below.
FLOORS = [
    {"errors"},
    {
        "_rust",
        "_reference",
        "bytesize",
        "columns",
        "config",
        "grouping",
        "inputs",
        "jsonfile",
        "lock",
        "normalize",
        "output",
        "planoptions",
        "preproc",
        "reading",
        "sentinels",
        "splits",
        "tensors",
        "threads",
        "weights",
        "widths",
    },
    {"formulas", "sources", "specs", "plan", "treatment"},
    {"dataset", "export", "overview", "read"},
    {"evaluation", "frameworks", "train"},
    {"cli"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# Packages that only some modules may import: a framework or a reader is one module's business.
RESTRICTED = {
    "XRootD": {"sources"},
    "aiohttp": {"sources"},
    "awkward": {"columns", "formulas", "sources"},
    "boost_histogram": {"evaluation"},
    "click": {"cli"},
    "fastavro": {"sources"},
    "fsspec": {"sources"},
    "h5py": {"export", "sources"},
    "hist": {"evaluation"},
    "keras": {"frameworks", "sample"},
    "matplotlib": {"evaluation"},
    "mplhep": {"evaluation"},
    "pyarrow": {"columns", "dataset", "export", "formulas", "frameworks", "sources"},
    "rich": {"cli"},
    "sklearn": {"evaluation"},
    "tensorflow": {"frameworks"},
    "torch": {"frameworks"},
    "uproot": {"sources"},
    "xgboost": {"frameworks"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> tuple[str, ...]:
    """Return the parts of a module's name below the package: ``("sources", "ttree")``."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def imported(path: Path) -> set[str]:
    """Return the full names of what a module imports, at its top or in its functions."""
    package = ("mlaas4hep", *name_of(path)[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            found |= {origin} if origin != "mlaas4hep" else {f"{origin}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: "/".join(name_of(path)))
def test_imports_go_down_only(path: Path) -> None:
    top = name_of(path)[0]
    if top in ("__init__", "__main__", "sample"):
        return
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("mlaas4hep.")}
    above = {name for name in ours if name in FLOOR and FLOOR[name] > FLOOR[top]}
    assert not above, f"{top} imports {above} from a floor above its own"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: "/".join(name_of(path)))
def test_a_package_is_imported_only_where_it_belongs(path: Path) -> None:
    top = name_of(path)[0]
    packages = {name.split(".")[0] for name in imported(path)}
    astray = {name for name in packages if name in RESTRICTED and top not in RESTRICTED[name]}
    assert not astray, f"{top} imports {astray}"


def test_every_module_has_a_floor() -> None:
    tops = {name_of(path)[0] for path in MODULES} - {"__init__", "__main__", "sample"}
    assert tops <= set(FLOOR)


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages outside the standard library that a statement loads in a new process."""
    before = "import sys; before = set(sys.modules)"
    after = "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    command = [sys.executable, "-I", "-c", f"{before}\n{statement}\n{after}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(answer.stdout.split()) - sys.stdlib_module_names


def test_importing_the_package_loads_numpy_only() -> None:
    assert loaded_by("import mlaas4hep") == {"mlaas4hep", "numpy"}


def test_flattening_a_dict_loads_numpy_only() -> None:
    work = "import mlaas4hep, numpy; mlaas4hep.flatten({'x': numpy.arange(3.0)})"
    assert loaded_by(work) == {"mlaas4hep", "numpy"}


def test_public_names() -> None:
    assert mlaas4hep.__all__ == [
        "Chunk",
        "Dataset",
        "Flat",
        "Loader",
        "Plan",
        "Preprocessing",
        "Reading",
        "Specs",
        "Weights",
        "errors",
        "evaluate",
        "flatten",
        "read",
        "scan",
        "select",
    ]
    assert dir(mlaas4hep) == sorted([*mlaas4hep.__all__, "__version__"])
    assert all(hasattr(mlaas4hep, name) for name in mlaas4hep.__all__)
