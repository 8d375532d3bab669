"""Whether a run holds a carry along the same direction in two places, and what edits along it do."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.mechanism.carry_reading import KEY, SITES, columns, labels, own
from grokjax.interp import activations, directions, probes
from grokjax.interp.addition import carry_edits, evaluation_sets, features
from grokjax.run import Run

WAYS = ("class means", "random", "reflected along means", "reflected along probe")


class Compared(NamedTuple):
    """Of one carry: how alike its directions are at the two sites, and what edits along them do.

    whitened: as `alike.probes`, but the correlation of the two probes' outputs within the classes, on the
      activations of either site: a direction in which nothing varies does not count
    """

    alike: directions.Alike
    whitened: Float[Array, "2 2"]
    turned: dict[str, carry_edits.Flips]


def compare(drawn: evaluation_sets.Problems, few: evaluation_sets.Problems, run: Run) -> Compared:
    """Of one run: directions at the two sites, [n] each."""
    at = [f"blocks.0.{site}" for site in SITES]
    stream = activations.stacked(run, jnp.asarray(drawn.tokens), own(run.task), at=at)
    carry, key = labels(run.task, drawn)[0], jax.random.key(KEY)
    alike = jax.vmap(directions.alike, (0, 0, 0, None))(stream[0], stream[1], carry, key)
    within = jax.vmap(whitened, (1, 0))(stream, carry)
    fresh = activations.stacked(run, jnp.asarray(few.tokens), own(run.task), at=at)
    turned = [
        edits(run, few, k, stream[:, i], fresh[:, i], carry[i]) for i, k in enumerate(columns(run.task))
    ]
    return Compared(alike, within, jax.tree.map(lambda *leaves: jnp.stack(leaves), *turned))


def whitened(places: Float[Array, "2 B D"], classes: Array) -> Float[Array, "2 2"]:
    """The correlation within classes of the outputs of probes of two places, fitted on different halves."""
    first = probes.split(jax.random.key(KEY), classes.shape[0])
    hot = jax.nn.one_hot(classes, 2)
    fits = [
        [probes.ridge(x, hot, weights=probes.balanced(2, classes, weights=half)) for x in places]
        for half in (first, ~first)
    ]

    def outputs(fit, x):
        said = x @ directions.direction(fit.W)
        means = hot.T @ said / jnp.maximum(hot.sum(0), 1)
        return said - hot @ means

    def correlation(i, j, at):
        x, y = outputs(fits[0][i], places[at]), outputs(fits[1][j], places[at])
        return (x @ y) / jnp.maximum(jnp.linalg.norm(x) * jnp.linalg.norm(y), 1e-30)

    both = lambda i, j: (correlation(i, j, i) + correlation(i, j, j)) / 2
    return jnp.array([[both(i, j) for j in range(2)] for i in range(2)])


def edits(
    run: Run,
    few: evaluation_sets.Problems,
    digit: int,
    stream: Array,
    fresh: Array,
    carry: Array,
) -> dict[str, carry_edits.Flips]:
    """What becomes of the answer digit when the carry into it is turned round at each site, and when as long
    a step goes elsewhere.
    """
    found, classes = {}, features.carry(few, run.task.base, digit)
    weights = probes.balanced(2, carry)
    for site, x, activation in zip(SITES, stream, fresh, strict=True):
        means = probes.class_means(2, x, carry)
        probe = probes.ridge(x, jax.nn.one_hot(carry, 2), weights=weights)
        step = means[:, 1] - means[:, 0]
        random = jax.random.normal(jax.random.key(digit), step.shape)
        ways = jnp.stack(
            [
                directions.moved(step, classes, activation),
                directions.moved(
                    random * jnp.linalg.norm(step) / jnp.linalg.norm(random), classes, activation
                ),
                directions.reflected(probe, directions.direction(means), activation),
                directions.reflected(probe, directions.direction(probe.W), activation),
            ]
        )
        effect = jax.vmap(
            lambda edited, site=site: carry_edits.flips(run, few, edited, digit, site=f"blocks.0.{site}")
        )(ways)
        for i, way in enumerate(WAYS):
            found[f"{site}, {way}"] = jax.tree.map(lambda leaf, i=i: leaf[i], effect)
    return found
