"""Lenses: the residual stream before the end, read as if it were the end. How much of the answer is there,
and is it where W_U looks?

The logit lens (nostalgebraist 2020) puts a site's stream through ln_final and W_U as they are. The tuned lens
(Belrose et al. 2023, arXiv:2303.08112) puts an affine map between; here one for each site and answer. What
the tuned lens gains on the logit lens was there but elsewhere than W_U looks; what it lacks to the model
itself is not there for any linear reader.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations, circuits, directions, probes
from grokjax.model import transformer
from grokjax.tap import untouched


class Reading(NamedTuple):
    """What a lens reads: mean loss against the right answer (nats) and share of right answers, answers in
    reading order.
    """

    loss: Float[Array, "sites C"]
    accuracy: Float[Array, "sites C"]


class Alignment(NamedTuple):
    """Where a site's class means of each answer lie, and where W_U looks: principal angles (degrees, the
    smallest first), and the share of the variance between the classes inside the space that W_U reads. A
    random direction has a share of about (V − 1) / D."""

    angles: Float[Array, "sites C V-1"]
    share: Float[Array, "sites C"]


def names(config: ModelConfig) -> tuple[str, ...]:
    """The places of the whole stream: what enters each layer, what its attention leaves (with an MLP), and
    the end.
    """
    kinds = ("resid_pre", "resid_mid") if config.mlp else ("resid_pre",)
    return (
        *(f"blocks.{layer}.{kind}" for layer in range(config.num_layers) for kind in kinds),
        f"blocks.{config.num_layers - 1}.resid_post",
    )


def streams(
    config: ModelConfig, task: Any, params: PyTree, tokens: Int[Array, "B P"]
) -> Float[Array, "sites C B D"]:
    """The stream at every place, where each answer is predicted."""
    places = np.asarray(task.read)[np.minimum(np.arange(len(task.columns)), len(task.read) - 1)]
    cache = activations.cached(config, params, tokens)[1]
    return jnp.stack([cache[name][:, places].swapaxes(0, 1) for name in names(config)])


def logits(
    config: ModelConfig, task: Any, params: PyTree, stream: Float[Array, "*sites C B D"]
) -> Float[Array, "*sites C B V"]:
    """The logit lens: the model's own last layer norm and unembedding, on any stream."""
    with jax.default_matmul_precision("float32"):
        every = transformer.unembed(config, params, stream, untouched)
    num_answers, num_read = len(task.columns), len(task.read)
    if num_read == num_answers:
        return every
    parts = every.reshape(
        *every.shape[:-1], num_answers // num_read, -1
    )  # parallel mode: a slice of the outputs for each answer
    return jnp.stack([parts[..., i, :, i // num_read, :] for i in range(num_answers)], -3)


def logit_lens(config: ModelConfig, task: Any, params: PyTree, batch: Any) -> Reading:
    """What the logit lens reads at each place; at the last it is the model."""
    return _reading(logits(config, task, params, streams(config, task, params, batch.tokens)), batch.labels.T)


def tuned_lens(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    key: PRNGKeyArray,
    *,
    penalty: float = 1e-3,
    steps: int = 30,
    share: float = 0.5,
) -> Reading:
    """What the tuned lens reads on examples left out: an affine map of the stream to logits, of least
    cross-entropy with the model's own last distribution on a random `share` of the examples, by L-BFGS. W_U
    being linear, a map to its input could do no better."""
    stream = streams(config, task, params, batch.tokens)
    train = probes.split(key, len(batch.tokens), share)
    targets = jax.nn.softmax(logits(config, task, params, stream[-1]))

    def one(x, target):
        return probes.outputs(probes.logistic(x, target, weights=train, penalty=penalty, steps=steps), x)

    fitted = jax.lax.map(lambda site: jax.lax.map(lambda each: one(*each), (site, targets)), stream)
    return _reading(fitted, batch.labels.T, ~train)


def translated(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    key: PRNGKeyArray,
    *,
    penalty: float = 1e-3,
    share: float = 0.5,
) -> Reading:
    """The tuned lens in closed form, on examples left out: least squares from the stream to the last stream,
    then the logit lens.
    """
    stream = streams(config, task, params, batch.tokens)
    train = probes.split(key, len(batch.tokens), share)
    one = lambda x, last: probes.outputs(probes.ridge(x, last, weights=train, penalty=penalty), x)
    mapped = jax.lax.map(lambda site: jax.vmap(one)(site, stream[-1]), stream)
    return _reading(logits(config, task, params, mapped), batch.labels.T, ~train)


def alignment(config: ModelConfig, task: Any, params: PyTree, batch: Any) -> Alignment:
    """How the class means of each answer lie to the space that W_U reads, at every place."""
    parts = jnp.split(circuits.unembedding(config, params), len(task.columns) // len(task.read), 1)
    places = [part for part in parts for _ in task.read]
    stream = streams(config, task, params, batch.tokens)
    num_classes = parts[0].shape[1]

    def one(x, labels, read):
        means = probes.class_means(num_classes, x, labels)
        with jax.default_matmul_precision("float32"):
            occurs = jnp.zeros(num_classes).at[labels].set(1)
            centred = (means - means @ occurs[:, None] / occurs.sum()) * occurs
            inside = directions.subspace(read).T @ centred
        return directions.principal_angles(centred, read), (inside**2).sum() / jnp.maximum(
            (centred**2).sum(), 1e-30
        )

    return Alignment(*jax.vmap(lambda site: jax.vmap(one)(site, batch.labels.T, jnp.stack(places)))(stream))


def _reading(logits, labels, among=None):
    """Means over the examples `among` (None: all)."""
    weights = jnp.ones(labels.shape[1]) if among is None else among.astype(jnp.float32)
    labels = jnp.broadcast_to(labels, logits.shape[:-1])
    right = (objective.against(logits, labels).max(-1) < 0).astype(jnp.float32)
    return Reading(
        objective.cross_entropy(logits, labels) @ weights / weights.sum(), right @ weights / weights.sum()
    )
