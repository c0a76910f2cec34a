"""Write a small CSV of the form of the ATLAS Higgs challenge, with invented events, so that the example runs at once.

The columns, their order, and -999 where a feature is not defined are those of the real ``training.csv``; the numbers
are drawn from simple shapes and are no physics.

    python make_sample.py training.csv 5000
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

DERIVED = (
    "mass_MMC mass_transverse_met_lep mass_vis pt_h deltaeta_jet_jet mass_jet_jet prodeta_jet_jet deltar_tau_lep "
    "pt_tot sum_pt pt_ratio_lep_tau met_phi_centrality lep_eta_centrality"
)
PRIMITIVE = (
    "tau_pt tau_eta tau_phi lep_pt lep_eta lep_phi met met_phi met_sumet jet_num jet_leading_pt jet_leading_eta "
    "jet_leading_phi jet_subleading_pt jet_subleading_eta jet_subleading_phi jet_all_pt"
)
FEATURES = [*(f"DER_{name}" for name in DERIVED.split()), *(f"PRI_{name}" for name in PRIMITIVE.split())]
ONE_JET = ("jet_leading",)
TWO_JETS = ("jet_jet", "jet_subleading", "lep_eta_centrality")
UNDEFINED = -999.0


def features(random: Generator, signal: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return a column for each feature, rounded to three digits as in the real file."""
    events = len(signal)
    jets = np.minimum(random.poisson(np.where(signal, 1.4, 0.9)), 3)
    columns = {name: random.gamma(2.0, 30.0, events) for name in FEATURES}
    for name in FEATURES:
        if name.endswith(("eta", "phi", "centrality")):
            columns[name] = random.normal(0.0, 1.5, events).clip(-3.142, 3.142)
    columns["DER_mass_MMC"] = random.normal(np.where(signal, 125.0, 95.0), np.where(signal, 15.0, 25.0)).clip(10.0)
    columns["DER_mass_transverse_met_lep"] = random.gamma(2.0, np.where(signal, 16.0, 24.0))
    columns["DER_mass_MMC"][random.random(events) < np.where(signal, 0.03, 0.2)] = UNDEFINED
    for name in FEATURES:
        least = 1 if any(part in name for part in ONE_JET) else 2 if any(part in name for part in TWO_JETS) else 0
        columns[name][jets < least] = UNDEFINED
    columns["PRI_jet_all_pt"][jets == 0] = 0.0
    return {name: column.round(3) for name, column in columns.items()} | {"PRI_jet_num": jets}


def write(path: Path, events: int, seed: int = 21) -> None:
    """Write so many events, a third of them signal."""
    random = np.random.default_rng(seed)
    signal = random.random(events) < 1 / 3
    columns = features(random, signal)
    weights = np.where(signal, 0.002, 2.0) * random.uniform(0.5, 1.5, events)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["EventId", *FEATURES, "Weight", "Label"])
        for event in range(events):
            row = [columns[name][event].item() for name in FEATURES]
            writer.writerow([100_000 + event, *row, weights[event].item(), "s" if signal[event] else "b"])


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
