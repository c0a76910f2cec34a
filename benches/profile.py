"""Where both passes over a generated ROOT file spend their time: what ``verbose`` 2 prints."""

import tempfile
from pathlib import Path

import mlaas4hep as m

from benches.files import LARGE, SMALL, root_file

EVENTS = 200_000


def main() -> None:
    """Print a table for small and for large baskets."""
    with tempfile.TemporaryDirectory() as folder:
        for basket in (SMALL, LARGE):
            dataset = m.Dataset(root_file(Path(folder), EVENTS, basket))
            for _ in dataset.chunks(100_000):
                pass
            print(f"\nBaskets of {basket:,} events, ZLIB level 1\n{dataset.spent.table()}")


if __name__ == "__main__":
    main()
