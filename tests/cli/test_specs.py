"""``mlaas4hep specs``: what it shows of lengths, and which files it scans again."""

import json
from pathlib import Path

import numpy as np

from tests.cli.invoke import FILES, Invoke, events_file, params


def test_widths_are_shown_with_what_they_cut_off(invoke: Invoke, folder: Path) -> None:
    answer = invoke("specs", *FILES)
    assert answer.status == 0, answer.err
    heads = [line for line in answer.out.splitlines() if line.startswith("branch")]
    assert heads[1].split("  ")[-3:] == ["cut values", "cut events", "padding bytes"]
    made = json.loads(invoke("specs", *FILES, "--json").out)
    row = next(row for row in made["width_report"] if row["branch"] == "jetPt")
    assert row["longest"] == made["jdim"]["jetPt"]
    assert row["cut_share"] <= 0.01
    assert made["events"]["total"] == row["events"]
    assert set(made["mean"]) == set(made["std"]) == {*made["fkeys"], *made["jkeys"]}


def test_files_that_did_not_change_are_kept(invoke: Invoke, folder: Path) -> None:
    first = json.loads(invoke("specs", *FILES, "--json").out)
    assert first["kept"] == []
    events_file(folder / "sig.root", 301, 9)
    answer = invoke("specs", *FILES)
    assert answer.out.splitlines()[-1] == "1 of 2 files did not change and were not scanned again"
    kept = json.loads((folder / "specs.json").read_text())
    assert kept["events"]["sig.root"] == 301
    again = json.loads(invoke("specs", *FILES, "--json").out)
    assert again["kept"] == ["sig.root", "bkg.root"]
    assert "did not change" not in invoke("specs", *FILES, "--rescan").out
    fresh = json.loads((folder / "specs.json").read_text())
    for key in ("jdim", "minv", "maxv", "counts", "quantiles", "lengths", "selected", "parts"):
        assert kept[key] == again[key] == fresh[key], key


def test_files_are_scanned_again_for_other_settings(invoke: Invoke, folder: Path) -> None:
    assert invoke("specs", *FILES).status == 0
    assert "did not change" not in invoke("specs", *FILES, *params(folder, sentinels=-999)).out
    assert "did not change" not in invoke("specs", *FILES, "--cut", "met > 0").out


def test_a_changed_file_is_scanned_again_for_training(invoke: Invoke, folder: Path) -> None:
    assert invoke("specs", *FILES, "--out", "made.json").status == 0
    events_file(folder / "sig.root", 301, 9, met=np.full(301, 1e4, np.float32))
    answer = invoke("flatten", *FILES, "--specs", "made.json", "--out", "chunks")
    assert answer.status == 0, answer.err
    assert "changed since the specs were made, and scanned again: sig.root" in answer.err
