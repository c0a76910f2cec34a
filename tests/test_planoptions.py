"""What options of plans mean, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any, cast

import mlaas4hep
import numpy as np
import pytest
from mlaas4hep import Plan, flatten
from mlaas4hep.errors import BranchError, ColumnError, ParamsError, SpecsError

JETS = np.array([0, 3, 4, 4])
DATA: dict[str, Any] = {
    "ht": np.array([10, 20, 60], np.float32),
    "nJets": np.array([3, 1, 0], np.int32),
    "jetPt": (JETS, np.array([1, 3, 2, 5], np.float32)),
    "jetEta": (JETS, np.array([-1, np.nan, 1, 0.5], np.float32)),
    "lepPt": (np.array([0, 1, 1, 2]), np.array([7, 8], np.float32)),
}
SPECS = mlaas4hep.scan(DATA)


def scale_of(plan: Plan, branch: str) -> dict[str, Any]:
    """The scale step of a branch."""
    steps = json.loads(plan.to_text())["steps"]
    at = next(at for at, step in enumerate(steps) if step.get("branch") == branch)
    return dict(steps[at + 1])


# Normalisation


def test_standard_is_by_mean_and_deviation() -> None:
    flat = flatten(DATA, SPECS, normalize="standard")
    assert np.allclose(flat.data[:, 0], (DATA["ht"] - 30) / np.std([10, 20, 60]))


def test_robust_is_by_median_and_quantiles_within_the_sketchs_error() -> None:
    values = np.random.default_rng(1).exponential(size=2000)
    lower, median, upper = np.quantile(values, [0.16, 0.5, 0.84])
    flat = flatten({"x": values}, normalize="robust")
    assert np.allclose(flat.data[:, 0], (values - median) / (upper - lower), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("normalize", ["standard", "robust"])
def test_constant_branches_become_0(normalize: str) -> None:
    flat = flatten({"x": np.full(3, 7.0), "y": np.array([np.nan] * 3)}, normalize=normalize)
    assert flat.data.tobytes() == np.zeros((3, 2), np.float32).tobytes()
    assert flat.padding_mask[:, 1].all()


def test_limits_clip_after_normalising_and_leave_fills_alone() -> None:
    flat = flatten({"x": np.array([0.0, 1.0, 2.0, np.nan])}, normalize={"kind": "none", "clip": [0.5, 1.5]}, fill=-9)
    assert flat.data[:, 0].tolist() == [0.5, 1.0, 1.5, -9.0]


def test_the_most_specific_name_counts_whatever_the_order() -> None:
    rules = {"jetPt": "robust", "*": "standard", "jet*": {"clip": [0, 1]}, "nJets": "none"}
    for given in (rules, dict(reversed(rules.items()))):
        plan = Plan(SPECS, normalize=given)
        kinds = {branch: scale_of(plan, branch)["normalize"] for branch in SPECS.branches}
        expected = {"ht": "standard", "jetEta": "minmax", "jetPt": "robust", "lepPt": "standard", "nJets": "none"}
        assert kinds == expected
        assert scale_of(plan, "jetEta")["clip"] == [0, 1]


def test_a_rule_of_a_new_branch_holds_unless_its_name_is_given_another() -> None:
    new = {
        "new_branch": {"logHt": {"def": "log(ht)", "type": "flat", "normalize": {"kind": "robust", "clip": [-2, 2]}}}
    }
    specs = mlaas4hep.scan(DATA, preproc=new)
    for normalize, kind in [("none", "robust"), ({"*": "none"}, "robust"), ({"logHt": "none"}, "none")]:
        plan = Plan(specs, preproc=new, normalize=normalize)  # type: ignore[arg-type]
        assert scale_of(plan, "logHt")["normalize"] == kind
    preproc = mlaas4hep.Preprocessing.of(new)
    assert mlaas4hep.Preprocessing.from_dict(preproc.to_dict(), "x") == preproc
    with pytest.raises(ParamsError, match=r"normalize must be 'minmax', .* \(did you mean 'robust'\?\), not \"robst\""):
        mlaas4hep.Preprocessing.of({"new_branch": {"a": {"def": "ht", "type": "flat", "normalize": "robst"}}})


LEARNED = {"mean", "std", "moments", "quantiles", "lengths"}


def test_statistics_are_needed_and_asked_for(tmp_path: Path) -> None:
    old = {key: value for key, value in json.loads(SPECS.to_text()).items() if key not in LEARNED}
    (tmp_path / "specs.json").write_text(json.dumps(old))
    specs = mlaas4hep.Specs.from_json(tmp_path / "specs.json")
    with pytest.raises(
        SpecsError, match=r"branch 'ht': the specs have no statistics, which normalize 'standard' needs"
    ):
        Plan(specs, normalize="standard")
    assert Plan(specs) == Plan(SPECS)
    with pytest.raises(ParamsError, match=r"branch 'x' has no mean and deviation.*take 'robust' or 'minmax'"):
        flatten({"x": np.array([0, 1e200])}, normalize="standard")


# Fill, truncation, padding


def test_fill_stands_for_missing_values_only() -> None:
    flat = flatten(DATA, SPECS, normalize="none", fill={"jet*": -5}, pad_value=-1)
    assert flat.names[2:5] == ["jetEta_0", "jetEta_1", "jetEta_2"]
    assert flat.data[:, 2:5].tolist() == [[-1, -5, 1], [0.5, -1, -1], [-1, -1, -1]]
    assert flat.padding_mask[0, 2:5].tolist() == [False, True, False]


def test_the_largest_entries_stay_in_their_order() -> None:
    options: Any = {"normalize": "none", "widths": {"jet": 2}, "collections": {"jet": ["jet*"]}}
    flat = flatten(DATA, SPECS, truncate={"jet": "jetPt"}, **options)
    assert flat.data[0, 2:6].tolist() == [0, 1, 3, 2]
    assert flat.padding_mask[0, 2:4].tolist() == [True, False]
    assert flat.truncated == {"jetEta": 1, "jetPt": 1}
    by_eta = flatten(DATA, SPECS, truncate={"jet": "jetEta"}, **options)
    assert by_eta.data[0, 4:6].tolist() == [1, 2]  # a missing value is the smallest


def test_wrapping_repeats_what_stays_and_is_masked() -> None:
    flat = flatten(DATA, SPECS, normalize="none", padding={"jetPt": "wrap"}, widths={"jetPt": 5}, pad_value=-1)
    places = slice(flat.names.index("jetPt_0"), flat.names.index("jetPt_4") + 1)
    assert flat.data[:, places].tolist() == [[1, 3, 2, 1, 3], [5] * 5, [-1] * 5]
    assert flat.padding_mask[:, places].sum(axis=1).tolist() == [2, 4, 5]


def test_a_quantile_of_lengths_picks_widths_that_are_not_given() -> None:
    plan = Plan(SPECS, width_quantile=0.66, widths={"jetEta": 2})
    assert plan.widths == {"jetEta": 2, "jetPt": 1, "lepPt": 1}
    assert Plan(SPECS, width_quantile=0.66, layout="collections").widths == {"jetEta": 1, "jetPt": 1, "lepPt": 1}
    for none in (2, "a", True):
        with pytest.raises(ParamsError, match=rf"^width_quantile is {none!r}; it must be a number from 0 to 1"):
            Plan(SPECS, width_quantile=cast("Any", none))


# Layouts


def test_collections_in_memory_are_those_with_equal_offsets() -> None:
    copied = {**DATA, "jetEta": (JETS.copy(), DATA["jetEta"][1])}
    for data in (DATA, copied):
        flat = flatten(data, layout="collections", normalize="none")
        assert flat.names == ["ht", "nJets"]
        assert {name: found.branches for name, found in flat.collections.items()} == {
            "jet": ("jetEta", "jetPt"),
            "lepPt": ("lepPt",),
        }
        jets = flat.collections["jet"]
        assert (jets.data.shape, jets.data.dtype.name, jets.mask.shape) == ((3, 2, 3), "float32", (3, 3))
        assert jets.data.flags.c_contiguous
        assert jets.mask.tolist() == [[False, False, False], [False, True, True], [True, True, True]]
        assert jets.data[0].tolist() == [[-1, 0, 1], [1, 3, 2]]


def test_a_plan_tells_its_layout_and_fills_given_arrays() -> None:
    plan = Plan(SPECS, layout="collections", collections={"jet": ["jet*"]}, widths={"jet": 2})
    assert (plan.layout, plan.collections) == ("collections", {"jet": ("jetEta", "jetPt"), "lepPt": ("lepPt",)})
    assert plan.shapes == {"jet": (2, 2), "lepPt": (1, 1)}
    assert plan.hash != Plan(SPECS, widths={"jetPt": 2, "jetEta": 2}).hash
    shapes = {"matrix": ((4, 2), (4, 2)), "jet": ((4, 2, 2), (4, 2)), "lepPt": ((4, 1, 1), (4, 1))}
    out = {name: (np.zeros(data, np.float32), np.zeros(mask, np.bool_)) for name, (data, mask) in shapes.items()}
    flat = plan(DATA, out=out)
    assert np.shares_memory(flat.collections["jet"].data, out["jet"][0])
    assert flat.collections["jet"].data.tobytes() == plan(DATA).collections["jet"].data.tobytes()


IMAGE: dict[str, Any] = {
    "ecal": np.arange(12, dtype=np.float32).reshape(2, 6),
    "hcal": np.ones((2, 6), np.float32),
    "ht": np.ones(2),
}


def test_jagged_channels_make_an_image() -> None:
    images = {"calo": {"branches": ["hcal", "ecal"], "shape": [2, 3]}}
    flat = flatten(IMAGE, layout="image", images=images, normalize="none")
    calo = flat.collections["calo"]
    assert (calo.data.shape, calo.mask.shape, calo.branches) == ((2, 2, 3, 2), (2, 2, 3), ("hcal", "ecal"))
    assert calo.data[..., 1].tolist() == IMAGE["ecal"].reshape(2, 2, 3).tolist()
    assert not calo.mask.any()
    assert flat.names == ["ht"]


def test_flat_pixels_make_an_image_in_natural_order() -> None:
    pixels = {f"px_{number}": np.array([number, np.nan if number == 3 else -number]) for number in range(12)}
    flat = flatten(pixels, layout="image", images={"x": {"branches": "px_*", "shape": (3, 4)}}, normalize="none")
    assert flat.collections["x"].data[0, :, :, 0].tolist() == np.arange(12).reshape(3, 4).tolist()
    assert np.argwhere(flat.collections["x"].mask).tolist() == [[1, 0, 3]]
    assert flat.names == []
    two = flatten(pixels, layout="image", images={"x": {"branches": ["px_*"], "shape": (2, 3)}}, normalize="none")
    assert two.collections["x"].data[0, :, :, 1].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert not two.collections["x"].mask.any()  # of each pixel one channel is there


# What is refused


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"normalize": "standart"},
        ParamsError,
        "normalize is 'standart'; it must be 'minmax', 'standard', 'robust' or 'none'",
    ),
    ({"normalize": {"ht": "x"}}, ParamsError, "normalize: branch 'ht' is 'x'; it must be 'minmax'"),
    ({"normalize": {"hT": "none"}}, BranchError, "normalize: branch 'hT' is not in the specs (did you mean 'ht'?)"),
    ({"normalize": {"x*": "none"}}, BranchError, "normalize: branch 'x*' is not in the specs"),
    ({"normalize": {"kind": "robust", "clip": [1, 0]}}, ParamsError, "finite float32 numbers in order"),
    ({"normalize": {"ht": {"kin": "robust"}}}, ParamsError, "or {'kind': one of these, 'clip': [lower, upper]}"),
    ({"fill": np.inf}, ParamsError, "fill is inf; it must be a finite float32 number"),
    ({"fill": {"ht": "0"}}, ParamsError, "fill: branch 'ht' is '0'; it must be a finite float32 number"),
    ({"widths": [3]}, ParamsError, "widths is [3]; it must be values by names of branches or collections"),
    ({"truncate": {"jetEta": "ht"}}, ParamsError, "truncate: branch 'jetEta' is 'ht', which is flat"),
    ({"truncate": {"jetEta": "jetpt"}}, BranchError, "which is no branch of the specs (did you mean 'jetPt'?)"),
    ({"padding": "wrapp"}, ParamsError, "padding is 'wrapp'; it must be 'zeros' or 'wrap' (did you mean 'wrap'?)"),
    (
        {"layout": "collection"},
        ParamsError,
        "layout is 'collection'; it must be 'matrix', 'collections' or 'image' (did",
    ),
    ({"layout": "image"}, ParamsError, "layout is 'image', but there are no images"),
    ({"images": {"x": {}}}, ParamsError, "layout is 'matrix', but images are given"),
    (
        {"layout": "image", "images": {"x": 1}},
        ParamsError,
        "image 'x' is 1; it must be {'branches': names or globs, 'shape'",
    ),
    (
        {"layout": "image", "images": {"x": {"branches": "jet*", "shape": [0, 1]}}},
        ParamsError,
        "image 'x': shape is [0, 1]; it must be (height, width), numbers from 1 on",
    ),
    (
        {"layout": "image", "images": {"x": {"branches": ["ht"], "shape": [1, 2]}}},
        ParamsError,
        "image 'x' has 1 flat branches; 1 x 2 pixels need 2 for each channel",
    ),
    (
        {"layout": "image", "images": {"x": {"branches": ["ht", "jetPt"], "shape": [1, 1]}}},
        ParamsError,
        "image 'x': 'ht' is flat and others are jagged; give one kind",
    ),
    (
        {
            "layout": "image",
            "images": {"x": {"branches": "jetPt", "shape": [1, 1]}, "y": {"branches": "jetPt", "shape": [1, 1]}},
        },
        ParamsError,
        "branch 'jetPt' is in 'x' and in 'y'; it can be in one of them",
    ),
    ({"layout": "collections", "collections": 1}, ParamsError, "collections is 1; it must be lists of branches"),
    (
        {"layout": "collections", "collections": {"a": []}},
        ParamsError,
        "collection 'a' has branches []; give names or globs",
    ),
    ({"layout": "collections", "collections": {"a": ["ht"]}}, ParamsError, "collection 'a': branch 'ht' is flat"),
    (
        {"layout": "collections", "collections": {"a": ["jetpt"]}},
        BranchError,
        "collection 'a': branch 'jetpt' is not in",
    ),
    (
        {"layout": "collections", "collections": {"a": ["jetPt"], "b": ["jet*"]}},
        ParamsError,
        "branch 'jetPt' is in collection 'a' and in 'b'",
    ),
    (
        {"layout": "collections", "collections": {"lepPt": ["jetPt"]}},
        ParamsError,
        "collection 'lepPt': branch 'lepPt' is one of its own; choose another name",
    ),
    (
        {"layout": "collections", "collections": {"matrix": ["jetPt"]}},
        ParamsError,
        "collections and images need names of their own: 'matrix' is the matrix's name",
    ),
    ({"normalise": "none"}, TypeError, "got an unexpected keyword argument 'normalise' (did you mean 'normalize'?)"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=str)
def test_wrong_options_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Plan(SPECS, **options)


def test_a_glob_of_a_collection_means_no_flat_branch() -> None:
    jets = (np.array([0, 1, 3]), np.ones(3))
    specs = mlaas4hep.scan({"jet1Pt": np.ones(2), "jetEta": jets, "jetPt": jets})
    plan = Plan(specs, layout="collections", collections={"jet": "jet*"})
    assert plan.collections == {"jet": ("jetEta", "jetPt")}
    assert plan.names == ["jet1Pt"]
    with pytest.raises(ParamsError, match=r"^collection 'jet': branch 'jet1Pt' is flat; give jagged ones"):
        Plan(specs, layout="collections", collections={"jet": "jet1*"})


UNEQUAL = {"a": (np.array([0, 1, 3]), np.ones(3)), "b": (np.array([0, 1, 2]), np.ones(2))}


def test_lists_of_a_collection_must_be_equally_long() -> None:
    message = "event 1: branch 'b' has 1 entries and 'a' has 2; the branches of collection 'x' need the same number"
    with pytest.raises(ColumnError, match=re.escape(message)):
        flatten(UNEQUAL, layout="collections", collections={"x": ["a", "b"]})
    keep = "event 1: branch 'b' has 1 entries and 'a' has 2; which entries of 'b' stay is said by 'a', so both need the"
    with pytest.raises(ColumnError, match=re.escape(keep)):
        flatten(UNEQUAL, truncate={"b": "a"})
    plan = Plan(mlaas4hep.scan(UNEQUAL), layout="collections", collections={"x": ["a", "b"]})
    matrix = np.zeros((1, 0), np.float32), np.zeros((1, 0), np.bool_)
    pair = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2), np.bool_)
    flat = plan.place(UNEQUAL, np.array([0, -1]), {"matrix": matrix, "x": pair})  # only events with a row are looked at
    assert flat.collections["x"].mask.tolist() == [[False, True]]


def test_an_image_needs_a_value_for_every_pixel() -> None:
    message = "event 1: branch 'a' has 2 entries; image 'x' needs 1, 1 x 1"
    with pytest.raises(ColumnError, match=re.escape(message)):
        flatten(UNEQUAL, layout="image", images={"x": {"branches": ["a"], "shape": [1, 1]}})


PAIR = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.bool_)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (PAIR, "out is a tuple; it must be a mapping with (data, mask) for 'matrix', 'jet', 'lepPt'"),
        ({"matrix": PAIR}, "out has 'matrix'; it must be a mapping with (data, mask) for 'matrix', 'jet', 'lepPt'"),
        (
            {"matrix": PAIR, "jet": PAIR, "lepPt": PAIR},
            "out['jet'][0], the data is of shape (3, 2); it must be a writeable, C-ordered float32 array of shape",
        ),
    ],
)
def test_out_must_fit_the_layout(out: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(message)):
        flatten(DATA, SPECS, layout="collections", out=out)


BROKEN = [
    ('"layout":"collections"', '"layout":"x"', "key 'layout' of the whole is \"x\"; it must be"),
    ('"shape":[2,3]', '"shape":[2]', "a list of tensors, each with a name of its own and a shape"),
    ('"shape":[2,3]', '"shape":[3,3]', "tensor 'jet' is filled otherwise, by 2 branches; it must be [3, 3], filled by"),
    ('"tensor":"lepPt"', '"tensor":"lep"', "it must be the name of one of the plan's tensors"),
    (
        '"largest":"jetPt"',
        '"largest":"ht"',
        "the branch by which entries of 'jetEta' stay is 'ht'; it must be a jagged",
    ),
    ('"padding":"wrap"', '"padding":"no"', 'key \'padding\' of step 10 is "no"; it must be "wrap"'),
    ('"clip":[0.0,1.0]', '"clip":[1.0,0.0]', "two finite float32 numbers, the lower one first"),
    ('"scale":', '"scale":-', "it must be not negative"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_a_damaged_plan_is_refused(old: str, new: str, message: str) -> None:
    jets: Any = {"layout": "collections", "collections": {"jet": "jet*"}, "truncate": {"jet": "jetPt"}}
    rules = {"ht": "standard", "nJets": {"clip": [0, 1]}}
    text = Plan(SPECS, padding="wrap", normalize=rules, **jets).to_text()
    assert old in text
    with pytest.raises(SpecsError, match=re.escape(message)):
        Plan.from_text(text.replace(old, new, 1))
