"""What is known of the events of one file while the first pass goes over them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.dataset.checks import for_each
from mlaas4hep.dataset.events import LEFT_OUT, LOST
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.wanted import Wanted

__all__ = ["Learned"]


@dataclass(slots=True, eq=False)
class Learned:
    """What is known of the events of one file that are used, for each of them; arrays of what nobody wants are empty.

    ``parts`` are their parts, as :class:`Events` has them; ``positions`` those of their labels in the order in which
    these were first seen, ``MISSING`` where there is none; ``targets`` float32, a column each; ``weights`` float64;
    ``bins`` their places in a spectrum; ``uniforms`` a random number each, by which they are sampled or compared.
    ``outside`` counts events outside the spectrum, ``negative`` negative weights.
    """

    parts: NDArray[np.uint8]
    positions: NDArray[np.int32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float64]
    bins: NDArray[np.int32]
    uniforms: NDArray[np.float64]
    outside: int = 0
    negative: int = 0

    @classmethod
    def of(cls, file: File, wanted: Wanted, part: int) -> Self:
        """Return room for what a user wants of the events of a file, which are all of a part."""
        path, events, weights = file.input.path, file.used, wanted.weights
        room = events * len(wanted.targets)
        return cls(
            for_each(path, events, part, np.uint8),
            for_each(path, events if wanted.label is not None else 0, 0, np.int32),
            for_each(path, room, 0, np.float32).reshape(-1, max(1, len(wanted.targets))),
            for_each(path, events if weights else 0, 1, np.float64),
            for_each(path, events if weights.flatten else 0, 0, np.int32),
            for_each(path, events if wanted.draws or wanted.compares else 0, 0, np.float64),
        )

    def used_of(self, piece: slice) -> NDArray[np.bool_]:
        """Which events of a piece are used."""
        used: NDArray[np.bool_] = self.parts[piece] < LEFT_OUT
        return used

    @property
    def lost(self) -> bool:
        """Whether its file was skipped."""
        return bool((self.parts == LOST).any())
