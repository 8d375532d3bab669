"""Finite groups as permutations: elements in the order of the released group models, tables, classes.

An element is a row g of `elements`, the permutation i -> g[i]; the product x*y applies x first,
(x*y)[i] = y[x[i]].
"""

import dataclasses
import functools
import math
import re

import numpy as np
from jaxtyping import Float, Int

MOST_ELEMENTS = 1000
"""The largest group: its table of pairs has the square of this."""

# Coset representatives of a stabiliser chain. The released models number the elements as sympy 1.11.1 does,
# by the products of these; no shorter rule is known.
TRANSVERSALS = {
    "S3": ("012 120 201", "012 021"),
    "S4": ("0123 1230 2301 3120", "0123 0231 0312", "0123 0132"),
    "S5": (
        "01234 12340 23401 34012 41230",
        "01234 02143 03412 04123",
        "01423 01234 01243",
        "01234 01432",
    ),
    "S6": (
        "012345 123450 234501 345012 451230 512340",
        "012345 021354 031254 045123 051234",
        "013524 012534 012345 012354",
        "012345 013542 015243",
        "012345 012543",
    ),
    "A5": ("01234 12340 23401 34012 42130", "01234 02143 03124 04213", "01234 01342 01423"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """A finite group; n elements, each a permutation of `degree` points."""

    name: str
    elements: Int[np.ndarray, "n degree"]

    @property
    def order(self) -> int:
        """n, the number of elements."""
        return len(self.elements)

    @functools.cached_property
    def table(self) -> Int[np.ndarray, "n n"]:
        """The index of x*y at [x, y]: x is applied first."""
        degree = self.elements.shape[1]
        # degree^degree is too large for an integer where the degree is: two images of a cyclic or dihedral
        # element tell it
        few = self.elements[:, :2] if degree > 12 else self.elements
        number = lambda rows: rows @ (degree ** np.arange(rows.shape[-1], dtype=np.int64))
        numbers = number(few)
        by_number = np.argsort(numbers)
        products = number(self.elements[:, self.elements[:, : few.shape[1]]]).T
        return by_number[np.searchsorted(numbers, products, sorter=by_number)].astype(np.int32)

    @functools.cached_property
    def identity(self) -> int:
        """The index of the identity."""
        return int((self.elements == np.arange(self.elements.shape[1])).all(1).argmax())

    @functools.cached_property
    def inverses(self) -> Int[np.ndarray, " n"]:
        """The index of each element's inverse."""
        return (self.table == self.identity).argmax(1).astype(np.int32)

    @functools.cached_property
    def classes(self) -> Int[np.ndarray, " n"]:
        """The conjugacy class of each element, numbered by their first elements."""
        conjugates = self.table[self.table, self.inverses[:, None]]  # [g, x]: g x g^-1
        first = conjugates.min(0)
        return np.unique(first, return_inverse=True)[1].astype(np.int32)

    @property
    def matrices(self) -> Float[np.ndarray, "n degree degree"]:
        """The permutation matrices, M[i, g[i]] = 1: those of x and y multiply to that of x*y."""
        return np.eye(self.elements.shape[1])[self.elements]

    @property
    def signs(self) -> Int[np.ndarray, " n"]:
        """1 for even permutations, -1 for odd ones."""
        return signs(self.elements)


@functools.cache
def group(name: str) -> Group:
    """The group of a name: C113 cyclic, D7 dihedral (14 elements), A5 alternating, S5 symmetric.

    Cyclic: element k is i -> i + k. Dihedral: the rotations r^k, then the reflections r^k s.

    Raises ValueError for another name and for more than 1000 elements.
    """
    found = re.fullmatch(r"([CDAS])([1-9]\d*)", str(name))
    if not found:
        raise ValueError(f"group={name!r} must be C, D, A or S with a number: C113, D7, A5, S5")
    kind, n = found[1], int(found[2])
    order = {"C": n, "D": 2 * n, "A": math.factorial(min(n, 20)) // 2, "S": math.factorial(min(n, 20))}[kind]
    least = {"C": 2, "D": 3, "A": 3, "S": 2}[kind]
    if n < least or order > MOST_ELEMENTS:
        raise ValueError(
            f"group={name!r} has {order} elements; the number after {kind} must be at least {least}, "
            f"and the group can have at most {MOST_ELEMENTS} elements"
        )
    return Group(str(name), _elements(kind, n))


def _elements(kind: str, n: int) -> Int[np.ndarray, "n degree"]:
    points = np.arange(n)
    rotations = (points + points[:, None]) % n
    if kind == "C":
        return rotations
    if kind == "D":
        return np.concatenate([rotations, -rotations % n])
    if f"{kind}{n}" in TRANSVERSALS:
        return _products(TRANSVERSALS[f"{kind}{n}"])
    symmetric = _elements("S", n) if n > 2 else rotations
    return symmetric if kind == "S" else symmetric[signs(symmetric) > 0]


def _products(transversals: tuple[str, ...]) -> Int[np.ndarray, "n degree"]:
    """The products of one representative of each transversal; the first is applied last and runs fastest."""
    chain = [np.array([[int(i) for i in word] for word in words.split()]) for words in transversals]
    found = np.arange(chain[0].shape[1])[None]
    for representatives in reversed(chain):
        found = representatives[:, found].swapaxes(0, 1).reshape(-1, found.shape[1])
    return found


def signs(elements: Int[np.ndarray, "n degree"]) -> Int[np.ndarray, " n"]:
    """1 for even permutations, -1 for odd ones, by their inversions."""
    above = np.triu(np.ones((elements.shape[1],) * 2, bool), 1)
    inversions = ((elements[:, :, None] > elements[:, None, :]) & above).sum((1, 2))
    return 1 - 2 * (inversions % 2)
