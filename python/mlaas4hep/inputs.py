"""Which files to read and which labels they have: what users write in ``files.txt`` and ``labels.txt``."""

import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import SupportsIndex

from mlaas4hep.errors import ParamsError, SourceError, nearest

__all__ = [
    "Entry",
    "Files",
    "Input",
    "is_file",
    "is_list",
    "is_url",
    "pair_labels",
    "parse_files",
    "parse_labels",
    "read_list",
    "resolve",
]

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str | os.PathLike[str], str]
"""What a user may give as files: one or several, a list of them, a text with commas, or files with their trees."""

LISTS = (".txt", ".list")
WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
TREE = re.compile(r"(?P<url>[A-Za-z][A-Za-z0-9+.-]+://[^/?]*/[^?]*?):(?P<tree>[^:?]*)")
"""A URL with a colon in its path, and what stands behind the last one."""
DRIVE = re.compile(r"[A-Za-z]:[\\/]")

Find = Callable[[str], list[str]]
"""Returns the URLs that match a pattern."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read.

    ``number`` is its position after all globs are expanded, ``line`` the position of the input that it
    comes from: labels pair with that.
    """

    path: str
    tree: str | None
    number: int
    line: int

    def __str__(self) -> str:
        return self.path if self.tree is None else f"{self.path}:{self.tree}"


class Entry(str):
    """A line of a list file, which knows where it stands."""

    __slots__ = ("line", "source")

    def __new__(cls, text: str, source: str, line: int) -> "Entry":
        """Make the text of a line that stands in the file ``source``."""
        entry = super().__new__(cls, text)
        entry.source, entry.line = source, line
        return entry

    source: str
    line: int


def is_list(name: str) -> bool:
    """Tell whether a file of this name is a list of inputs."""
    return name.lower().endswith(LISTS)


def is_url(path: str) -> bool:
    """Tell whether a text begins like a URL, as in ``root://host//path``."""
    return URL.match(path) is not None


def is_file(path: str) -> bool:
    """Tell whether a text, which may be too long or otherwise no path at all, is the path of a file."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def read_list(path: str | os.PathLike[str]) -> list[str]:
    """Return the lines of a text file without comments, which begin with ``#``, and without empty lines."""
    name = os.fspath(path)
    try:
        text = Path(name).read_text("utf-8-sig")
    except FileNotFoundError:
        raise SourceError(f"{name}: there is no such list{_neighbour(name)}") from None
    except OSError as error:
        raise SourceError(f"{name}: the list cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ParamsError(f"{name}: this is no text file; it should have an entry a line") from None
    except ValueError as error:
        raise SourceError(f"{name!r} is no path of a list: {error}") from None
    lines = ((number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1))
    return [Entry(line, name, number) for number, line in lines if line]


def parse_files(text: str) -> list[str]:
    """Return the inputs of a list file, a data file, or a text with commas."""
    if is_list(text):
        entries = read_list(text)
        if not entries:
            raise ParamsError(f"{text}: the list has no inputs; write a file a line")
        return entries
    if is_file(text):
        return [text]
    entries = [part.strip() for part in text.split(",") if part.strip()]
    if not entries:
        raise ParamsError("there are no input files; name a list, a file, or several with commas between")
    return entries


def resolve(
    files: Files,
    tree: str | None = None,
    redirector: str = "",
    find: Find = lambda pattern: [pattern],
) -> list[Input]:
    """Return the files that are meant, with globs expanded; a local one must exist.

    ``files`` may be a mapping of files to their trees. ``tree`` is for inputs that name none. A relative path in a
    list is looked for in the working directory, then in the list's own folder. What exists nowhere here is looked for
    behind ``redirector``. ``find`` expands the globs of URLs.
    """
    trees: dict[str, str] = {}
    if isinstance(files, Mapping):
        trees = {os.fspath(path): own for path, own in files.items()}
    entries = parse_files(os.fspath(files)) if isinstance(files, (str, os.PathLike)) else list(files)
    if not entries:
        raise ParamsError("there are no input files")
    inputs: list[Input] = []
    for line, entry in enumerate(entries):
        paths, own = _expand(entry, redirector, find, whole=bool(trees))
        own = trees.get(os.fspath(entry)) or own or tree
        inputs += [Input(path, own, len(inputs) + at, line) for at, path in enumerate(paths)]
    return inputs


def parse_labels(text: str, inputs: int) -> str | list[int] | list[str]:
    """Return each input's label from a text file or a text with commas, else the name of the label branch.

    With a single input an integer is its label.
    """
    if is_file(text) or (is_list(text) and "," not in text):
        return pair_labels([_label(entry) for entry in read_list(text)], inputs, text)
    if "," in text:
        return pair_labels([_label(part.strip()) for part in text.split(",")], inputs)
    if not text.strip():
        raise ParamsError("labels are empty; name a file, a list as in 1,0, or the branch that holds the label")
    label = _label(text.strip())
    return [label] if isinstance(label, int) and inputs == 1 else text.strip()


def pair_labels(labels: Sequence[object], inputs: int, where: str = "labels") -> list[int] | list[str]:
    """Return labels that fit so many inputs: all integers, or all names of classes."""
    if len(labels) != inputs:
        raise ParamsError(f"{where}: {len(labels)} labels for {inputs} inputs; give each input one label")
    numbers = [operator.index(label) for label in labels if isinstance(label, SupportsIndex)]
    names = [label for label in labels if isinstance(label, str) and label]
    if len(numbers) == len(labels):
        return numbers
    if len(names) == len(labels):
        return names
    if len(numbers) + len(names) == len(labels):
        raise ParamsError(
            f"{where}: {numbers[0]} is an integer, {names[0]!r} a name; labels are all integers or all names"
        )
    wrong = next(label for label in labels if not (isinstance(label, (str, SupportsIndex)) and label != ""))
    raise ParamsError(f"{where}: {wrong!r} is no label; a label is an integer or the name of a class")


def _label(text: str) -> int | str:
    return int(text) if WHOLE.fullmatch(text) else text


def _expand(entry: str | os.PathLike[str], redirector: str, find: Find, *, whole: bool) -> tuple[list[str], str | None]:
    """The files of one input, and the tree behind the colon; ``whole``: no colon parts path and tree."""
    text = os.path.expanduser(os.fspath(entry))  # noqa: PTH111 (a Path would drop what makes a URL)
    where = f"{entry.source}, line {entry.line}: " if isinstance(entry, Entry) else ""
    if is_url(text):
        return _remote(text, find, where, whole=whole)
    folder = Path(entry.source).parent if isinstance(entry, Entry) else None
    splits = [(text, None)] if whole else _splits(text)
    for path, tree in splits:
        found = _find(path) or (_find(str(folder / path)) if folder else [])
        if found:
            return found, tree
    path, tree = next((split for split in reversed(splits) if Path(split[0]).suffix), splits[0])
    if redirector and not _is_folder(path):
        return _remote(_behind(redirector, path), find, where, whole=True)[0], tree
    raise SourceError(f"{where}{_missing(path)}")


def _remote(text: str, find: Find, where: str, *, whole: bool) -> tuple[list[str], str | None]:
    """The URLs of one input, and the tree behind the colon of their path."""
    parted = None if whole else TREE.fullmatch(text)
    url, tree = (parted["url"], parted["tree"] or None) if parted else (text, None)
    if not has_magic(url.partition("?")[0]):
        return [url], tree
    found = find(url)
    if not found:
        raise SourceError(f"{where}{url}: no file matches this pattern")
    return found, tree


def _behind(redirector: str, path: str) -> str:
    """The URL of a path behind a redirector; XRootD marks an absolute path by two slashes."""
    slashes = "//" if redirector.startswith(("root:", "xroot:", "roots:", "xroots:")) else "/"
    return f"{redirector.rstrip('/')}{slashes}{path.lstrip('/')}"


def _splits(text: str) -> list[tuple[str, str | None]]:
    """Every way to part a path from a tree, longest path first; the colon of a Windows drive is no mark."""
    first = 2 if DRIVE.match(text) else 0
    marks = [at for at in range(len(text) - 1, first, -1) if text[at] == ":"]
    return [(text, None), *((text[:at], text[at + 1 :] or None) for at in marks)]


def _find(path: str) -> list[str]:
    """The file of this name, else the files that match it as a glob, sorted."""
    if is_file(path):
        return [path]
    found = glob(path, recursive=True) if has_magic(path) else []  # noqa: PTH207 (a pattern may be absolute)
    return sorted(name for name in found if is_file(name))


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _missing(path: str) -> str:
    if has_magic(path):
        return f"{path}: no file matches this pattern"
    if _is_folder(path):
        return f"{path}: this is a folder; name its files, as in {str(Path(path) / '*.root')!r}"
    try:
        Path(path).stat()
    except FileNotFoundError:
        return f"{path}: there is no such file{_neighbour(path)}"
    except (OSError, ValueError) as error:
        return f"{path[:60]}...: this is no path: {getattr(error, 'strerror', None) or error}"
    return f"{path}: this is no ordinary file"


def _neighbour(path: str) -> str:
    """The most similar name in the same folder, or that there is no such folder."""
    folder = Path(path).parent
    try:
        return nearest(Path(path).name, sorted(found.name for found in folder.iterdir()))
    except (OSError, ValueError):
        return f", nor a folder {str(folder)!r} that can be read"
