"""How few neurons of the last layer a run can do with: the others held at their means over the batch,
position by position.

What the last layer's neurons write adds up in the logits (without layer norm), so a set of neurons is a sum
and no weight is trained again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations


class Kept(NamedTuple):
    """With each set of neurons: mean loss (nats) and share of right answers, in reading order, and share of
    problems with all of them.
    """

    loss: Float[Array, "K C"]
    accuracy: Float[Array, "K C"]
    exact: Float[Array, " K"]


class _Sum(NamedTuple):
    """Logits as a constant and what each neuron adds: `held` [C, B, V], `change` [M, C, B] times `writes` [M,
    C, V].
    """

    held: Array
    change: Array
    writes: Array


def greedy(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    *,
    places: Sequence[int] | None = None,
    shortlist: int = 8,
) -> Int[Array, " M"]:
    """When each neuron goes, 0 the first, if one after another goes the one whose removal at that moment
    costs the least loss.

    The cost is exact for the `shortlist` neurons whose cost is least to second order. Not many at once: those
    that cost nothing alone pull
    the same way. places: those of the answers that count, in reading order (None: all).
    """
    parts, labels = _chosen(_sum(config, task, params, batch), batch, places)
    own = (parts.change * jnp.take_along_axis(parts.writes, labels[None], 2)).mean(
        (1, 2)
    )  # what each adds to the right answers

    def estimated(logits):
        """Removal changes the logits by −change · writes; the loss has gradient p − right and curvature
        diag(p) − p pᵀ.
        """
        likely = jax.nn.softmax(logits)
        mean, square = (jnp.einsum("mcv,cbv->mcb", w, likely) for w in (parts.writes, parts.writes**2))
        return own + (parts.change**2 * (square - mean**2) / 2 - parts.change * mean).mean((1, 2))

    def without(logits, unit):
        return logits - parts.change[unit][..., None] * parts.writes[unit][:, None]

    def remove(state, step):
        logits, when = state
        short = jax.lax.top_k(-jnp.where(when < 0, estimated(logits), jnp.inf), min(shortlist, len(when)))[1]
        cost = jax.lax.map(lambda unit: objective.cross_entropy(without(logits, unit), labels).mean(), short)
        unit = short[jnp.where(when[short] < 0, cost, jnp.inf).argmin()]
        return (without(logits, unit), when.at[unit].set(step)), None

    width = config.mlp_width
    with jax.default_matmul_precision("float32"):
        start = _logits(parts, jnp.ones(width, bool)), jnp.full(width, -1)
        return jax.lax.scan(remove, start, jnp.arange(width))[0][1]


def ranked(damage: Float[Array, " M"] | Int[Array, " M"], counts: Sequence[int]) -> Bool[Array, "K M"]:
    """The neurons kept at each count where the most damaging stay: by what each costs alone
    (`ablation.neurons`) or when it goes.
    """
    return jnp.argsort(jnp.argsort(-damage)) < jnp.asarray(counts)[:, None]


def scores(config: ModelConfig, task: Any, params: PyTree, batch: Any, masks: Bool[Array, "K M"]) -> Kept:
    """How well the run does with each set of neurons."""
    parts, labels = _chosen(_sum(config, task, params, batch), batch, None)

    def one(kept):
        logits = _logits(parts, kept)
        right = objective.against(logits, labels).max(-1) < 0
        return Kept(objective.cross_entropy(logits, labels).mean(1), right.mean(1), right.all(0).mean())

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(one, masks)


def _sum(config, task, params, batch):
    if config.layer_norm or not config.mlp:
        raise ValueError(
            f"mlp={config.mlp}, layer_norm={config.layer_norm}: pruning needs an MLP, and no layer norm behind it"
        )
    last = config.num_layers - 1
    logits, cache = activations.cached(config, params, batch.tokens)
    places = np.asarray(task.read)[np.minimum(np.arange(len(task.columns)), len(task.read) - 1)]
    post = jnp.moveaxis(cache[f"blocks.{last}.mlp.post"][:, places], (0, 1, 2), (2, 1, 0))
    change = post - post.mean(-1, keepdims=True)
    with jax.default_matmul_precision("float32"):
        writes = params["blocks"][last]["W_out"] @ params["W_U"]
        by_answer = jnp.moveaxis(objective.by_answer(task, logits[:, np.asarray(task.read)]), 1, 0)
        each = len(task.columns) // len(
            task.read
        )  # parallel mode: the outputs of one position are several answers
        writes = jnp.tile(writes.reshape(len(writes), each, -1), (1, len(task.read), 1))
        return _Sum(by_answer - jnp.einsum("mcb,mcv->cbv", change, writes), change, writes)


def _chosen(parts, batch, places):
    at = np.arange(batch.labels.shape[1]) if places is None else np.asarray(places)
    return _Sum(parts.held[at], parts.change[:, at], parts.writes[:, at]), batch.labels.T[at]


def _logits(parts, kept):
    return parts.held + jnp.einsum("mcb,mcv->cbv", parts.change * kept[:, None, None], parts.writes)
