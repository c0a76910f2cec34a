"""Which jagged branches are one collection, and how it is called: what a user declares, or what sources know."""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Groups", "by_counter", "by_record", "name_of_counter", "named", "whole"]

Groups = dict[str, list[str]]
"""Names of branches by the name of their collection."""


def name_of_counter(counter: str) -> str:
    """Return the name of the collection that a branch counts: without its leading n.

    >>> name_of_counter("nJet"), name_of_counter("njetPt"), name_of_counter("size")
    ('Jet', 'jetPt', 'size')
    """
    return counter[1:] if counter.startswith("n") and len(counter) > 1 else counter.rstrip("_") or counter


def by_record(branches: Iterable[str]) -> Groups:
    """Return the fields of each record, as their names tell.

    >>> by_record(["Jet.pt", "Jet.eta", "lepPt"])
    {'Jet': ['Jet.eta', 'Jet.pt']}
    """
    groups: Groups = {}
    for branch in sorted(branches):
        record, dot, _ = branch.rpartition(".")
        if dot and record:
            groups.setdefault(record, []).append(branch)
    return groups


def by_counter(counters: Mapping[str, str]) -> Groups:
    """Return jagged branches that have one counter, or else are fields of one record; a counter may be empty.

    >>> by_counter({"Jet_pt": "nJet", "Jet_eta": "nJet", "Mu.pt": "", "x": ""})
    {'Mu': ['Mu.pt'], 'Jet': ['Jet_eta', 'Jet_pt']}
    """
    groups: Groups = {}
    for branch in sorted(counters):
        if counters[branch]:
            groups.setdefault(name_of_counter(counters[branch]), []).append(branch)
    return by_record(branch for branch in counters if not counters[branch]) | groups


def named(groups: Iterable[Sequence[str]]) -> Groups:
    """Return groups of branches under the words that their names begin with, or the first branch's name.

    >>> named([["jetPhi", "jetPt"], ["a", "b"], ["mu_e", "mu_pt"]])
    {'jet': ['jetPhi', 'jetPt'], 'a': ['a', 'b'], 'mu': ['mu_e', 'mu_pt']}
    """
    found: Groups = {}
    for group in groups:
        branches = sorted(group)
        name = _common(branches) if len(branches) > 1 else branches[0]
        found[branches[0] if name in found else name] = branches
    return found


def _common(branches: Sequence[str]) -> str:
    """The words that all names begin with, or the first name where there is none."""
    prefix = branches[0]
    while prefix and not all(_begins(branch, prefix) for branch in branches):
        prefix = prefix[:-1]
    return prefix.rstrip("_.") or branches[0]


def _begins(name: str, prefix: str) -> bool:
    """Whether a name begins with the prefix, and a word of it ends there."""
    behind = name[len(prefix) : len(prefix) + 1]
    return name.startswith(prefix) and (prefix[-1] in "_." or not behind.islower())


def whole(groups: Mapping[str, Sequence[str]], jagged: Sequence[str]) -> Groups:
    """Return groups of the branches that there are; each of the others is a collection of its own.

    >>> whole({"jet": ["jetEta", "jetPt", "jetE"]}, ["jetEta", "jetPt", "lepPt"])
    {'jet': ['jetEta', 'jetPt'], 'lepPt': ['lepPt']}
    """
    kept = {name: [branch for branch in group if branch in jagged] for name, group in groups.items()}
    found = {name: group for name, group in kept.items() if group}
    grouped = {branch for group in found.values() for branch in group}
    for branch in jagged:
        if branch not in grouped:
            found[branch] = [branch]
    return found
