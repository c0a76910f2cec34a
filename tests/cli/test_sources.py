"""The same training from every kind of source: identical matrices, hence identical models."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlaas4hep
import pytest
from mlaas4hep.dataset import Dataset

from examples.formats import convert
from examples.higgs import make_sample
from tests.cli.invoke import Invoke
from tests.sources.conftest import make

pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).resolve().parents[2]
FORMATS = {"TTree": ".root", "RNTuple": ".ntuple.root", "Parquet": ".parquet", "CSV": ".csv"}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample in every format."""
    folder: Path = tmp_path_factory.mktemp("formats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["convert.py", str(folder)])
        convert.main()
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps(params | {"epochs": 1}))
    for process in convert.PROCESSES:
        (folder / f"{process}.root").write_bytes((convert.SAMPLE / f"{process}.root").read_bytes())
    return folder


def dataset(folder: str, form: str, **more: Any) -> Dataset:
    params = json.loads((Path(folder) / "params.json").read_text()) if "://" not in folder else {"reading": None}
    paths = [f"{folder}/{process}{FORMATS[form]}" for process in convert.PROCESSES]
    identifier = ["runNo", "evtNo", "lumi"]
    return Dataset(paths, [1, 0], exclude=["genWeight"], identifier=identifier, reading=params["reading"], **more)


def chunks(data: Dataset) -> list[tuple[bytes, ...]]:
    parts = [chunk for part in ("train", "validation", "test") for chunk in data.chunks(3000, part)]
    return [
        (part.data.tobytes(), part.padding_mask.tobytes(), part.labels.tobytes(), part.entry.tobytes())
        for part in parts
        if part.labels is not None
    ]


@pytest.mark.parametrize("form", ["RNTuple", "Parquet"])
def test_formats_give_the_same_chunks(form: str, converted: Path) -> None:
    assert chunks(dataset(str(converted), form)) == chunks(dataset(str(converted), "TTree"))


def test_a_text_gives_the_same_flat_branches(converted: Path) -> None:
    text = dataset(str(converted), "CSV")
    assert chunks(text) == chunks(dataset(str(converted), "TTree", select=text.branches))


@contextmanager
def serving(protocol: str, converted: Path) -> Iterator[str]:
    """The URL of a server of the sample."""
    with make(protocol) as running:
        for path in converted.glob("*.root"):
            (running.folder / path.name).write_bytes(path.read_bytes())
        yield running.url("").rstrip("/")


@pytest.mark.parametrize("protocol", ["root", "http"])
def test_servers_give_the_same_chunks(protocol: str, converted: Path) -> None:
    wanted = chunks(dataset(str(converted), "TTree"))
    with serving(protocol, converted) as url:
        assert chunks(dataset(url, "TTree")) == wanted
        assert chunks(dataset(url, "RNTuple")) == wanted


def train(invoke: Invoke, files: list[str], params: Path, out: Path) -> dict[str, Any]:
    model = ROOT / "examples" / "tth" / "model.py"
    with_model = ("--labels", "1,0", "--model", model, "--params", params, "--fout", out)
    answer = invoke("train", "--files", ",".join(files), *with_model)
    assert answer.status == 0, answer.err
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return {key: found[key] for key in ("columns", "parts", "history", "test")}


def test_trainings_end_the_same(invoke: Invoke, converted: Path, tmp_path: Path) -> None:
    """From TTrees here, and from an RNTuple behind a URL beside a Parquet file."""
    pytest.importorskip("keras")
    signal, background = convert.PROCESSES
    trees = [f"{converted}/{process}.root" for process in (signal, background)]
    wanted = train(invoke, trees, converted / "params.json", tmp_path / "trees")
    assert wanted["columns"] > 150
    with serving("http", converted) as url:
        mixed = [f"{url}/{signal}{FORMATS['RNTuple']}", f"{converted}/{background}{FORMATS['Parquet']}"]
        assert train(invoke, mixed, converted / "params.json", tmp_path / "mixed") == wanted


def test_the_higgs_challenge(invoke: Invoke, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    make_sample.write(tmp_path / "training.csv", 3000)
    folder = ROOT / "examples" / "higgs"
    params = json.loads((folder / "params.json").read_text()) | {"epochs": 3}
    (tmp_path / "params.json").write_text(json.dumps(params))
    given = ("--model", folder / "model.py", "--params", tmp_path / "params.json", "--fout", tmp_path / "result")
    answer = invoke("train", "--files", tmp_path / "training.csv", "--labels", "Label", *given)
    assert answer.status == 0, answer.err
    metrics = json.loads((tmp_path / "result" / "metrics.json").read_text())
    specs = mlaas4hep.Specs.from_json(tmp_path / "result" / "specs.json")
    assert sorted(specs.branches) == sorted(make_sample.FEATURES)
    assert all(bound is None or bound > -999 for bound in specs.minv.values())
    assert specs.counts["DER_mass_jet_jet"]["nulls"] > 500
    assert metrics["classes"] == ["b", "s"]
    assert metrics["test"]["auc"] > 0.7
