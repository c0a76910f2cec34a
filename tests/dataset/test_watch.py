"""Counters of where the time of passes goes."""

from pathlib import Path

from mlaas4hep.dataset import Dataset
from mlaas4hep.dataset.watch import SECONDS, Watch

from tests.dataset.files import make_all


def test_all_passes_add_up(tmp_path: Path) -> None:
    dataset = Dataset(make_all(tmp_path, [40, 50]))
    dataset.specs()
    scanning = dataset.spent.scanning
    assert scanning > 0
    for _ in range(2):
        for _ in dataset.chunks(30):
            pass
    spent, last = dataset.spent, dataset.last_pass
    assert (spent.events, last.events, spent.scanning, last.scanning) == (180, 90, scanning, 0.0)
    assert spent.reading > last.reading >= 0
    assert spent.missing["x"] == 2 * last.missing["x"]
    assert min(last.fetching, last.decompression, last.decoding, last.flattening, last.waiting) > 0


def test_the_table_has_every_counter() -> None:
    text = Watch(events=1200, reading=1.5, decompression=0.25).table()
    assert text.splitlines()[0] == "Where the time went, 1,200 events in chunks"
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(SECONDS)
    assert "reading           1.50 s" in text
    assert "decompression     0.25 s" in text
