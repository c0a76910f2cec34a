"""Batches for Keras, TensorFlow, XGBoost and Arrow."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlaas4hep import Dataset, Loader
from mlaas4hep.errors import ModelError, ParamsError
from mlaas4hep.frameworks import to_arrow, to_keras, to_tensorflow, to_torch, to_xgboost
from mlaas4hep.frameworks.fields import arrays_of

from tests.dataset.files import make
from tests.frameworks.batches import dataset_of, plain


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_of(tmp_path_factory.mktemp("feed"))


def test_keras_gets_every_batch_of_an_epoch_in_its_order(dataset: Dataset) -> None:
    pytest.importorskip("keras", reason="needs the extra [keras]")
    loader = Loader(dataset, 32)
    batches = to_keras(loader)
    assert len(batches) == len(loader)
    assert [len(batches[number][1]) for number in (0, 1)] == [32, 32]  # Keras looks at some before it begins
    for _ in range(2):
        wanted = plain(loader)
        batches.on_epoch_begin()
        for number, found in zip((3, 1, 0, 2), wanted, strict=True):
            data, labels = batches[number]
            assert np.array_equal(data, found["data"])
            assert np.array_equal(labels, found["labels"])
        with pytest.raises(IndexError, match="batch 7: the epoch has 4 batches, and all were handed out"):
            batches[7]
        batches.on_epoch_end()


def test_keras_trains_on_several_inputs(dataset: Dataset) -> None:
    keras = pytest.importorskip("keras", reason="needs the extra [keras]")
    width = len(dataset.names)
    data, mask = keras.Input((width,), name="data"), keras.Input((width,), name="padding_mask", dtype="bool")
    joined = keras.layers.Concatenate()([data, keras.ops.cast(mask, "float32")])
    model = keras.Model({"data": data, "padding_mask": mask}, keras.layers.Dense(2, "softmax")(joined))
    model.compile("sgd", "sparse_categorical_crossentropy")
    inputs = ["data", "padding_mask"]
    validation = to_keras(Loader(dataset, 32, "validation", shuffle=False), inputs)
    history = model.fit(to_keras(Loader(dataset, 32), inputs), validation_data=validation, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert len(history["val_loss"]) == 2
    assert model.predict(validation, verbose=0).shape == (dataset.count("validation"), 2)


def test_tensorflow_gets_an_epoch_in_each_pass(dataset: Dataset) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra [keras]")
    loader = Loader(dataset, 32)
    batches = to_tensorflow(Loader(dataset, 32), ["data", "padding_mask"])
    assert batches.element_spec[0]["data"].shape.as_list() == [None, len(dataset.names)]
    for _ in range(2):
        for (inputs, labels), wanted in zip(batches, plain(loader), strict=True):
            assert np.array_equal(inputs["data"].numpy(), wanted["data"])
            assert np.array_equal(inputs["padding_mask"].numpy(), wanted["padding_mask"])
            assert np.array_equal(labels.numpy(), wanted["labels"])


def test_xgboost_gets_nan_where_nothing_is(dataset: Dataset) -> None:
    xgboost = pytest.importorskip("xgboost", reason="needs the extra [xgboost]")
    loader = Loader(dataset, 40, shuffle=False)
    matrix = xgboost.QuantileDMatrix(to_xgboost(loader))
    assert matrix.num_row() == dataset.count("train")
    assert matrix.feature_names == dataset.names
    wanted = np.concatenate([batch["labels"] for batch in plain(loader)])
    assert np.array_equal(matrix.get_label(), wanted)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2}, matrix, 2)
    assert booster.predict(matrix).shape == wanted.shape
    batches = to_xgboost(loader)
    given_: list[Any] = []
    batches.reset()
    assert batches.next(lambda **arrays: given_.append(arrays))
    first = plain(Loader(dataset, 40, shuffle=False))[0]
    assert np.array_equal(np.isnan(given_[0]["data"]), first["padding_mask"])


def test_arrow_gets_a_table(dataset: Dataset) -> None:
    reader = to_arrow(Loader(dataset, 32))
    assert isinstance(reader, pa.RecordBatchReader)
    loader = Loader(dataset, 32)
    for batch, wanted in zip(reader, loader, strict=True):
        assert batch.schema.names == [*dataset.names, "label", "file", "entry"]
        for number, name in enumerate(dataset.names):
            column = batch.column(name)
            assert np.array_equal(column.is_null().to_numpy(False), wanted.padding_mask[:, number])
            there = ~wanted.padding_mask[:, number]
            assert np.array_equal(column.drop_null().to_numpy(), wanted.data[there, number])
        assert wanted.labels is not None
        assert np.array_equal(batch.column("label"), wanted.labels)


@pytest.mark.parametrize("name", ["entry", "label", "weight"])
def test_arrow_refuses_a_column_that_is_there_twice(tmp_path: Path, name: str) -> None:
    more: dict[str, Any] = {name: np.arange(20.0)}
    path = make(tmp_path / "a.root", 20, **more)
    dataset = Dataset(path, select=["x", name])
    if name == "weight":  # which batches have only where the dataset has weights
        assert to_arrow(Loader(dataset)).schema.names == ["weight", "x", "file", "entry"]
        return
    with pytest.raises(
        ParamsError, match=rf"^branch '{name}' has the name of a column that chunks get as well; exclude"
    ):
        to_arrow(Loader(dataset))


def test_arrow_has_the_columns_that_files_have(tmp_path: Path) -> None:
    dataset = Dataset(make(tmp_path / "a.root", 20), select=["count"], weights=[2.0], targets=["event", "2 * count"])
    table = to_arrow(Loader(dataset, 8, shuffle=False)).read_all()
    assert table.schema.names == ["count", "weight", "target_0", "target_1", "file", "entry"]
    chunk = next(dataset.chunks(-1, "train", shuffle=False))
    assert chunk.targets is not None
    assert np.array_equal(table["target_1"], chunk.targets[:, 1])


def test_arrow_refuses_a_collection_with_the_name_of_a_column(dataset: Dataset) -> None:
    named = {"layout": "collections", "collections": {"entry": ["jetPt"]}}
    path = str(dataset.inputs[0])
    with pytest.raises(ParamsError, match=r"^collection 'entry': batches have a column of this name already; give"):
        to_arrow(Loader(Dataset(path, **named)))  # type: ignore[arg-type]


def test_weights_and_targets_are_fields(dataset: Dataset) -> None:
    events = dataset.arrays("test")
    rows = len(events.data)
    weights = np.arange(rows, dtype=np.float32)
    more = type(events)(events.data, events.padding_mask, events.file, events.entry, None, weights, events.data[:, :2])
    found = arrays_of(more, np.zeros(0, np.int64))
    assert [name for name in found if name not in ("data", "padding_mask")] == ["file", "entry", "weights", "targets"]


@pytest.mark.parametrize("adapter", [to_keras, to_tensorflow])
def test_an_input_that_is_none(dataset: Dataset, adapter: Any) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra [keras]")
    with pytest.raises(
        ParamsError, match=r"^inputs: batches have no field 'dat' \(did you mean 'data'\?\); they have dat"
    ):
        adapter(Loader(dataset), "dat")


@pytest.mark.parametrize("adapter", [to_arrow, to_keras, to_tensorflow, to_torch, to_xgboost])
def test_what_is_no_loader(dataset: Dataset, adapter: Any) -> None:
    for package in ("torch", "tensorflow", "xgboost"):
        pytest.importorskip(package, reason="needs the extras")
    with pytest.raises(ParamsError, match=r"^adapters take a Loader, not an object of type Dataset; give Loader\("):
        adapter(dataset)


def test_xgboost_takes_no_collections(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("xgboost", reason="needs the extra [xgboost]")
    other = dataset_of(tmp_path, layout="collections")
    with pytest.raises(ParamsError, match=r"^XGBoost takes the matrix only, .*: the dataset has layout='collections'"):
        to_xgboost(Loader(other))


@pytest.mark.parametrize(
    ("adapter", "package", "said"),
    [(to_torch, "torch", "PyTorch"), (to_xgboost, "xgboost", "XGBoost"), (to_keras, "keras", "Keras")],
)
def test_a_framework_that_is_not_there(
    dataset: Dataset, adapter: Any, package: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith("mlaas4hep.frameworks.") and not name.endswith((".feed", ".fields", ".arrow")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ModelError, match=rf"^batches for {said} need the package '{package}.*', which is not installed: "
    ):
        adapter(Loader(dataset))
