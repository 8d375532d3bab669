"""How few neurons of the last layer a run can do with, when the others are held at their means.

The means are over the batch, position by position. What the last layer's neurons write adds up in the logits
(without layer norm), so a set of neurons is a sum and no weight is trained again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from grokjax import objective
from grokjax.interp import last_block
from grokjax.run import Run


class Kept(NamedTuple):
    """Mean loss (nats) and share of right answers, in reading order, and of problems with all answers right.

    K are the sets of neurons.
    """

    loss: Float[Array, "K C"]
    accuracy: Float[Array, "K C"]
    exact: Float[Array, " K"]


class _Sum(NamedTuple):
    """Logits as a constant and what each neuron adds, its change times what it writes."""

    held: Float[Array, "C B V"]
    change: Float[Array, "M C B"]
    writes: Float[Array, "M C V"]


def greedy(
    run: Run, batch: Any, *, places: Sequence[int] | None = None, shortlist: int = 8
) -> Int[Array, " M"]:
    """When each neuron goes, 0 the first, if always the one goes whose removal then costs the least loss.

    They go one at a time, since those that cost nothing alone pull the same way.

    places: those of the answers that count, in reading order (None: all)
    shortlist: the number of neurons, those whose cost is least to second order, whose exact cost is compared
    Raises ValueError for a model without MLP or with layer norm.
    """
    parts, labels = _chosen(_sum(run, batch), batch, places)
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

    width = run.config.mlp_width
    with jax.default_matmul_precision("float32"):
        start = _logits(parts, jnp.ones(width, bool)), jnp.full(width, -1)
        return jax.lax.scan(remove, start, jnp.arange(width))[0][1]


def ranked(damage: Float[Array, " M"] | Int[Array, " M"], counts: Sequence[int]) -> Bool[Array, "K M"]:
    """The neurons kept at each count, where the most damaging stay.

    damage: what each costs alone (`ablation.neurons`), or when it goes (`greedy`)
    """
    return jnp.argsort(jnp.argsort(-damage)) < jnp.asarray(counts)[:, None]


def scores(run: Run, batch: Any, masks: Bool[Array, "K M"]) -> Kept:
    """How well the run does with each set of neurons; with all of them as it does by itself."""
    parts, labels = _chosen(_sum(run, batch), batch, None)

    def one(kept):
        logits = _logits(parts, kept)
        right = objective.against(logits, labels).max(-1) < 0
        return Kept(objective.cross_entropy(logits, labels).mean(1), right.mean(1), right.all(0).mean())

    with jax.default_matmul_precision("float32"):
        return jax.lax.map(one, masks)


def _sum(run, batch):
    config, task = run.config, run.task
    if config.layer_norm or not config.mlp:
        raise ValueError(
            f"mlp={config.mlp}, layer_norm={config.layer_norm}: "
            "pruning needs an MLP, and no layer norm behind it"
        )
    stream = last_block.after_attention(run, batch.tokens)[0]
    post = jnp.repeat(last_block.neurons(run, stream), len(task.columns) // len(task.read), 1)
    change = jnp.moveaxis(post - post.mean(0), (0, 1, 2), (2, 1, 0))
    writes, logits = last_block.neuron_logits(run), jnp.moveaxis(last_block.logits(run, stream), 1, 0)
    held = logits - jnp.einsum("mcb,mcv->cbv", change, writes, precision="float32")
    return _Sum(held, change, writes)


def _chosen(parts, batch, places):
    at = np.arange(batch.labels.shape[1]) if places is None else np.asarray(places)
    return _Sum(parts.held[at], parts.change[:, at], parts.writes[:, at]), batch.labels.T[at]


def _logits(parts, kept):
    return parts.held + jnp.einsum("mcb,mcv->cbv", parts.change * kept[:, None, None], parts.writes)
