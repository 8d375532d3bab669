"""Lenses: the residual stream before the end, read as if it were the end.

How much of the answer is there, and is it where W_U looks? The logit lens (nostalgebraist 2020) puts a site's
stream through ln_final and W_U as they are. The tuned lens (Belrose et al. 2023, arXiv:2303.08112) puts an
affine map between; here one for each site and answer. What the tuned lens gains on the logit lens was there
but elsewhere than W_U looks. What it lacks to the run itself is not there for any linear reader.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from grokjax import objective
from grokjax.interp import activations, circuits, directions, probes
from grokjax.model import transformer
from grokjax.run import Run
from grokjax.tap import untouched
from grokjax.tasks.protocol import answer_positions, symbols_per_answer


class Reading(NamedTuple):
    """What a lens reads at each site of each answer: the mean loss (nats), and the share of right answers."""

    loss: Float[Array, "sites C"]
    accuracy: Float[Array, "sites C"]


class Alignment(NamedTuple):
    """How a site's class means of each answer lie to the space that W_U reads.

    angles: principal angles in degrees, the smallest first; 90 for a dimension that the means do not have
    share: of the variance between the classes, how much lies inside the space. A random direction has about
      (V − 1) / D; a site that cannot hold the answer has 0
    """

    angles: Float[Array, "sites C V-1"]
    share: Float[Array, "sites C"]


def names(run: Run) -> tuple[str, ...]:
    """Returns the sites of the whole stream: what enters each layer and each MLP, and the end."""
    kinds = ("resid_pre", "resid_mid") if run.config.mlp else ("resid_pre",)
    layers = range(run.config.num_layers)
    before = [f"blocks.{layer}.{kind}" for layer in layers for kind in kinds]
    return (*before, f"blocks.{run.config.num_layers - 1}.resid_post")


def streams(run: Run, tokens: Int[Array, "B P"]) -> Float[Array, "sites C B D"]:
    """Returns the stream at every site of `names`, where each answer is predicted."""
    return activations.stacked(run, tokens, answer_positions(run.task), at=names(run))


def logits(run: Run, stream: Float[Array, "*sites C B D"]) -> Float[Array, "*sites C B V"]:
    """Returns the logit lens: the run's own last layer norm and unembedding, on any stream."""
    with jax.default_matmul_precision(run.recipe.precision):
        every = transformer.unembed(run.config, run.params, stream, untouched)
    parts = every.reshape(*every.shape[:-1], -1, symbols_per_answer(run.task))
    # a position with several answers (parallel mode) has a slice of its outputs for each
    each = [parts[..., answer, :, answer % parts.shape[-2], :] for answer in range(len(run.task.columns))]
    return jnp.stack(each, -3)


def logit_lens(run: Run, batch: Any) -> Reading:
    """Returns what the logit lens reads at each site; at the last it is the run."""
    return _reading(logits(run, streams(run, batch.tokens)), batch.labels.T)


def tuned_lens(
    run: Run, batch: Any, key: PRNGKeyArray, *, penalty: float = 1e-3, share: float = 0.5
) -> Reading:
    """Returns what the tuned lens reads on examples left out of its fit.

    The fit is an affine map of the stream to logits, of least cross-entropy with the run's own last
    distribution on a random `share` of the examples: `probes.logistic`. W_U being linear, a map to its input
    could do no better.
    """
    stream = streams(run, batch.tokens)
    train = probes.split(key, len(batch.tokens), share)
    targets = jax.nn.softmax(logits(run, stream[-1]))

    def one(x, target):
        return probes.outputs(probes.logistic(x, target, weights=train, penalty=penalty), x)

    fitted = jax.lax.map(lambda site: jax.lax.map(lambda each: one(*each), (site, targets)), stream)
    return _reading(fitted, batch.labels.T, ~train)


def translated(
    run: Run, batch: Any, key: PRNGKeyArray, *, penalty: float = 1e-3, share: float = 0.5
) -> Reading:
    """Returns what the tuned lens in closed form reads on examples left out of its fit.

    It is least squares from the stream to the last stream, then the logit lens.
    """
    stream = streams(run, batch.tokens)
    train = probes.split(key, len(batch.tokens), share)
    one = lambda x, last: probes.outputs(probes.ridge(x, last, weights=train, penalty=penalty), x)
    mapped = jax.lax.map(lambda site: jax.vmap(one)(site, stream[-1]), stream)
    return _reading(logits(run, mapped), batch.labels.T, ~train)


def alignment(run: Run, batch: Any) -> Alignment:
    """Returns how the class means of each answer lie to the space that W_U reads, at every site."""
    num_classes = symbols_per_answer(run.task)
    parts = jnp.split(circuits.unembedding(run), run.config.num_outputs // num_classes, 1)
    read = jnp.stack([parts[answer % len(parts)] for answer in range(len(run.task.columns))])

    def one(x, labels, read):
        means = probes.class_means(num_classes, x, labels)
        occurs = jnp.zeros(num_classes, bool).at[labels].set(True)
        middle = jnp.where(occurs, means, 0).sum(1, keepdims=True) / occurs.sum()
        means = jnp.where(occurs, means, middle)
        own, seen = directions.subspace(means), directions.subspace(read)
        with jax.default_matmul_precision("float32"):
            between = own.T @ (means - middle)  # within `own`: what is outside is rounding
            inside = seen.T @ own @ between
        share = (inside**2).sum() / jnp.maximum((between**2).sum(), 1e-30)
        return directions.principal_angles(means, read), share

    stream = streams(run, batch.tokens)
    return Alignment(*jax.vmap(lambda site: jax.vmap(one)(site, batch.labels.T, read))(stream))


def _reading(logits, labels, among=None):
    """Means over the examples `among` (None: all)."""
    weights = jnp.ones(labels.shape[1]) if among is None else among.astype(jnp.float32)
    weights, labels = weights / weights.sum(), jnp.broadcast_to(labels, logits.shape[:-1])
    right = (objective.against(logits, labels).max(-1) < 0).astype(jnp.float32)
    return Reading(objective.cross_entropy(logits, labels) @ weights, right @ weights)
