"""The examples in docstrings hold."""

import doctest
import importlib
import pkgutil

import mlaas4hep
import pytest

MODULES = [module.name for module in pkgutil.walk_packages(mlaas4hep.__path__, "mlaas4hep.")]
NEEDS_EXTRA = ("mlaas4hep.evaluation", "mlaas4hep.frameworks", "mlaas4hep.sample", "mlaas4hep.train")


NEEDS_HIST = ("mlaas4hep.evaluation.binning", "mlaas4hep.evaluation.inputs", "mlaas4hep.evaluation.panels")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    if name.startswith(NEEDS_HIST):
        for package in ("hist", "matplotlib", "mplhep"):
            pytest.importorskip(package, reason="histograms need the extra [hist]")
    for package in ("torch", "xgboost"):
        if name in ("mlaas4hep.frameworks.feed", f"mlaas4hep.frameworks.{package}"):
            pytest.importorskip(package, reason=f"needs the extra [{package}]")
    if name.startswith(NEEDS_EXTRA):
        pytest.importorskip("keras", reason="training needs the extra [keras]")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
