"""Formulas and cuts on columns in memory: ``evaluate``, ``select``, and what compiles them for certain branches."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlaas4hep import _rust
from mlaas4hep.columns import is_arrow, survivors
from mlaas4hep.errors import BranchError, ExpressionError, ParamsError, nearest
from mlaas4hep.preproc import Preprocessing
from mlaas4hep.threads import asked_threads

__all__ = ["Schema", "bind", "check_branches", "evaluate", "select"]

Schema = Mapping[str, tuple[str, str]]
"""Kind (``"flat"`` or ``"jagged"``) and type of every branch."""


def bind(preproc: Preprocessing, schema: Schema, sentinels: Mapping[str, Sequence[float]] = {}) -> _rust.Formulas:
    """Compile formulas and cuts for branches of these kinds and types, some of whose numbers may mean none.

    ``ExpressionError`` shows the formula with a caret under what is wrong, and says where it was written.
    """
    removed = set(preproc.removed)
    new = [(new.name, new.formula, new.kind, new.name not in removed, new.place) for new in preproc.new_branches]
    cuts = [(cut.formula, cut.reduce, cut.training, cut.name, cut.place) for cut in preproc.cuts]
    return _rust.Formulas(dict(schema), new, cuts, sentinels)


def check_branches(preproc: Preprocessing, schema: Schema) -> None:
    """Raise ``BranchError`` where cuts are on branches that do not exist, or such are removed."""
    known: dict[str, str] = {name: kind for name, (kind, _) in schema.items()}
    known |= {new.name: new.kind for new in preproc.new_branches}
    for name, kind, place in preproc.cut_branches:
        if name not in known:
            raise BranchError(f"{place}: there is no branch {name!r}{nearest(name, known)}")
        if known[name] not in ("", kind):
            raise BranchError(f"{place}: branch {name!r} is {known[name]}; its cuts belong to {known[name]}_cut")
    for name in preproc.removed:
        if name not in known:
            raise BranchError(f"preproc: branch {name!r} is to be removed, but is not there{nearest(name, known)}")


def evaluate(formula: str, data: object, *, threads: int | None = None) -> Any:
    """Return the values of a formula for every event.

    Parameters
    ----------
    formula
        An expression of branches in Python's syntax: ``"sqrt(px**2 + py**2)"``, ``"jetPt[jetBtag > 0.8]"``,
        ``"1 <= nJets <= 4 and any(jetPt > 30)"``. The guide to formulas lists the functions.
    data
        Columns in memory, as for :func:`scan`.
    threads
        Threads to use; ``None``: the variable ``MLAAS4HEP_NUM_THREADS``, else the CPUs that the process may use. The
        result does not depend on it.

    Returns
    -------
    awkward.Array or pyarrow.Array
        bool, int64 or float64: one value an event, shape (events,), or of a jagged formula a list of them. Arrow data
        give an Arrow array, others an Awkward array. A missing int64 is null, a missing float64 NaN; a bool is never
        missing.

    Raises
    ------
    ExpressionError
        The formula is wrong, or an integer of it goes beyond int64; the message shows the place.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> data = {"met": np.array([30.0, 80.0]), "jetPt": (np.array([0, 2, 3]), np.float32([90, 40, 120]))}
    >>> mlaas4hep.evaluate("sum(jetPt[jetPt > 50]) + met", data).tolist()
    [120.0, 200.0]
    """
    _check_text("the formula", formula)
    arrow = is_arrow(data)
    content, offsets, nulls = _rust.evaluate(_rust.held(data), formula, asked_threads(threads))
    return _as_arrow(content, offsets, nulls) if arrow else _as_awkward(content, offsets, nulls)


def select(data: Any, cuts: str | Sequence[str], *, threads: int | None = None) -> Any:
    """Return the events that pass every cut.

    Parameters
    ----------
    data
        Columns in memory, as for :func:`scan`.
    cuts
        A formula that is true or false for each event, or several, all of which must hold. A jagged condition stands
        in ``any(...)`` or ``all(...)``; ``all`` holds for an empty list, ``any`` does not.
    threads
        As in :func:`evaluate`.

    Returns
    -------
    Data of the same form: an Awkward array, a dict, or an Arrow table (a record batch of one). Where every event
    passes, they are ``data`` themselves.

    Raises
    ------
    ExpressionError
        A cut is wrong; the message shows the place.

    Examples
    --------
    >>> import numpy as np, mlaas4hep
    >>> data = {"met": np.array([30.0, 80.0]), "jetPt": (np.array([0, 2, 3]), np.float32([90, 40, 120]))}
    >>> mlaas4hep.select(data, ["met > 50", "any(jetPt > 100)"])["met"].tolist()
    [80.0]
    """
    given = [cuts] if isinstance(cuts, str) else cuts
    if not isinstance(given, (list, tuple)):
        raise ParamsError(f"cuts are a {type(cuts).__qualname__}; give a formula, or a list of them")
    for cut in given:
        _check_text("a cut", cut)
    wanted = Preprocessing().with_options(given, [])
    held = _rust.held(data)
    try:
        formulas = bind(wanted, _rust.schema(held, [cut.formula for cut in wanted.cuts]))
    except ExpressionError:  # what is wrong is said in view of all columns
        formulas = bind(wanted, _rust.schema(held))
    passed, _ = formulas.select(held, True, asked_threads(threads))
    return data if passed.all() and held is data else survivors(held, passed)


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str):
        raise ParamsError(f"{what} is a {type(text).__qualname__}; it must be a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParamsError(f"{what} is {text!r}, which is no valid text") from None


def _as_awkward(content: Any, offsets: Any, nulls: Any) -> Any:
    import awkward as ak

    layout: Any = ak.contents.NumpyArray(content)
    if nulls is not None:
        layout = ak.contents.ByteMaskedArray(ak.index.Index8(nulls.view("int8")), layout, valid_when=False)
    if offsets is not None:
        layout = ak.contents.ListOffsetArray(ak.index.Index64(offsets), layout)
    return ak.Array(layout)


def _as_arrow(content: Any, offsets: Any, nulls: Any) -> Any:
    import pyarrow as pa

    values = pa.array(content, mask=nulls)
    return values if offsets is None else pa.LargeListArray.from_arrays(offsets, values)
