"""Ablation: how much worse a run is when one head, neuron, position or component is replaced.

It is measured for each answer and each group of examples. `by` says what a unit's activation is replaced by:
`zero`, `mean` (over the batch, position by position), `resampled(key)` (another example's) or
`constant(value)`. The last block's heads and neurons take a short cut (`last_block`): what a head wrote is
swapped in the residual stream where it is read, and a neuron is a rank-one change of the logits. Both are
exact, and the tapped edit is what they are tested by. For hundreds of runs `map_runs` takes memory for one on
each device, where `vmap` takes it for all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from grokjax import objective
from grokjax.interp import activations, last_block
from grokjax.run import Edits, Run

Replacement = Callable[[Array], Array]
Groups = Float[Array, "G B"]


class Damage(NamedTuple):
    """Rises of the log-odds against the right answer (nats), of the loss (nats) and of the share of errors.

    Each is a mean over each group of examples. The loss is the softplus of the log-odds. For a run that has
    converged it does not move before a margin of many nats is gone: it names only the few units that can tip
    an answer alone, where the log-odds rank all of them.
    """

    log_odds: Float[Array, "*U G C"]
    loss: Float[Array, "*U G C"]
    errors: Float[Array, "*U G C"]


def zero(x: Float[Array, "B ..."]) -> Float[Array, "B ..."]:
    """Zeros."""
    return jnp.zeros_like(x)


def mean(x: Float[Array, "B ..."]) -> Float[Array, "B ..."]:
    """The mean over the batch, for every example."""
    return jnp.broadcast_to(x.mean(0), x.shape)


def resampled(key: Key[Array, ""]) -> Replacement:
    """A replacement by the activation of another example of the batch, a random permutation."""
    return lambda x: x[jax.random.permutation(key, len(x))]


def constant(value: Float[Array, "..."] | float) -> Replacement:
    """A replacement by one value, or one vector, for every example."""
    return lambda x: jnp.broadcast_to(value, x.shape)


def groups(classes: Int[Array, " B"], count: int) -> Float[Array, "G B"]:
    """Weights that average over all examples (first row) and over those of each class 0 … count − 1.

    The row of a class without examples is NaN.
    """
    members = (jnp.arange(count)[:, None] == classes).astype(jnp.float32)
    members = jnp.concatenate([jnp.ones((1, members.shape[1])), members])
    return members / members.sum(1, keepdims=True)


def heads(run: Run, batch: Any, *, by: Replacement = mean, groups: Groups | None = None) -> Damage:
    """The damage [L, H, G, C] when what one head adds to the residual stream is replaced."""
    measure = _Measure(run, batch, groups)
    last = run.config.num_layers - 1
    below = [
        measure.each(f"blocks.{layer}.attn.result", 2, run.config.num_heads, by) for layer in range(last)
    ]
    return _by_layer([*below, measure.last_heads(by)])


def neurons(run: Run, batch: Any, *, by: Replacement = mean, groups: Groups | None = None) -> Damage:
    """The damage [L, M, G, C] when the activation of one neuron is replaced.

    Raises ValueError where the model has no MLP.
    """
    config = run.config
    if not config.mlp:
        raise ValueError("mlp=False: there are no neurons")
    measure = _Measure(run, batch, groups)
    each = lambda layer: measure.each(f"blocks.{layer}.mlp.post", 2, config.mlp_width, by)
    last = config.num_layers - 1
    return _by_layer([*map(each, range(last)), each(last) if config.layer_norm else measure.last_neurons(by)])


def positions(run: Run, batch: Any, *, by: Replacement = mean, groups: Groups | None = None) -> Damage:
    """The damage [L, P, G, C] when the residual stream that enters a layer is replaced at one position.

    It is replaced for all that reads it there.
    """
    measure, size = _Measure(run, batch, groups), batch.tokens.shape[1]
    layers = range(run.config.num_layers)
    return _by_layer([measure.each(f"blocks.{layer}.resid_pre", 1, size, by) for layer in layers])


def components(
    run: Run, batch: Any, *, by: Replacement = mean, groups: Groups | None = None
) -> dict[str, Damage]:
    """The damage [G, C] when a whole output is replaced at every position, by the output's name.

    Outputs are the embeddings and each layer's attention and MLP.
    """
    measure = _Measure(run, batch, groups)
    outputs = ("embed", "pos_embed", "attn_out", "mlp_out")
    names = [name for name in activations.names(run) if name.rpartition(".")[2] in outputs]
    return {name: measure.damage(measure.edited({name: by})) for name in names}


def units_for(damage: Float[np.ndarray, " M"], share: float = 0.9) -> Float[np.ndarray, " K"]:
    """The fewest units, the most damaging first, whose damage adds up to `share` of that of all units.

    A unit whose ablation helps counts as 0.
    """
    damage = np.maximum(np.asarray(damage, float), 0)
    order = np.argsort(-damage, kind="stable")
    total = np.cumsum(damage[order])
    return (
        order[: int(np.searchsorted(total, share * total[-1] * (1 - 1e-12))) + 1]
        if total[-1] > 0
        else order[:0]
    )


def _by_layer(layers: list[Damage]) -> Damage:
    return jax.tree.map(lambda *x: jnp.stack(x), *layers)


class _Scored(NamedTuple):
    """Per answer and example: log-odds against the right answer, and whether another one is ahead."""

    log_odds: Float[Array, "C B"]
    wrong: Bool[Array, "C B"]


class _Measure:
    """A run on a batch as it is, and how much worse it is for any change."""

    def __init__(self, run: Run, batch: Any, groups: Groups | None):
        self.run, self.batch = run, batch
        self.groups = jnp.full((1, len(batch.tokens)), 1 / len(batch.tokens)) if groups is None else groups
        self.stream, self.added = last_block.after_attention(run, batch.tokens)
        self.whole = self.scored(last_block.logits(run, self.stream))

    def edited(self, edits: Edits) -> _Scored:
        return self.scored(self.run.logits(self.batch.tokens, edits))

    def scored(self, logits: Float[Array, "B C V"]) -> _Scored:
        against = objective.against(logits, self.batch.labels)
        return _Scored(jax.nn.logsumexp(against, -1).T, (against.max(-1) >= 0).T)

    def damage(self, found: _Scored) -> Damage:
        over = lambda change: jnp.einsum("gb,cb->gc", self.groups, change, precision="float32")
        return Damage(
            over(found.log_odds - self.whole.log_odds),
            over(jax.nn.softplus(found.log_odds) - jax.nn.softplus(self.whole.log_odds)),
            over(found.wrong.astype(jnp.float32) - self.whole.wrong),
        )

    def each(self, name: str, axis: int, size: int, by: Replacement) -> Damage:
        """One unit after another along an axis of the activation: memory for one."""

        def without(unit):
            here = lambda x: (jnp.arange(size) == unit).reshape(-1, *[1] * (x.ndim - 1 - axis))
            return self.damage(self.edited({name: lambda x: jnp.where(here(x), by(x), x)}))

        return jax.lax.map(without, jnp.arange(size))

    def last_heads(self, by: Replacement) -> Damage:
        change = jnp.moveaxis(by(self.added) - self.added, 2, 0)
        without = lambda change: self.damage(self.scored(last_block.logits(self.run, self.stream + change)))
        return jax.lax.map(without, change)

    def last_neurons(self, by: Replacement) -> Damage:
        labels, post = self.batch.labels.T, last_block.neurons(self.run, self.stream)
        against = objective.against(last_block.logits(self.run, self.stream), self.batch.labels)
        against = jnp.moveaxis(against, (0, 1), (2, 1))
        change = jnp.moveaxis(by(post) - post, (0, 1, 2), (2, 1, 0))
        without = lambda unit: self.damage(_Scored(*last_block.log_odds_without(against, labels, *unit)))
        return jax.lax.map(without, (change, last_block.neuron_logits(self.run)))
