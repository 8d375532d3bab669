"""How much two sets have in common."""

from collections.abc import Set


def common_share(first: Set[int], second: Set[int]) -> float:
    """Returns the share of the members of either set that are in both (Jaccard); 0 of two empty sets."""
    return len(first & second) / max(len(first | second), 1)


def common_share_by_chance(first: int, second: int, size: int) -> float:
    """Returns about the common share of two random sets of these sizes, out of `size` members.

    It is that of sets with as many common members as are expected.
    """
    both = first * second / size
    return both / max(first + second - both, 1e-9)
