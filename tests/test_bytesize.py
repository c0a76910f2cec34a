"""Sizes in bytes as users write them."""

import pytest
from mlaas4hep.bytesize import bytes_text, parse_bytes
from mlaas4hep.errors import ParamsError


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (1, 1),
        (4096.0, 4096),
        ("17", 17),
        ("17 B", 17),
        ("1 kB", 1000),
        ("1KiB", 1024),
        (" 2.5 MB ", 2_500_000),
        ("3 mib", 3 * 2**20),
        ("2 GB", 2 * 10**9),
        ("2GiB", 2**31),
        ("1 TB", 10**12),
        ("1 TiB", 2**40),
    ],
)
def test_what_is_a_size(given: object, size: int) -> None:
    assert parse_bytes("memory", given) == size


@pytest.mark.parametrize(
    "given", [0, -1, 0.5, True, None, "", "GB", "2 G", "-2 GB", "2 GB!", "1e9", float("nan"), float("inf"), [1]]
)
def test_what_is_none(given: object) -> None:
    with pytest.raises(ParamsError, match=r"^memory is .*; it must be a number of bytes, or a text as '500 MB' or"):
        parse_bytes("memory", given)


def test_sizes_for_people() -> None:
    assert [bytes_text(size) for size in (0, 999, 5e3, 123e6, 2e9, 3.5e12)] == [
        "0 B",
        "999 B",
        "5.00 kB",
        "123 MB",
        "2.00 GB",
        "3.50 TB",
    ]
