"""How few neurons of the last layer a run can do with: the others held at their means over the batch, position by position.

What the last layer's neurons write adds up in the logits (without layer norm), so a set of neurons is a sum and no weight is trained again.
"""
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations


class Kept(NamedTuple):
    """With each set of neurons: mean loss (nats) and share of right answers, in reading order, and share of problems with all of them."""
    loss: Float[Array, "K C"]
    accuracy: Float[Array, "K C"]
    exact: Float[Array, " K"]


class _Sum(NamedTuple):
    """Logits as a constant and what each neuron adds: `held` [C, B, V], `change` [M, C, B] times `writes` [M, C, V]."""
    held: Array
    change: Array
    writes: Array


def greedy(config: ModelConfig, task: Any, params: PyTree, batch: Any, counts: Sequence[int], *,
           places: Sequence[int] | None = None) -> Bool[Array, "K M"]:
    """The neurons kept at each of the falling `counts`: from one to the next those go whose removal alone would cost the least loss.

    places: those of the answers that count, in reading order (None: all). Steps of a tenth or less are close to one by one.
    """
    parts, labels = _chosen(_sum(config, task, params, batch), batch, places)

    def shrink(kept, count):
        logits = _logits(parts, kept)
        without = lambda unit: objective.cross_entropy(logits - unit[0][..., None] * unit[1][:, None], labels).mean()
        cost = jnp.where(kept, jax.lax.map(without, (parts.change, parts.writes)), -jnp.inf)
        rank = jnp.argsort(jnp.argsort(-cost))
        return kept & (rank < count), kept & (rank < count)

    with jax.default_matmul_precision("float32"):
        return jax.lax.scan(shrink, jnp.ones(config.mlp_width, bool), jnp.asarray(counts))[1]


def ranked(damage: Float[Array, " M"], counts: Sequence[int]) -> Bool[Array, "K M"]:
    """The neurons kept at each count where the most damaging ones stay, judged once: what each alone costs (`ablation.neurons`)."""
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
        raise ValueError(f"mlp={config.mlp}, layer_norm={config.layer_norm}: pruning needs an MLP, and no layer norm behind it")
    last = config.num_layers - 1
    logits, cache = activations.cached(config, params, batch.tokens)
    places = np.asarray(task.read)[np.minimum(np.arange(len(task.columns)), len(task.read) - 1)]
    post = jnp.moveaxis(cache[f"blocks.{last}.mlp.post"][:, places], (0, 1, 2), (2, 1, 0))
    change = post - post.mean(-1, keepdims=True)
    with jax.default_matmul_precision("float32"):
        writes = params["blocks"][last]["W_out"] @ params["W_U"]
        by_answer = jnp.moveaxis(objective.by_answer(task, logits[:, np.asarray(task.read)]), 1, 0)
        each = len(task.columns) // len(task.read)          # parallel mode: the outputs of one position are several answers
        writes = jnp.tile(writes.reshape(len(writes), each, -1), (1, len(task.read), 1))
        return _Sum(by_answer - jnp.einsum("mcb,mcv->cbv", change, writes), change, writes)


def _chosen(parts, batch, places):
    at = np.arange(batch.labels.shape[1]) if places is None else np.asarray(places)
    return _Sum(parts.held[at], parts.change[:, at], parts.writes[:, at]), batch.labels.T[at]


def _logits(parts, kept):
    return parts.held + jnp.einsum("mcb,mcv->cbv", parts.change * kept[:, None, None], parts.writes)
