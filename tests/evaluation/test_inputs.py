"""Histograms of inputs count every value once, and are drawn without global state."""

import importlib.util
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

for package in ("hist", "matplotlib", "mplhep"):
    pytest.importorskip(package, reason="histograms need the extra [hist]")

import matplotlib as mpl  # noqa: E402 (where it is installed)
from matplotlib._pylab_helpers import Gcf  # noqa: E402
from mlaas4hep import Dataset, Specs, scan  # noqa: E402
from mlaas4hep.dataset import dataset as dataset_module  # noqa: E402
from mlaas4hep.errors import OutputError, ParamsError  # noqa: E402
from mlaas4hep.evaluation import inputs, panels  # noqa: E402
from mlaas4hep.evaluation.inputs import Counts, Sample, draw_inputs  # noqa: E402

from tests.sources.files import spoil, write  # noqa: E402

EVENTS = 400


def columns(seed: int, events: int = EVENTS) -> dict[str, Any]:
    """Branches of every kind, with missing values."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, events)
    met = random.exponential(50, events).astype(np.float32)
    met[:7] = np.nan
    pt = random.exponential(30, counts.sum()).astype(np.float32)
    pt[:3] = np.inf
    return {
        "met": met,
        "n": random.integers(-2, 6, events).astype(np.int16),
        "flag": random.random(events) < 0.3,
        "pt": ak.unflatten(pt, counts),
        "none": np.full(events, np.nan),
        "type": np.full(events, seed, np.int32),
    }


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Return two files."""
    return [str(write(tmp_path / f"{seed}.root", {"t": columns(seed)})) for seed in (0, 1)]


def filled(dataset: Dataset, part: str | None = None, most: int = 10**6) -> dict[str, Counts]:
    """Return the histograms of a dataset by branch."""
    found = inputs._fill(dataset, part, min(most, dataset.count(part)), None)
    return {counts.binning.name: counts for counts in found.counts()}


OPTIONS: list[dict[str, Any]] = [
    {},
    {"normalize": "standard"},
    {"normalize": {"met": "robust", "pt": {"kind": "standard", "clip": [-1, 2]}, "n": "none"}},
    {"layout": "collections", "widths": {"pt": 2}, "normalize": "none", "padding": "wrap"},
    {"fill": -7.0, "truncate": {"pt": "pt"}, "widths": {"pt": 1}},
]


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
@pytest.mark.parametrize("options", OPTIONS)
def test_what_the_model_gets_is_drawn_for_every_normalisation(options: dict[str, Any], paths: list[str]) -> None:
    kept = {name: option for name, option in options.items() if name != "layout"}
    normalised, original = (
        next(Dataset(paths, exclude="type", **some).chunks(-1, shuffle=False))
        for some in (kept, {**kept, "normalize": "none"})
    )
    names = Dataset(paths, exclude="type", **kept).names
    for name, counts in filled(Dataset(paths, exclude="type", **options).as_matrix()).items():
        columns = [at for at, column in enumerate(names) if column.split("_")[0] == name]
        there = ~normalised.padding_mask[:, columns]
        for chunk, axis, found in (
            (normalised, counts.binning.normalised, counts.normalised),
            (original, counts.binning.original, counts.original),
        ):
            values = chunk.data[:, columns][there]
            if counts.binning.empty:
                assert not len(values)
                continue
            assert (found[0].sum(), found[0][[0, -1]].tolist()) == (len(values), [0, 0])
            np.testing.assert_allclose(found[0][1:-1], np.histogram(values, axis.edges)[0], atol=1)


def finite(values: Any) -> Any:
    """Return the finite values of a branch."""
    flat = np.asarray(ak.flatten(values, axis=None), np.float64)
    return flat[np.isfinite(flat)]


def test_every_value_is_counted_once(paths: list[str]) -> None:
    found = filled(Dataset(paths, ["signal", "background"], exclude="type"))
    assert list(found) == ["flag", "met", "n", "none", "pt"]
    for seed, position in ((0, 1), (1, 0)):  # the classes are sorted
        wanted = columns(seed)
        for name, counts in found.items():
            values = finite(wanted[name])
            assert counts.original[position].sum() == counts.normalised[position].sum() == len(values)
            if counts.binning.empty:
                continue
            edges = counts.binning.original.edges
            np.testing.assert_allclose(counts.original[position][1:-1], np.histogram(values, edges)[0], atol=1)
            scaled = (values - counts.binning.low) / (counts.binning.high - counts.binning.low)
            edges = counts.binning.normalised.edges
            np.testing.assert_allclose(counts.normalised[position][1:-1], np.histogram(scaled, edges)[0], atol=1)


def test_whole_numbers_are_counted_exactly(paths: list[str]) -> None:
    counts = filled(Dataset(paths, [0, 1], select="n,flag"))
    for seed in (0, 1):
        wanted = np.bincount(columns(seed)["n"] + 2).tolist()
        assert counts["n"].original[seed][1:-1].tolist() == wanted
        assert counts["n"].normalised[seed][1:-1].tolist() == wanted
        assert counts["flag"].original[seed].tolist() == [0, *np.bincount(columns(seed)["flag"]).tolist(), 0]


def test_missing_values_are_counted(paths: list[str]) -> None:
    found = filled(Dataset(paths, [0, 1], exclude="type"))
    assert found["met"].missing == [7, 7]
    assert found["none"].missing == [EVENTS, EVENTS]
    assert (found["n"].missing, found["n"].missing_share) == ([0, 0], None)
    values = sum(len(finite(columns(seed)["pt"])) for seed in (0, 1))
    assert found["pt"].missing_share == pytest.approx(6 / (values + 6))


def test_the_classes_may_be_a_branch(paths: list[str]) -> None:
    found = inputs._fill(Dataset(paths, "type", select="met"), None, 2 * EVENTS, None)
    assert found.events == [EVENTS, EVENTS]
    found = inputs._fill(Dataset(paths, select="met"), None, 2 * EVENTS, None)
    assert found.events == [2 * EVENTS]


def test_one_part_alone(paths: list[str]) -> None:
    dataset = Dataset(paths, [0, 1], select="met,n")
    found = inputs._fill(dataset, "train", dataset.count("train"), None)
    assert sum(found.events) == dataset.count("train") < len(dataset)


@pytest.mark.parametrize("most", [1, 250, 799, 800])
def test_the_first_events_of_many(most: int, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 1)
    dataset = Dataset(paths, [0, 1], exclude="type")
    found = inputs._fill(dataset, None, most, None)
    assert sum(found.events) == most
    assert abs(found.events[0] - found.events[1]) <= 1
    (pt,) = [counts for counts in found.counts() if counts.binning.name == "pt"]
    specs = dataset.specs().counts["pt"]
    assert pt.missing_share == pytest.approx(6 / specs["values"])


def test_chunks_are_added_up(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset(paths * 3, [0, 1] * 3, exclude="type")
    whole = filled(dataset)
    monkeypatch.setattr(inputs, "BLOCK", 1)
    for name, counts in filled(dataset).items():
        assert [one.sum() for one in counts.original] == [one.sum() for one in whole[name].original]
        assert [one.tolist() for one in counts.normalised] == [one.tolist() for one in whole[name].normalised]


def test_values_far_from_the_minimum_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(size=2000)
    x[5:9] = -1e12
    path = write(tmp_path / "a.root", {"t": {"x": x, "y": np.arange(2000.0)}})
    passes = []
    chunks = dataset_module.Dataset.chunks

    def counted(self: Dataset, *arguments: Any, **options: Any) -> Any:
        passes.append(self.plan.to_text())
        return chunks(self, *arguments, **options)

    monkeypatch.setattr(dataset_module.Dataset, "chunks", counted)
    dataset = Dataset([str(path)])
    found = filled(dataset)["x"]
    edges = found.binning.original.edges
    np.testing.assert_allclose(found.original[0][1:-1], np.histogram(x, edges)[0], atol=1)
    assert (found.original[0][0], found.normalised[0][1], found.normalised[0][60]) == (4, 4, 1996)
    assert len(passes) == 2
    assert dataset.plan.to_text() == passes[0] != passes[1]
    filled(Dataset([str(path)], select="y"))
    assert len(passes) == 3


def test_values_outside_the_specs_are_under_and_overflow(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", {"t": {"x": np.array([-5.0, 0.1, 0.2, 7.0, 8.0, 0.9])}})
    specs = _specs(scan({"x": np.array([0.0, 1.0])}), tmp_path)
    found = filled(Dataset([str(path)], specs=specs))["x"]
    for counts in (found.original, found.normalised):
        assert (counts[0][0], counts[0][1:-1].sum(), counts[0][-1]) == (1, 3, 2)


def _specs(specs: Specs, folder: Path) -> str:
    specs.to_json(folder / "specs.json")
    text = (folder / "specs.json").read_text().replace('"total": 2', '"total": 6')
    (folder / "specs.json").write_text(text)
    return str(folder / "specs.json")


def test_cuts_and_new_branches(paths: list[str]) -> None:
    preproc = {"new_branch": {"double": {"def": "n * 2", "type": "flat", "cut": "double > 0"}}}
    found = filled(Dataset(paths, [0, 1], select="n", preproc=preproc))
    for seed in (0, 1):
        n = columns(seed)["n"]
        assert found["double"].original[seed].sum() == np.count_nonzero(n > 0)
        assert found["n"].original[seed][1:-1].tolist() == np.bincount(n[n > 0] - 1).tolist()


# Pictures


def test_everything_is_drawn(paths: list[str], tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    told: list[Any] = []

    class Told:
        def start(self, stage: str, total: int) -> None:
            told.append((stage, total))

        def advance(self, events: int) -> None:
            told.append(events)

        def finish(self) -> None:
            told.append("end")

    drawn = draw_inputs(Dataset(paths, [0, 1], exclude="type,none"), tmp_path / "plots", progress=Told())
    assert told == [("histograms", 800), 800, "end", ("drawing", 4), 1, 1, 1, 1, "end"]
    assert (drawn.events, drawn.of) == (800, 800)
    names = {"flag": "flag.png", "met": "met.png", "n": "n.png", "pt": "pt.png"}
    assert (drawn.folder, drawn.pictures) == (str(tmp_path / "plots"), names)
    files = {path.name for path in (tmp_path / "plots").iterdir()}
    assert files == {*names.values(), "inputs.pdf", "mlaas4hep.json"}
    assert (tmp_path / "plots" / "met.png").read_bytes().startswith(b"\x89PNG")
    book = (tmp_path / "plots" / "inputs.pdf").read_bytes()
    assert book.startswith(b"%PDF")
    assert b"/Count 5" in book
    assert dict(mpl.rcParams) == before
    assert Gcf.get_all_fig_managers() == []


def figure(paths: list[str], name: str, **options: Any) -> Any:
    """Return the picture of one branch."""
    dataset = Dataset(paths, ["signal", "background"], select=[name], **options)
    filler = inputs._fill(dataset, None, len(dataset), None)
    with mpl.rc_context(panels.STYLE):
        return panels.branch_figure(filler.counts()[0], Sample("train part", dataset.classes, filler.events, 800, []))


def legend(figure: Any) -> list[str]:
    """Return the texts of a legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_counts(paths: list[str]) -> None:
    assert legend(figure(paths, "met")) == [
        "background: 393 values, 7 missing (1.8%)",
        "signal: 393 values, 7 missing (1.8%)",
    ]
    values = [len(finite(columns(seed)["pt"])) for seed in (1, 0)]
    assert legend(figure(paths, "pt")) == [
        f"background: {values[0]} values in 400 events",
        f"signal: {values[1]} values in 400 events",
        "missing, all classes: 0.5%",
    ]


def test_a_picture_has_two_panels_with_names(paths: list[str]) -> None:
    left, right = figure(paths, "met").axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("met", "met, normalised")
    assert left.get_ylabel() == "Fraction of values per bin"
    assert right.get_xlim() == pytest.approx((0, 1), abs=1e-5)
    (subtitle,) = [text.get_text() for text in figure(paths, "met").texts[1:]]
    assert subtitle == "flat float32; train part, 800 events"


def test_each_class_has_the_same_area(paths: list[str]) -> None:
    left, right = figure(paths, "n").axes
    for axes in (left, right):
        heights = [patch.get_data().values for patch in axes.patches]
        assert [height.sum() for height in heights] == pytest.approx([1, 1])


def test_bools_are_named(paths: list[str]) -> None:
    left, _ = figure(paths, "flag").axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["false", "true"]


def test_a_branch_without_values_says_so(paths: list[str]) -> None:
    assert "no finite value" in [text.get_text() for text in figure(paths, "none").axes[0].texts]


def test_a_steep_histogram_is_logarithmic(tmp_path: Path) -> None:
    values = np.concatenate([np.zeros(3000), np.linspace(0, 1, 100)])
    paths = [
        str(write(tmp_path / f"{seed}.root", {"t": {"x": values, "y": np.linspace(0, 1, 3100)}})) for seed in (0, 1)
    ]
    assert figure(paths, "x").axes[0].get_yscale() == "log"
    assert figure(paths, "y").axes[0].get_yscale() == "linear"


def test_the_overflow_is_shown(tmp_path: Path) -> None:
    values = np.append(np.random.default_rng(1).normal(size=3000), 1e5)
    paths = [str(write(tmp_path / f"{seed}.root", {"t": {"x": values}})) for seed in (0, 1)]
    left, right = figure(paths, "x").axes
    assert [text.get_text() for text in left.texts] == ["overflow"]
    assert not list(right.texts)
    assert [patch.get_data().values.sum() for patch in left.patches[:2]] == pytest.approx([1, 1])


# Names and errors


def test_names_of_pictures_are_safe_and_differ() -> None:
    names = ["a/b", "a_b", "A_b", "../x", ".hidden", "jet pt $x$ μ", "Jet.pt", "x" * 300, "x" * 301, "///"]
    found = inputs._names(names)
    assert found["a/b"] == "a_b.png"
    assert found["a_b"] == "a_b-2.png"
    assert found["A_b"] == "A_b-3.png"
    assert found["Jet.pt"] == "Jet.pt.png"
    assert len({name.casefold() for name in found.values()}) == len(names)
    assert all(len(name) < 120 and "/" not in name and not name.startswith(".") for name in found.values())


@pytest.mark.parametrize("absent", ["hist", "matplotlib", "mplhep"])
def test_a_missing_package_is_named_before_any_work(
    absent: str, tmp_path: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else there(name))
    message = f"histograms need the package '{absent}', which is not installed: pip install 'mlaas4hep\\[hist\\]'"
    with pytest.raises(ParamsError, match=message):
        draw_inputs(Dataset(paths), tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_a_folder_of_others_is_refused(paths: list[str], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not one of our output folders"):
        draw_inputs(Dataset(paths), tmp_path)


def test_nothing_stays_where_drawing_fails(paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(panels, "branch_figure", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no ink"):
        draw_inputs(Dataset(paths, exclude="none"), tmp_path / "plots")
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_part(paths: list[str], tmp_path: Path) -> None:
    dataset = Dataset(paths, split=(0, 0.5, 0.5))
    with pytest.raises(ParamsError, match="there is nothing to draw: no event is in part 'train'"):
        draw_inputs(dataset, tmp_path / "plots", part="train")


@pytest.mark.filterwarnings("ignore::mlaas4hep.errors.Note")
def test_lost_events_are_not_drawn(paths: list[str], tmp_path: Path) -> None:
    specs = Dataset(paths).specs().with_parts({})
    for path in paths:
        spoil(Path(path))
        dataset = Dataset(paths, specs=specs, max_open=1, on_bad_file="skip")
        if path == paths[0]:  # the first chunks are empty
            drawn = filled(dataset)["n"]
            assert sum(int(one.sum()) for one in drawn.original) == EVENTS
        else:
            with pytest.raises(ParamsError, match="nothing to draw: all events are lost"):
                draw_inputs(dataset, tmp_path / "plots")


def test_the_same_dataset_without_normalisation(paths: list[str]) -> None:
    dataset = Dataset(paths, select=["n"])
    plain = dataset.unnormalised()
    values, normalised = (next(one.chunks(-1, shuffle=False)) for one in (plain, dataset))
    assert (values.data.min(), values.data.max()) == (-2, 5)
    assert (normalised.data.min(), normalised.data.max()) == (0, 1)
    assert dataset.plan.hash != plain.plan.hash
