"""Lists of lists in a basket of a TTree, as one list of their numbers for each entry."""

from typing import Any

import numpy as np
from awkward.forth import ForthMachine64
from numpy.typing import NDArray
from uproot.containers import AsVector

__all__ = ["flatten_vectors", "nested_type"]

HEADER = 6
"""Bytes in front of a vector that is not within another: its size, and the version of its class."""

CODES = {"bool": "?", "float32": "f", "float64": "d"} | {
    f"{sign}int{8 * size}": code.upper() if sign else code
    for sign in ("", "u")
    for size, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
}
"""AwkwardForth's letters of the types that it reads."""

PROGRAM = """
input data
input starts
output content {dtype}
output lists int64
output lengths int64
variable length

{entries} 0 do
  0 length !
  starts q-> stack data seek
  data !i-> stack
  dup lists <- stack
  0 do
    data !i-> stack
    dup length +!
    data #!{code}-> content
  loop
  length @ lengths <- stack
loop
"""


def nested_type(model: object) -> np.dtype[Any] | None:
    """Return the type of the numbers in uproot's model of a vector of vectors of them; None for any other model."""
    match model:
        case AsVector(values=AsVector(header=False, values=np.dtype() as dtype)):
            native = dtype.newbyteorder("=")
            return native if native.name in CODES else None
    return None


def flatten_vectors(
    data: NDArray[np.uint8], starts: NDArray[Any], model: Any
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return offsets and content of entries of a basket that are vectors of vectors of numbers.

    Entry ``i`` lies from ``starts[i]`` to ``starts[i + 1]``. Raises an exception of any kind where it does not.
    """
    dtype = nested_type(model)
    assert dtype is not None
    header = HEADER if model.header else 0
    sizes, begins = np.diff(starts), np.asarray(starts[:-1], np.int64) + header
    machine = ForthMachine64(PROGRAM.format(dtype=dtype.name, code=CODES[dtype.name], entries=len(sizes)))
    machine.run({"data": np.array(data), "starts": begins})  # Forth takes no array that is read-only
    lists, lengths = (np.asarray(machine.output(name)) for name in ("lists", "lengths"))
    if not np.array_equal(sizes, header + 4 + 4 * lists + dtype.itemsize * lengths):
        raise ValueError("the lengths of its lists do not fit their content")
    return np.concatenate([[0], np.cumsum(lengths)]), np.asarray(machine.output("content"))
