"""The rules for parts and order, written down as plainly as they stand in the documentation; slow."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

SPLIT = (0.64, 0.16, 0.2)


def splitmix64(state: int) -> int:
    mask = 2**64 - 1
    z = (state + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def bits(value: int | float) -> int:
    """An integer as 64 bits, a float as the bits of a float64."""
    if isinstance(value, float):
        return int.from_bytes(struct.pack("<d", value), "little")
    return int(value) % 2**64


def part(seed: int, file: int, identity: Sequence[int | float], split: Sequence[float] = SPLIT) -> int:
    """The part of one event, which is known by its entry or by its identifiers."""
    value = splitmix64((splitmix64(seed) + file) % 2**64)
    for number in identity:
        value = splitmix64((value + bits(number)) % 2**64)
    u = (value >> 11) * 2.0**-53
    if u < split[0]:
        return 0
    return 1 if u < split[0] + split[1] else 2


def shares(sizes: Sequence[int], wanted: int) -> list[int]:
    """So many events of files of these sizes, in proportion, by the largest remainder."""
    total = sum(sizes)
    if wanted >= total:
        return list(sizes)
    exact = [Fraction(size * wanted, total) for size in sizes]
    taken = [int(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda file: (taken[file] - exact[file], file))
    for file in order[: wanted - sum(taken)]:
        taken[file] += 1
    return taken


def mixed(counts: Sequence[int]) -> list[int]:
    """The file of every position."""
    total, taken, order = sum(counts), [0] * len(counts), []
    for position in range(1, total + 1):
        may = [i for i, n in enumerate(counts) if taken[i] < Fraction(position * n, total)]
        file = min(may, key=lambda i: (Fraction((taken[i] + 1) * total, counts[i]), i))
        taken[file] += 1
        order.append(file)
    return order


def positions(wanted: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """File and entry of every position, from the entries that are wanted of each file."""
    left = [iter(entries) for entries in wanted]
    return [(file, next(left[file])) for file in mixed([len(entries) for entries in wanted])]


def shards(counts: Sequence[int], world: int) -> list[list[range]]:
    """The range of each stream's events that each of several readers gets: what is left over is dealt one by one."""
    turn, sizes = 0, []
    for count in counts:
        of_stream = [count // world] * world
        for _ in range(count % world):
            of_stream[turn % world] += 1
            turn += 1
        sizes.append(of_stream)
    return [[range(sum(of[:rank]), sum(of[: rank + 1])) for of in sizes] for rank in range(world)]


def pieces(events: int, largest: int, size: int) -> list[range]:
    """The positions of the pieces of a shard, as many as the largest one has; none is empty that need not be."""
    starts = [min(start, events) for start in range(0, largest, size)]
    if starts and starts[-1] == events and size > 1 and len(starts) > 1:
        starts[-1] -= 1
    return [range(start, stop) for start, stop in pairwise([*starts, events])]
