"""Pages of an RNTuple, packed by hand as the specification of the format says."""

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlaas4hep.sources.root.encoding import Encoding, encoding_of
from numpy.typing import NDArray


def record(number: int, bits: int = 0, **span: float) -> Any:
    return SimpleNamespace(type=number, nbits=bits, **span)


def split(values: NDArray[Any]) -> bytes:
    """All first bytes, then all second bytes."""
    return values.view(np.uint8).reshape(len(values), -1).T.tobytes()


def packed(words: list[int], bits: int) -> bytes:
    """Numbers of some bits each, lowest first."""
    total = sum(word << (bits * place) for place, word in enumerate(words))
    return total.to_bytes(-(-bits * len(words) // 8), "little")


VALUES = np.array([5, -1, 0, -128, 127])


@pytest.mark.parametrize(
    ("number", "dtype"),
    [(0x03, "int8"), (0x04, "uint8"), (0x06, "uint16"), (0x07, "int32"), (0x0B, "float16"), (0x0D, "float64")],
)
def test_plain(number: int, dtype: str) -> None:
    values = VALUES.astype(dtype)
    found = encoding_of(record(number)).decode(np.frombuffer(values.tobytes(), np.uint8), len(values))
    assert found.dtype == dtype
    assert found.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("number", "dtype"), [(0x12, "uint16"), (0x14, "uint32"), (0x16, "uint64"), (0x18, "float32"), (0x19, "float64")]
)
def test_split(number: int, dtype: str) -> None:
    values = VALUES.astype(dtype)
    found = encoding_of(record(number)).decode(np.frombuffer(split(values), np.uint8), len(values))
    assert found.dtype == dtype
    assert found.tolist() == values.tolist()


@pytest.mark.parametrize(("number", "dtype"), [(0x11, "int16"), (0x13, "int32"), (0x15, "int64")])
def test_zigzag(number: int, dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([*VALUES.tolist(), limits.min, limits.max], dtype)
    coded = [2 * value if value >= 0 else -2 * value - 1 for value in values.tolist()]
    found = encoding_of(record(number)).decode(np.frombuffer(split(np.array(coded, f"u{dtype}")), np.uint8), 7)
    assert found.dtype == dtype
    assert found.tolist() == values.tolist()


@pytest.mark.parametrize(("number", "dtype"), [(0x1A, "int32"), (0x1B, "int64")])
def test_delta(number: int, dtype: str) -> None:
    """A page begins with a whole value; differences follow."""
    data = np.frombuffer(split(np.array([100, 0, 3, 1], dtype)), np.uint8)
    assert encoding_of(record(number)).decode(data, 4).tolist() == [100, 100, 103, 104]


def test_bits() -> None:
    values = [True, False, False, True, True, False, True, True, False, True]
    data = np.frombuffer(packed([int(value) for value in values], 1), np.uint8)
    found = encoding_of(record(0x00, 1)).decode(data, 10)
    assert found.dtype == np.bool_
    assert found.tolist() == values


@pytest.mark.parametrize("bits", [10, 16, 21, 31])
def test_truncated(bits: int) -> None:
    words = [struct.unpack("<I", struct.pack("<f", value))[0] >> (32 - bits) for value in (1.0, -2.5, 0.0, 1e9, 3.25)]
    found = encoding_of(record(0x1C, bits)).decode(np.frombuffer(packed(words, bits), np.uint8), 5)
    wanted = np.array([word << (32 - bits) for word in words], np.uint32).view(np.float32)
    assert found.dtype == np.float32
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("bits", [1, 7, 20, 32])
def test_quantized(bits: int) -> None:
    most = 2**bits - 1
    data = np.frombuffer(packed([0, most, most // 2], bits), np.uint8)
    found = encoding_of(record(0x1D, bits, min_value=-1.0, max_value=3.0)).decode(data, 3)
    assert found.tolist() == [-1.0, 3.0, np.float32(-1.0 + most // 2 * 4.0 / most)]


def test_a_page_of_another_size() -> None:
    with pytest.raises(ValueError, match="a page has 7 bytes instead of 8"):
        Encoding(np.dtype(np.float32), 32).decode(np.zeros(7, np.uint8), 2)


def test_an_unknown_type() -> None:
    with pytest.raises(KeyError):
        encoding_of(record(0x77))
