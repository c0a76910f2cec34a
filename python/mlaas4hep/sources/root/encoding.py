"""How the pages of an RNTuple hold numbers, and the numbers in them.

The encodings are those of version 1 of ROOT's "RNTuple Binary Format Specification".
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import uproot
from numpy.typing import NDArray

__all__ = ["Encoding", "encoding_of"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a page holds its elements, each in so many ``bits``, and the type that they have in memory.

    ``plain``: one behind the other; ``split``: all first bytes, then all second bytes, and so on; ``bits``: bools;
    ``truncated``: the first bits of a float32; ``quantized``: whole numbers that cut ``span`` into equal steps.
    ``zigzag`` has the sign in the lowest bit, ``delta`` the difference to the element before.
    """

    dtype: np.dtype[Any]
    bits: int
    how: Literal["plain", "split", "bits", "truncated", "quantized"] = "plain"
    zigzag: bool = False
    delta: bool = False
    span: tuple[float, float] = (0.0, 0.0)

    def size(self, elements: int) -> int:
        """Return the bytes of a page before compression."""
        return -(-elements * self.bits // 8)

    def decode(self, data: NDArray[np.uint8], elements: int) -> NDArray[Any]:
        """Return the elements of a decompressed page in native byte order."""
        if len(data) != self.size(elements):
            raise ValueError(f"a page has {len(data)} bytes instead of {self.size(elements)}")
        match self.how:
            case "bits":
                return np.unpackbits(data, count=elements, bitorder="little").view(np.bool_)
            case "truncated":
                return (_words(data, self.bits, elements) << np.uint32(32 - self.bits)).view(np.float32)
            case "quantized":
                low, high = self.span
                steps = _words(data, self.bits, elements).astype(np.float64)
                return (low + steps * (high - low) / ((1 << self.bits) - 1)).astype(np.float32)
            case "split":
                data = np.ascontiguousarray(data.reshape(self.dtype.itemsize, elements).T).reshape(-1)
        return self._numbers(data.view(self.dtype.newbyteorder("<")).astype(self.dtype, copy=False))

    def _numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.zigzag:
            unsigned = values.view(f"u{self.dtype.itemsize}")
            return ((unsigned >> 1) ^ (~(unsigned & 1) + 1)).view(self.dtype)
        return np.cumsum(values, dtype=self.dtype) if self.delta else values


def encoding_of(record: Any) -> Encoding:
    """Return the encoding of a column as uproot describes it; ``KeyError`` if uproot does not know its type."""
    number, bits = record.type, record.nbits
    name = uproot.const.rntuple_col_num_to_dtype_dict[number]
    if name in PACKED:
        how = PACKED[name]
        span = (record.min_value, record.max_value) if how == "quantized" else (0.0, 0.0)
        return Encoding(
            np.dtype(np.bool_ if how == "bits" else np.float32), 1 if how == "bits" else bits, how, span=span
        )
    dtype = np.dtype(name)
    return Encoding(
        dtype,
        8 * dtype.itemsize,
        "split" if number in uproot.const.rntuple_split_types else "plain",
        number in uproot.const.rntuple_zigzag_types,
        number in uproot.const.rntuple_delta_types,
    )


PACKED: dict[str, Literal["bits", "truncated", "quantized"]] = {
    "bit": "bits",
    "real32trunc": "truncated",
    "real32quant": "quantized",
}
"""Types of which an element does not take whole bytes."""


def _words(data: NDArray[np.uint8], bits: int, elements: int) -> NDArray[np.uint32]:
    """The elements as whole numbers, lowest bits first."""
    wide = np.zeros((elements, 32), np.uint8)
    wide[:, :bits] = np.unpackbits(data, count=elements * bits, bitorder="little").reshape(elements, bits)
    return np.packbits(wide, axis=1, bitorder="little").reshape(-1).view("<u4").astype(np.uint32, copy=False)
