"""What a probe found, as directions: angles between two of them, and edits of a run along one.

A matrix [D, classes] is a probe's W or its class means; what is the same for all classes in it says nothing
and is left out.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations, factorizations, probes
from grokjax.interp.addition import features
from grokjax.interp.addition.evaluation_sets import Problems
from grokjax.interp.probes import Probe
from grokjax.tasks.layout import permutation


def direction(matrix: Float[Array, "D 2"]) -> Float[Array, " D"]:
    """The unit vector from class 0 to class 1 of two."""
    step = matrix[:, 1] - matrix[:, 0]
    return step / jnp.maximum(jnp.linalg.norm(step), 1e-30)


def cosine(matrix: Float[Array, "D 2"], other: Float[Array, "D 2"]) -> Float[Array, ""]:
    """Between the directions of two probes of two classes, −1 to 1."""
    return direction(matrix) @ direction(other)


def subspace(matrix: Float[Array, "D classes"]) -> Float[Array, "D classes-1"]:
    """An orthonormal basis of what tells the classes apart; a column of zeros for each dimension that is not
    there.
    """
    centred = matrix - matrix.mean(1, keepdims=True)
    basis, size = factorizations.singular(centred)
    return (basis * (size > 1e-5 * size[0]))[:, : matrix.shape[1] - 1]


def principal_angles(
    matrix: Float[Array, "D classes"], other: Float[Array, "D other"]
) -> Float[Array, " angles"]:
    """Degrees between the subspaces of two probes, the smallest first (Björck & Golub 1973); 90 for a
    dimension that is not there.
    """
    with jax.default_matmul_precision("float32"):
        cosines = factorizations.singular(subspace(matrix).T @ subspace(other))[1]
        return jnp.degrees(jnp.arccos(jnp.clip(cosines, 0, 1)))


class Alike(NamedTuple):
    """Two places that hold a feature of two classes, seen by probes fitted on either half of the examples, so
    that every number has the noise of fitting anew. First or second row: the probe's place. Cosines of
    probes' W and of class means [2, 2]; and of the probe of one place at another [2, 2] the balanced
    accuracy, as it is and with a threshold of its own there."""

    probes: Float[Array, "2 2"]
    means: Float[Array, "2 2"]
    transfer: Float[Array, "2 2"]
    direction_only: Float[Array, "2 2"]


def alike(
    activation: Float[Array, "B D"], other: Float[Array, "B D"], classes: Int[Array, " B"], key: PRNGKeyArray
) -> Alike:
    """How far two places hold two classes along the same direction."""
    first = probes.split(key, len(classes))
    weights = [probes.balanced(2, classes, weights=half) for half in (first, ~first)]
    places, hot = (activation, other), jax.nn.one_hot(classes, 2)
    fits = [[probes.ridge(x, hot, weights=w) for w in weights] for x in places]
    means = [[probes.class_means(2, x, classes, weights=w) for w in weights] for x in places]
    table = lambda entry: jnp.stack([jnp.stack([entry(i, j) for j in range(2)]) for i in range(2)])
    crossed = lambda found: table(
        lambda i, j: (cosine(found[i][0], found[j][1]) + cosine(found[i][1], found[j][0])) / 2
    )

    def as_it_is(i, j):
        return probes.score(fits[i][0], places[j], classes, weights=weights[1]).balanced

    def with_new_threshold(i, j):
        with jax.default_matmul_precision("float32"):
            margin = (places[j] @ direction(fits[i][0].W))[:, None]
        return probes.score(
            probes.ridge(margin, hot, weights=weights[0]), margin, classes, weights=weights[1]
        ).balanced

    return Alike(
        crossed([[fit.W for fit in pair] for pair in fits]),
        crossed(means),
        table(as_it_is),
        table(with_new_threshold),
    )


def reflected(
    probe: Probe, along: Float[Array, " D"], activation: Float[Array, "B D"], *, strength: float = 1.0
) -> Float[Array, "B D"]:
    """Activations moved along a direction until a probe of two classes says the opposite as firmly;
    `strength` 1 is all the way.
    """
    with jax.default_matmul_precision("float32"):
        w, b = probe.W[:, 1] - probe.W[:, 0], probe.b[1] - probe.b[0]
        return activation - 2 * strength * ((activation @ w + b) / _not_zero(w @ along))[:, None] * along


def moved(step: Float[Array, " D"], classes: Array, activation: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Activations of class 0 moved by a step, those of class 1 by its opposite."""
    return activation + (1 - 2 * classes)[:, None] * step


class Flips(NamedTuple):
    """What an edit does to an answer digit: share of problems answered as if the carry were the other one, as
    before the edit was right, and otherwise; mean rise of the log-odds of the first against the second
    (nats)."""

    flipped: Float[Array, ""]
    kept: Float[Array, ""]
    other: Float[Array, ""]
    log_odds: Float[Array, ""]


def flips(
    config: ModelConfig,
    task: Any,
    digit: int,
    params: PyTree,
    problems: Problems,
    edited: Float[Array, "B D"],
    *,
    site: str = "blocks.0.resid_mid",
) -> Flips:
    """The effect on a digit's answer of putting activations in the place of a site's, at the one position
    that predicts it.
    """
    place = 0 if task.mode == "single" else task.columns.index(digit)
    position, tokens = task.read[min(place, len(task.read) - 1)], jnp.asarray(problems.tokens)
    value, answer = jnp.asarray(permutation(task)), features.answer_digit(problems, task.base, digit)
    right, wrong = (
        value[answer],
        value[(answer + 1 - 2 * features.carry(problems, task.base, digit)) % task.base],
    )

    def log_odds(edits):
        logits = activations.cached(config, params, tokens, edits)[0][:, jnp.asarray(task.read)]
        logits = objective.by_answer(task, logits)[:, place]
        odds = jnp.take_along_axis(logits, wrong[:, None], 1) - jnp.take_along_axis(logits, right[:, None], 1)
        return odds[:, 0], logits.argmax(-1)

    before, _ = log_odds(None)
    after, said = log_odds({site: lambda x: x.at[:, position].set(edited)})
    flipped, kept = (said == wrong).mean(), (said == right).mean()
    return Flips(flipped, kept, 1 - flipped - kept, (after - before).mean())


def _not_zero(x):
    return jnp.where(jnp.abs(x) < 1e-12, 1e-12, x)
