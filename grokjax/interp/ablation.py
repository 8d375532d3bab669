"""Mean ablation: what a run loses when one unit, a neuron or a head, is held at its mean over the batch, position by position.

The damage is the rise of the log-odds against the right answer (nats). The loss is their softplus: of a run that has converged it does
not move before a margin of many nats is gone, so it would name only the few units that can tip an answer alone.
"""
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from grokjax import model, objective, tap
from grokjax.config import ModelConfig


def neurons(config: ModelConfig, task: Any, params: PyTree, batch: Any, *, layer: int = 0) -> Float[Array, "M B C"]:
    """The damage to every answer, in reading order, when each neuron of a layer is held at its mean."""
    return _damage(config, task, params, batch, f"blocks.{layer}.mlp.post", -1, config.mlp_width)


def heads(config: ModelConfig, task: Any, params: PyTree, batch: Any, *, layer: int = 0) -> Float[Array, "H B C"]:
    """The same for what each head of a layer adds to the residual stream."""
    return _damage(config, task, params, batch, f"blocks.{layer}.attn.result", -2, config.num_heads)


def units_for(damage: Float[np.ndarray, " M"], share: float = 0.9) -> Float[np.ndarray, " K"]:
    """The fewest units, the most damaging first, whose damage adds up to `share` of all units'; what helps to ablate counts as 0."""
    damage = np.maximum(np.asarray(damage, float), 0)
    order = np.argsort(-damage, kind="stable")
    total = np.cumsum(damage[order])
    return order[: int(np.searchsorted(total, share * total[-1] * (1 - 1e-12))) + 1] if total[-1] > 0 else order[:0]


def _damage(config, task, params, batch, name, axis, size):
    """One unit after another: memory for one."""
    def against(edits):
        logits, cache = tap.run_with_cache(functools.partial(model.forward, config), edits)(params, batch.tokens, read=task.read)
        return jax.nn.logsumexp(objective.against(objective.by_answer(task, logits), batch.labels), -1), cache

    whole, cache = against({})
    mean = cache[name].mean(0)

    def without(unit):
        at = jnp.arange(size) == unit
        at = at if axis == -1 else at[:, None]
        return against({name: lambda x: jnp.where(at, mean, x)})[0] - whole

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(without, jnp.arange(size))
