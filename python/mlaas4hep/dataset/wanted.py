"""What a user wants of the events of files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlaas4hep.preproc import Preprocessing
from mlaas4hep.sentinels import Given
from mlaas4hep.sources import Reading
from mlaas4hep.splits import Split, SplitBy
from mlaas4hep.weights import Weights

__all__ = ["Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user wants of the events of files; see ``Dataset`` for what each means.

    ``labels`` are those of the inputs, or a branch or formula. ``common`` tells that only branches which all files
    have are inputs, ``skip`` that files which cannot be read are left out.
    """

    labels: Sequence[int] | Sequence[str] | str | None = None
    select: str | Iterable[str] | None = None
    exclude: str | Iterable[str] | None = None
    identifier: Sequence[str] = ()
    classes: Sequence[str] | None = None
    targets: Sequence[str] = ()
    weights: Weights = field(default_factory=Weights)
    split: Split = (0.64, 0.16, 0.2)
    seed: int = 21
    nevts: int = -1
    threads: int = 1
    preproc: Preprocessing = field(default_factory=Preprocessing)
    sentinels: Given = None
    common: bool = False
    skip: bool = False
    reading: Reading = field(default_factory=Reading)

    @property
    def by_input(self) -> Sequence[int] | Sequence[str] | None:
        """The labels of the inputs, if they have some."""
        return None if isinstance(self.labels, str) else self.labels

    @property
    def label(self) -> str | None:
        """The branch or formula that gives the label, if one does."""
        return self.labels if isinstance(self.labels, str) else None

    @property
    def split_by(self) -> SplitBy | None:
        """The values that mean parts, if these do not follow from fractions."""
        return self.split if isinstance(self.split, SplitBy) else None

    @property
    def draws(self) -> bool:
        """Whether events are drawn at random."""
        return self.weights.flatten is not None and self.weights.flatten.method == "sampling"

    @property
    def compares(self) -> bool:
        """Whether events of equal identifiers must be told apart, since parts do not follow from these."""
        return self.split_by is not None and len(self.identifier) > 0

    @property
    def made_with(self) -> list[object]:
        """What the specs of a file follow from, besides the file and its events: values of JSON."""
        weights = {
            name: value for name, value in self.weights.to_dict().items() if name in ("by", "negative", "flatten")
        }
        return [self.preproc.hash, self.sentinels, self.label, self.reading.key, list(self.targets), weights]
