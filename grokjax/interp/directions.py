"""What a probe found, as directions: angles between two of them, and edits of activations along one.

A matrix [D, classes] is a probe's W or its class means. What is the same for all classes in it says nothing
and is left out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from grokjax.interp import factorizations, probes
from grokjax.interp.probes import Probe

ROUNDING = 1e-5
"""What is below this share of a matrix's own size is not there: float32 rounds by less."""


def direction(matrix: Float[Array, "D 2"]) -> Float[Array, " D"]:
    """Returns the unit vector from class 0 to class 1 of two."""
    step = matrix[:, 1] - matrix[:, 0]
    return step / jnp.maximum(jnp.linalg.norm(step), 1e-30)


def cosine(matrix: Float[Array, "D 2"], other: Float[Array, "D 2"]) -> Float[Array, ""]:
    """Returns the cosine between the directions of two probes of two classes, −1 to 1."""
    return direction(matrix) @ direction(other)


def subspace(matrix: Float[Array, "D classes"]) -> Float[Array, "D classes-1"]:
    """Returns an orthonormal basis of what tells the classes apart.

    A dimension that is not there has a column of zeros. It is there where the classes differ in it by more
    than rounding of the whole matrix, what is common to the classes included.
    """
    centred = matrix - matrix.mean(1, keepdims=True)
    basis, size, _ = factorizations.svd(centred)
    return (basis * (size > ROUNDING * jnp.linalg.norm(matrix)))[:, : matrix.shape[1] - 1]


def principal_angles(
    matrix: Float[Array, "D classes"], other: Float[Array, "D other"]
) -> Float[Array, " angles"]:
    """Returns the degrees between the subspaces of two probes, the smallest first (Björck & Golub 1973).

    A dimension that is not there has 90.
    """
    with jax.default_matmul_precision("float32"):
        cosines = factorizations.svd(subspace(matrix).T @ subspace(other))[1]
    return jnp.degrees(jnp.arccos(jnp.clip(cosines, 0, 1)))


class Alike(NamedTuple):
    """How alike two places hold a feature of two classes, by probes fitted on either half of the examples.

    Every number has the noise of fitting anew. Row: the place of the probe; column: where it is read.
    probes, means: cosines of the probes' W, and of the class means
    transfer: balanced accuracy of a probe of one place at the other, as it is
    direction_only: the same with a threshold of its own there
    """

    probes: Float[Array, "2 2"]
    means: Float[Array, "2 2"]
    transfer: Float[Array, "2 2"]
    direction_only: Float[Array, "2 2"]


def alike(
    activation: Float[Array, "B D"], other: Float[Array, "B D"], classes: Int[Array, " B"], key: PRNGKeyArray
) -> Alike:
    """Returns how far two places hold two classes along the same direction."""
    first = probes.split(key, len(classes))
    weights = [probes.balanced(2, classes, weights=half) for half in (first, ~first)]
    places, hot = (activation, other), jax.nn.one_hot(classes, 2)
    fits = [[probes.ridge(x, hot, weights=w) for w in weights] for x in places]
    means = [[probes.class_means(2, x, classes, weights=w) for w in weights] for x in places]

    def as_it_is(i, j):
        return probes.score(fits[i][0], places[j], classes, weights=weights[1]).balanced

    def with_new_threshold(i, j):
        with jax.default_matmul_precision("float32"):
            margin = (places[j] @ direction(fits[i][0].W))[:, None]
        fit = probes.ridge(margin, hot, weights=weights[0])
        return probes.score(fit, margin, classes, weights=weights[1]).balanced

    return Alike(
        _table(_crossed([[fit.W for fit in pair] for pair in fits])),
        _table(_crossed(means)),
        _table(as_it_is),
        _table(with_new_threshold),
    )


def reflected(
    probe: Probe, along: Float[Array, " D"], activation: Float[Array, "B D"], *, strength: float = 1.0
) -> Float[Array, "B D"]:
    """Returns activations moved along a direction until a probe of two classes says the opposite as firmly.

    strength: how far of that way; 1 is all of it
    """
    with jax.default_matmul_precision("float32"):
        w, b = probe.W[:, 1] - probe.W[:, 0], probe.b[1] - probe.b[0]
        return activation - 2 * strength * ((activation @ w + b) / _not_zero(w @ along))[:, None] * along


def moved(step: Float[Array, " D"], classes: Array, activation: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Returns activations of class 0 moved by a step, and those of class 1 by its opposite."""
    return activation + (1 - 2 * classes)[:, None] * step


def _crossed(found):
    """The cosine between place i on one half of the examples and place j on the other, mean of both ways."""
    return lambda i, j: (cosine(found[i][0], found[j][1]) + cosine(found[i][1], found[j][0])) / 2


def _table(entry):
    return jnp.stack([jnp.stack([entry(i, j) for j in range(2)]) for i in range(2)])


def _not_zero(x):
    return jnp.where(jnp.abs(x) < 1e-12, 1e-12, x)
