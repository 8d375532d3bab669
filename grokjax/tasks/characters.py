"""Characters of the irreducible representations of a finite group, by the centre of its group algebra."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

from grokjax.tasks.permutations import Group


class Characters(NamedTuple):
    """The real isotypic parts of a group: a complex irrep stands together with its conjugate.

    names: those of the released models where they have one, else GROUP_DIMENSIONd and a letter
    dimensions: d of the irrep (of one of the two, for a complex pair)
    values: [R, n] the character of every element; of a complex pair the sum of both, 2 cos for a cyclic group
    multiplicities: 1, or 2 for a complex pair

    The projection on a part has the kernel d/n * values(g h^-1).
    """

    names: tuple[str, ...]
    dimensions: Int[np.ndarray, " R"]
    values: Float[np.ndarray, "R n"]
    multiplicities: Int[np.ndarray, " R"]


def table(group: Group, seed: int = 0) -> Complex[np.ndarray, "R classes"]:
    """The character table: a row for each irrep, a column for each conjugacy class, dimensions rising.

    A random Hermitian element of the centre acts on class functions with one eigenvalue for each irrep; the
    eigenvectors are the characters, scaled (Burnside, Dixon). Accurate to about 1e-9.
    """
    classes, sizes = group.classes, np.bincount(group.classes)
    number = len(sizes)
    first = np.unique(classes, return_index=True)[1]
    random = np.random.default_rng(seed)
    weight = random.normal(size=number) + 1j * random.normal(size=number)
    weight = weight + weight[classes[group.inverses[first]]].conj()
    # [x, k]: the class of x^-1 z_k, for one z_k of each class
    target = classes[group.table[group.inverses][:, first]]
    action = np.zeros((number, number), complex)
    np.add.at(action, (target, np.broadcast_to(np.arange(number), target.shape)), weight[classes][:, None])
    root = np.sqrt(sizes)
    _, vectors = np.linalg.eigh(action * root[None] / root[:, None])
    at_identity = vectors[classes[group.identity]]
    dimensions = np.abs(at_identity) * np.sqrt(group.order)
    characters = (vectors / at_identity * dimensions).T / root
    return characters[np.lexsort((-characters.real.sum(1).round(6), dimensions.round()))]


def real(group: Group) -> Characters:
    """The real isotypic parts with their names: trivial first, then by dimension."""
    complex_rows = table(group)[:, group.classes]
    kept: list[np.ndarray] = []
    for row in complex_rows:
        if not any(np.abs(row.conj() - other).max() < 1e-6 for other in kept):
            kept.append(row)
    pair = np.array([np.abs(row.imag).max() > 1e-6 for row in kept])
    values = np.array([2 * row.real if two else row.real for row, two in zip(kept, pair, strict=True)])
    dimensions = np.array([round(row[group.identity].real) for row in kept])
    names = _names(group, dimensions, values)
    order = sorted(range(len(names)), key=lambda i: _rank(names[i], int(dimensions[i])))
    return Characters(
        tuple(names[i] for i in order), dimensions[order], values[order], 1 + pair[order].astype(int)
    )


def _rank(name: str, dimension: int) -> tuple:
    known = ["trivial", "sign", "standard", "standard_sign"]
    frequency = int(name[5:]) if name.startswith("freq_") else 0
    return (known.index(name) if name in known else 9, dimension, frequency, name)


def _names(group: Group, dimensions: np.ndarray, values: np.ndarray) -> list[str]:
    """The name of each part: known characters first, letters for those that share a dimension."""
    known, names = _known(group), []
    for value in values:
        found = [name for name, other in known.items() if np.abs(value - other).max() < 1e-6]
        names.append(found[0] if found else "")
    rest = [i for i, name in enumerate(names) if not name]
    order = _order_of_letters(group, values)
    for d in sorted({int(dimensions[i]) for i in rest}):
        alike = sorted((i for i in rest if dimensions[i] == d), key=order)
        lettered = len(alike) > 1 or f"{group.name}_{d}" == "A5_5"  # the released models call it a5_5d_a
        for letter, i in zip("abcdefghijklmnopqrstuvwxyz", alike, strict=False):
            names[i] = f"{group.name.lower()}_{d}d" + f"_{letter}" * lettered
    return names


def _order_of_letters(group: Group, values: np.ndarray) -> Callable[[int], tuple]:
    """What the irreps of one dimension are sorted by, as the released models letter them.

    s5_5d_a is the partition 2+2+1, with -1 at a transposition; s6_5d_a is 3+3, with 1 there; a5_3d_a has the
    larger value at the cycle 0 -> 1 -> ... -> 0. All others: the larger value at an element that moves few
    points first.
    """
    points = np.arange(group.elements.shape[1])
    moved = (group.elements != points).sum(1)
    few = int(np.flatnonzero(moved == moved[moved > 0].min())[0])
    cycle = (group.elements == np.roll(points, -1)).all(1)
    at = int(cycle.argmax()) if group.name == "A5" else few
    sign = 1 if group.name == "S5" else -1
    return lambda i: (sign * round(float(values[i][at]), 6), tuple(values[i].round(6)))


def _known(group: Group) -> dict[str, np.ndarray]:
    """Characters by name that a formula gives."""
    elements, degree = group.elements, group.elements.shape[1]
    known = {"trivial": np.ones(len(elements))}
    shift = elements[:, 0]
    if group.name[0] == "C":
        for k in range(1, (degree + 1) // 2):
            known[f"freq_{k}"] = 2 * np.cos(2 * np.pi * k * shift / degree)
        if degree % 2 == 0:
            known["sign"] = (-1.0) ** shift
    elif group.name[0] == "D":
        rotation = np.arange(len(elements)) < degree
        for k in range(1, (degree + 1) // 2):
            known[f"freq_{k}"] = np.where(rotation, 2 * np.cos(2 * np.pi * k * shift / degree), 0.0)
        known["sign"] = np.where(rotation, 1.0, -1.0)
    else:
        fixed = (elements == np.arange(degree)).sum(1) - 1.0
        known |= {"sign": group.signs * 1.0, "standard": fixed, "standard_sign": fixed * group.signs}
    return known
