"""The same bits: with any threads, with a cache, from another format, behind a restart, in a forked process."""

import hashlib
import json
import multiprocessing
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from mlaas4hep.dataset import Chunk, Dataset, Loader

from tests.dataset.files import columns
from tests.sources.files import write

SIZES = (300, 170)
KINDS = ("minmax", "standard", "robust", "none")
LAYOUTS: dict[str, dict[str, Any]] = {
    "matrix": {},
    "collections": {"layout": "collections", "collections": {"jet": ["jet*"]}},
}
FIELDS = ("data", "padding_mask", "labels", "weights", "targets", "file", "entry")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The same events as TTrees and as Parquet files, whose clusters are others."""
    folder = tmp_path_factory.mktemp("bits")
    found: dict[str, list[Path]] = {"root": [], "parquet": []}
    for number, size in enumerate(SIZES):
        random = np.random.default_rng(number)
        content = {**columns(size, number), "w": random.normal(1, 1, size), "y": random.normal(size=size)}
        found["root"].append(write(folder / f"{number}.root", {"events": content}))
        parquet = folder / f"{number}.parquet"
        ak.to_parquet(ak.Array(content), str(parquet), row_group_size=70, extensionarray=False)
        found["parquet"].append(parquet)
    return found


def made(paths: list[Path], normalize: str, layout: str, **more: Any) -> Dataset:
    return Dataset(
        paths,
        labels="count > 0",
        targets="log(abs(y))",
        weights={"by": "w", "negative": "keep", "flatten": {"by": {"x": [-9, 0, 9]}}, "balanced": True},
        preproc={
            "new_branch": {"ratio": {"def": "jetPt / (1 + abs(x))", "type": "jagged"}},
            "flat_cut": {"count": {"cut": "count > -800"}},
        },
        normalize=normalize,
        exclude=["run", "event"],
        **LAYOUTS[layout],
        **more,
    )


def bits(chunks: Iterable[Chunk]) -> list[str]:
    """A hash of each chunk."""
    found = []
    for chunk in chunks:
        digest = hashlib.sha256()
        arrays = [getattr(chunk, name) for name in FIELDS]
        tensors = [array for name in sorted(chunk.collections) for array in astuple(chunk.collections[name])]
        for array in [*arrays, *tensors]:
            digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
        found.append(digest.hexdigest())
    return found


def in_child(dataset: Dataset, results: Any) -> None:
    results.put(bits(dataset.chunks(60, "train")))


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("normalize", KINDS)
def test_everything_is_the_same(paths: dict[str, list[Path]], tmp_path: Path, normalize: str, layout: str) -> None:
    first = made(paths["root"], normalize, layout, threads=1)
    wanted, batches = bits(first.chunks(60, "train")), bits(Loader(first, 32, chunk_size=90))
    assert len(wanted) > 3
    for kind, threads, cache in [
        ("root", 2, None),
        ("root", 3, tmp_path / "root"),
        ("root", 4, tmp_path / "root"),
        ("parquet", 1, None),
        ("parquet", 4, tmp_path / "parquet"),
        ("parquet", 2, tmp_path / "parquet"),
    ]:
        dataset = made(paths[kind], normalize, layout, threads=threads, cache=cache)
        assert dataset.plan.hash == first.plan.hash
        assert bits(dataset.chunks(60, "train")) == wanted
        assert bits(dataset.chunks(60, "train", skip=2)) == wanted[2:]
        loader = Loader(dataset, 32, chunk_size=90)
        begun = bits(batch for _, batch in zip(range(3), loader, strict=False))
        state = json.loads(json.dumps(loader.state_dict()))
        again = Loader(dataset, 32, chunk_size=90)
        again.load_state_dict(state)
        assert [*begun, *bits(again)] == batches


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_a_forked_process_makes_the_same(paths: dict[str, list[Path]], tmp_path: Path) -> None:
    dataset = made(paths["root"], "standard", "collections", threads=2, cache=tmp_path / "cache")
    wanted = bits(dataset.chunks(60, "train"))
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=in_child, args=(dataset, results))
    process.start()
    found = results.get()
    process.join()
    assert (found, process.exitcode) == (wanted, 0)
