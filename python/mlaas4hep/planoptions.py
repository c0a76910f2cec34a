"""What can be said about matrix and tensors: the options of ``Plan``, ``flatten`` and ``Dataset``, in one place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

import numpy as np

from mlaas4hep.errors import ParamsError, nearest
from mlaas4hep.normalize import Rule, is_rule
from mlaas4hep.tensors import MATRIX

__all__ = ["PlanOptions", "checked", "layout_of", "plain"]

LAYOUTS = (MATRIX, "collections", "image")


class PlanOptions(TypedDict, total=False):
    """The options of a plan; each may be left out.

    Names of branches may be globs; the most specific one counts: the branch's own name, then its collection's, then the
    longest glob. A name or glob that means nothing is an error.

    Attributes
    ----------
    normalize
        ``"minmax"`` (the default): ``(x - min) * (1 / (max - min))``. ``"standard"``: ``(x - mean) * (1 / deviation)``,
        the deviation rounded to 32 bits and the mean to what is as small, so that they are those of every format.
        ``"robust"``: ``(x - median) * (1 / (q84 - q16))``, with the quantiles of 16 and 84 %. ``"none"``: as values
        stand. Or ``{"kind": one of these, "clip": [lower, upper]}``, which limits the results. Or any of these by names
        of branches, as in ``{"*": "standard", "nJets": "none"}``; others are ``"minmax"``. A rule that a new branch
        has of its own holds unless its name stands here.
    pad_value
        What stands behind the end of a list; a finite float32 number, by default 0.
    fill
        What stands where a value is missing, in place of the pad value: a number, or numbers by names.
    widths
        Padded lengths by names of branches or collections, in place of the largest lengths of the specs. 0 gives no
        column.
    width_quantile
        The width of other branches is that at which so large a share of their lists, as 0.99, is whole.
    truncate
        By names of branches or collections a jagged branch: of a list that is longer than the width those entries stay
        at which that branch has its largest values (missing ones are the smallest, equal ones stay first come), in
        their order; otherwise the first ones.
    padding
        ``"zeros"``: ``pad_value`` stands behind the end of a list. ``"wrap"``: the list again, as often as needed;
        the mask is ``True`` there all the same. Or either by names of branches or collections.
    layout
        ``"matrix"``. ``"collections"``: flat branches in the matrix, and beside it a tensor (events, branches, width)
        with a mask (events, width) for each collection. ``"image"``: the same, and ``images``.
    collections
        The jagged branches of each collection, names or globs, as in ``{"jet": ["jet*"]}``, which means no flat one; in
        every event they have equally long lists. Others are collections of their own. By default those are collections
        that have one counter, are fields of one record, or in memory have the same offsets.
    images
        Of each image its ``branches`` and its ``shape``, (height, width): jagged branches, each a channel with a value
        for every pixel, or flat branches, each a pixel, row by row and channel after channel; those that a glob means
        are taken in natural order.
    """

    normalize: str | Mapping[str, Any]
    pad_value: float
    fill: float | Mapping[str, float]
    widths: Mapping[str, int] | None
    width_quantile: float | None
    truncate: Mapping[str, str] | None
    padding: str | Mapping[str, str]
    layout: Literal["matrix", "collections", "image"]
    collections: Mapping[str, str | Sequence[str]] | None
    images: Mapping[str, Mapping[str, Any]] | None


def checked(options: Mapping[str, object], caller: str, others: Iterable[str] = ()) -> PlanOptions:
    """Return options whose names are all known; ``TypeError`` names the nearest of these and of other arguments.

    What needs no specs is checked here, before files are scanned: ``ParamsError`` says what is wrong.
    """
    for name in options:
        if name not in PlanOptions.__annotations__:
            known = nearest(name, [*PlanOptions.__annotations__, *others])
            raise TypeError(f"{caller} got an unexpected keyword argument {name!r}{known}")
    found = cast(PlanOptions, options)
    layout_of(found)
    normalize, share = options.get("normalize", "minmax"), options.get("width_quantile")
    if isinstance(normalize, Mapping) and not is_rule(normalize):
        for name, rule in normalize.items():
            Rule.of(rule, f"normalize: branch {name!r}")
    else:
        Rule.of(normalize)
    number = isinstance(share, (int, float, np.number)) and not isinstance(share, bool)
    if share is not None and not (number and 0 <= cast(float, share) <= 1):
        raise ParamsError(f"width_quantile is {share!r}; it must be a number from 0 to 1, or None")
    return found


def layout_of(options: PlanOptions) -> str:
    """Return the name of the layout.

    >>> layout_of({"normalize": "standard"})
    'matrix'
    """
    layout: object = options.get("layout", MATRIX)
    if not isinstance(layout, str) or layout not in LAYOUTS:
        near = nearest(layout, LAYOUTS) if isinstance(layout, str) else ""
        raise ParamsError(f"layout is {layout!r}; it must be 'matrix', 'collections' or 'image'{near}")
    return layout


def plain(value: Any) -> Any:
    """Return options, or a value of one, as values of JSON.

    >>> plain({"widths": {"jetPt": np.int64(3)}, "images": {"x": {"shape": (2, 2)}}})
    {'widths': {'jetPt': 3}, 'images': {'x': {'shape': [2, 2]}}}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
