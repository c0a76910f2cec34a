"""What scan and plan mean, written down in plain NumPy: slow, without Rust, and the oracle of all tests.

Columns stand here in one form only, :class:`Column`; how they lie in memory is not this package's business.
:func:`scan` and :func:`merge` return ``specs.json``, :func:`run` interprets ``plan.json``; a function is a step's twin.
"""

from mlaas4hep._reference.column import Column
from mlaas4hep._reference.formulas import Value
from mlaas4hep._reference.matrix import Result, evaluate, run
from mlaas4hep._reference.scanning import merge, promote, scan

__all__ = ["Column", "Result", "Value", "evaluate", "merge", "promote", "run", "scan"]
