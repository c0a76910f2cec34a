"""What became of every event: found in files, used, put into parts, delivered. The sums must agree."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from mlaas4hep.dataset.cutflow import FileFlow
from mlaas4hep.dataset.events import CUT, DROPPED, LEFT_OUT, LOST, Events
from mlaas4hep.dataset.files import File
from mlaas4hep.dataset.table import aligned, short
from mlaas4hep.errors import LedgerError

__all__ = ["Account", "Delivery", "Ledger", "accounts_of"]

HEADINGS = {"missing_label": "no label"}


@dataclass(frozen=True, slots=True)
class Account:
    """The events of one file: ``entries`` is the sum of all others.

    ``unused`` are behind the first ones that are used (``nevts``), ``cut`` did not pass the cuts, ``missing_label``
    have no label or lack a target, ``dropped`` were left out for their weight; ``train``, ``validation`` and ``test``
    are the parts, and ``failed`` could not be read, in a file that was skipped.
    """

    file: str
    entries: int
    unused: int
    cut: int
    missing_label: int
    dropped: int
    train: int
    validation: int
    test: int
    failed: int

    @property
    def read(self) -> int:
        """Events that are used and can be read."""
        return self.entries - self.unused - self.failed

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "read": self.read}


NUMBERS = [field.name for field in fields(Account) if field.name != "file"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What passes over a part delivered, file by file in the order of the ledger.

    ``scheduled`` = ``delivered`` + ``failed`` where all of the ``passes`` are ``complete``; otherwise one of them was
    left early. ``part`` is ``"all"`` for passes over all parts.
    """

    part: str
    passes: int
    complete: bool
    scheduled: tuple[int, ...]
    delivered: tuple[int, ...]
    failed: tuple[int, ...]

    def plus(self, other: "Delivery") -> "Delivery":
        """Return both together."""
        sums = (
            tuple(a + b for a, b in zip(getattr(self, name), getattr(other, name), strict=True))
            for name in ("scheduled", "delivered", "failed")
        )
        return Delivery(self.part, self.passes + other.passes, self.complete and other.complete, *sums)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        sums = {name: sum(getattr(self, name)) for name in ("scheduled", "delivered", "failed")}
        known = {"part": self.part, "passes": self.passes, "complete": self.complete}
        return known | sums | {"delivered_by_file": list(self.delivered)}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of every event of a dataset, in its first pass and in its passes over chunks.

    Attributes
    ----------
    files
        The account of each file.
    unopened
        Files that were skipped because they cannot be opened: nobody knows how many events they have.
    passes
        What was delivered, summed over the passes of a part.
    last
        What the last pass delivered; None before the first one.

    Examples
    --------
    >>> files = (Account("sig.root", 10, 0, 2, 0, 0, 5, 2, 1, 0), Account("bkg.root", 20, 4, 1, 0, 0, 9, 3, 3, 0))
    >>> delivery = Delivery("train", 1, True, (5, 9), (5, 9), (0, 0))
    >>> print(Ledger(files, (), (delivery,), delivery).table())
    File       entries  unused  cut  train  validation  test  train delivered
    sig.root        10       0    2      5           2     1                5
    bkg.root        20       4    1      9           3     3                9
    all files       30       4    3     14           5     4               14
    """

    files: tuple[Account, ...]
    unopened: tuple[str, ...] = ()
    passes: tuple[Delivery, ...] = ()
    last: Delivery | None = None

    @classmethod
    def of(cls, files: tuple[Account, ...], unopened: Iterable[str], deliveries: Sequence[Delivery]) -> "Ledger":
        """Return the ledger after these passes."""
        passes: dict[str, Delivery] = {}
        for one in deliveries:
            passes[one.part] = passes[one.part].plus(one) if one.part in passes else one
        return cls(files, tuple(unopened), tuple(passes.values()), deliveries[-1] if deliveries else None)

    @property
    def total(self) -> Account:
        """All files together."""
        return Account("all files", *(sum(getattr(file, name) for file in self.files) for name in NUMBERS))

    @property
    def complete(self) -> bool:
        """Whether no pass was left early."""
        return all(one.complete for one in self.passes)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "complete": self.complete,
            "total": self.total.to_dict(),
            "files": [file.to_dict() for file in self.files],
            "unopened": list(self.unopened),
            "passes": [one.to_dict() for one in self.passes],
        }

    def rows(self) -> list[list[str]]:
        """Return the lines of a table: a file each, and all together; columns of nothing but zeros are left out."""
        total = self.total
        always = ("entries", "train", "validation", "test")
        names = [name for name in NUMBERS if name in always or getattr(total, name)]
        heads = [HEADINGS.get(name, name) for name in names]
        heads += [f"{one.part} delivered{'' if one.complete else ' (left early)'}" for one in self.passes]
        numbers = [[getattr(file, name) for name in names] for file in self.files]
        for row, *delivered in zip(numbers, *(one.delivered for one in self.passes), strict=True):
            row += delivered
        sums = [getattr(total, name) for name in names] + [sum(one.delivered) for one in self.passes]
        lines = [*zip((file.file for file in self.files), numbers, strict=True), (total.file, sums)]
        return [["File", *heads], *([short(name), *(f"{number:,}" for number in row)] for name, row in lines)]

    def table(self) -> str:
        """Return the table as a text."""
        return aligned(self.rows())


def accounts_of(files: Sequence[File], events: Sequence[Events], flows: Sequence[FileFlow]) -> tuple[Account, ...]:
    """Return the account of each file; ``LedgerError`` where the sums do not agree.

    ``flows`` are what the first pass counted; none where it did not read.
    """
    accounts = [_account(file, found) for file, found in zip(files, events, strict=True)]
    for account in accounts:
        if account.entries != (used := sum(getattr(account, name) for name in NUMBERS[1:])):
            raise LedgerError(_wrong(account, f"it has {account.entries} entries, of which {used} are accounted for"))
    for account, flow in zip(accounts, flows, strict=bool(flows)):
        counted = flow.read - flow.survived, flow.left_out
        if flow.read and counted != (account.cut, account.missing_label):
            noted = f"but {account.cut} and {account.missing_label} are noted"
            raise LedgerError(_wrong(account, f"{counted[0]} events were cut and {counted[1]} have no label, {noted}"))
    return tuple(accounts)


def _account(file: File, events: Events) -> Account:
    counts = np.bincount(events.parts, minlength=DROPPED + 1).tolist()
    return Account(
        file=str(file.input),
        entries=file.entries,
        unused=file.entries - file.used,
        cut=counts[CUT],
        missing_label=counts[LEFT_OUT],
        dropped=counts[DROPPED],
        train=counts[0],
        validation=counts[1],
        test=counts[2],
        failed=counts[LOST],
    )


def _wrong(account: Account, what: str) -> str:
    return f"{account.file}: the ledger does not agree: {what}; this is a mistake of mlaas4hep, please report it"
