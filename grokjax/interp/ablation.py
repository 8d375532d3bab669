"""Ablation: what a run loses when one head, neuron, position or component is replaced, for each answer and
each group of examples.

`by` says what a unit's activation is replaced by: `zero`, `mean` (over the batch, position by position),
`resampled(key)` (another example's) or `constant(value)`. The last block's heads and neurons take a short
cut: what a head wrote is swapped in the residual stream where it is read, and a neuron is a rank-one change
of the logits; both are exact, and the tapped edit is what they are tested by. For hundreds of runs `map_runs`
takes memory for one on each device, where `vmap` takes it for all.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations
from grokjax.model import transformer
from grokjax.tap import untouched

Replacement = Callable[[Array], Array]
Groups = Float[Array, "G B"]


class Damage(NamedTuple):
    """Rises, means over each group of examples: of the log-odds against the right answer (nats), of the loss
    (nats), of the error share.

    The loss is the softplus of the log-odds. Of a run that has converged it does not move before a margin of
    many nats is gone: it names only the few units that can tip an answer alone, where the log-odds rank all
    of them.
    """

    log_odds: Float[Array, "*U G C"]
    loss: Float[Array, "*U G C"]
    errors: Float[Array, "*U G C"]


class _Scored(NamedTuple):
    """Per answer and example: log-odds against the right answer, and whether another one is ahead."""

    log_odds: Float[Array, "C B"]
    wrong: Array


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
    """Weights that average over all examples (first row) and over those of each class 0 … count − 1; NaN for
    a class without examples.
    """
    members = (jnp.arange(count)[:, None] == classes).astype(jnp.float32)
    members = jnp.concatenate([jnp.ones((1, members.shape[1])), members])
    return members / members.sum(1, keepdims=True)


def heads(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    *,
    by: Replacement = mean,
    groups: Groups | None = None,
    attention_rate: Array | float = 1.0,
) -> Damage:
    """The damage [L, H, G, C] when what one head adds to the residual stream is replaced; answers C in
    reading order.
    """
    measure = _Measure(config, task, params, batch, groups, attention_rate)
    below = [
        measure.by_edit(f"blocks.{layer}.attn.result", 2, config.num_heads, by)
        for layer in range(config.num_layers - 1)
    ]
    return _stacked([*below, measure.last_heads(by)])


def neurons(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    *,
    by: Replacement = mean,
    groups: Groups | None = None,
    attention_rate: Array | float = 1.0,
) -> Damage:
    """The damage [L, M, G, C] when the activation of one neuron is replaced. ValueError where the model has
    no MLP.
    """
    if not config.mlp:
        raise ValueError("mlp=False: there are no neurons")
    measure = _Measure(config, task, params, batch, groups, attention_rate)
    by_edit = lambda layer: measure.by_edit(f"blocks.{layer}.mlp.post", 2, config.mlp_width, by)
    last = config.num_layers - 1
    return _stacked(
        [*map(by_edit, range(last)), by_edit(last) if config.layer_norm else measure.last_neurons(by)]
    )


def positions(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    *,
    by: Replacement = mean,
    groups: Groups | None = None,
    attention_rate: Array | float = 1.0,
) -> Damage:
    """The damage [L, P, G, C] when the residual stream that enters a layer is replaced at one position, for
    all that reads it.
    """
    measure = _Measure(config, task, params, batch, groups, attention_rate)
    return _stacked(
        [
            measure.by_edit(f"blocks.{layer}.resid_pre", 1, batch.tokens.shape[1], by)
            for layer in range(config.num_layers)
        ]
    )


def components(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    *,
    by: Replacement = mean,
    groups: Groups | None = None,
    attention_rate: Array | float = 1.0,
) -> dict[str, Damage]:
    """The damage [G, C] when a whole output is replaced at every position: embeddings, each layer's attention
    and MLP, by name.
    """
    measure = _Measure(config, task, params, batch, groups, attention_rate)
    names = [
        name
        for name in activations.names(config)
        if name in ("embed", "pos_embed") or name.endswith(("attn_out", "mlp_out"))
    ]
    return {name: measure.damage(measure.edited({name: by})) for name in names}


def units_for(damage: Float[np.ndarray, " M"], share: float = 0.9) -> Float[np.ndarray, " K"]:
    """The fewest units, the most damaging first, whose damage adds up to `share` of all units'; what helps to
    ablate counts as 0.
    """
    damage = np.maximum(np.asarray(damage, float), 0)
    order = np.argsort(-damage, kind="stable")
    total = np.cumsum(damage[order])
    return (
        order[: int(np.searchsorted(total, share * total[-1] * (1 - 1e-12))) + 1]
        if total[-1] > 0
        else order[:0]
    )


def _stacked(layers: list[Damage]) -> Damage:
    return jax.tree.map(lambda *x: jnp.stack(x), *layers)


class _Measure:
    """A run on a batch as it is, and how much worse it is for any change."""

    def __init__(self, config, task, params, batch, groups, attention_rate):
        self.config, self.task, self.params, self.batch, self.rate = (
            config,
            task,
            params,
            batch,
            attention_rate,
        )
        self.groups = jnp.full((1, len(batch.tokens)), 1 / len(batch.tokens)) if groups is None else groups
        self.read = np.asarray(task.read)
        self.stream, self.result = _last_attention(config, params, batch.tokens, self.read, attention_rate)
        self.whole = self.scored(_from_mid(config, params, self.stream))

    def edited(self, edits):
        logits = activations.cached(
            self.config, self.params, self.batch.tokens, edits, attention_rate=self.rate
        )[0]
        return self.scored(logits[:, self.read])

    def against(self, logits):
        return objective.against(objective.by_answer(self.task, logits), self.batch.labels)

    def scored(self, logits):
        against = self.against(logits)
        return _Scored(jax.nn.logsumexp(against, -1).T, (against.max(-1) >= 0).T)

    def damage(self, scored):
        over = functools.partial(jnp.einsum, "gb,cb->gc", self.groups)
        with jax.default_matmul_precision("float32"):
            return Damage(
                over(scored.log_odds - self.whole.log_odds),
                over(jax.nn.softplus(scored.log_odds) - jax.nn.softplus(self.whole.log_odds)),
                over(scored.wrong.astype(jnp.float32) - self.whole.wrong),
            )

    def by_edit(self, name, axis, size, by):
        """One unit after another, along an axis of the activation [B, P, unit, ...] or [B, unit, ...]: memory
        for one.
        """

        def without(unit):
            here = lambda x: (jnp.arange(size) == unit).reshape(-1, *[1] * (x.ndim - 1 - axis))
            return self.damage(self.edited({name: lambda x: jnp.where(here(x), by(x), x)}))

        return jax.lax.map(without, jnp.arange(size))

    def last_heads(self, by):
        change = jnp.moveaxis(by(self.result) - self.result, 2, 0)
        return jax.lax.map(
            lambda change: self.damage(
                self.scored(_from_mid(self.config, self.params, self.stream + change))
            ),
            change,
        )

    def last_neurons(self, by):
        """Symbols first and examples last, so that every sum over the few symbols runs along the examples."""
        p, labels = self.params["blocks"][-1], self.batch.labels.T
        with jax.default_matmul_precision("float32"):
            post = transformer.ACTIVATION[self.config.activation](self.stream @ p["W_in"] + p["b_in"])
            against = jnp.moveaxis(
                self.against(transformer.folded(self.config, p, self.params, self.stream)), (0, 1), (2, 1)
            )
            change = jnp.moveaxis(by(post) - post, (0, 1, 2), (2, 1, 0))
            writes = p["W_out"] @ self.params["W_U"]
        answers_each = len(labels) // len(
            self.read
        )  # parallel mode: the outputs of one position are several answers
        writes = jnp.tile(writes.reshape(len(writes), answers_each, -1), (1, len(self.read), 1))

        def without(unit):
            change, writes = unit
            own = sum(
                jnp.where(labels == symbol, writes[:, symbol, None], 0) for symbol in range(len(against))
            )
            each_change = jnp.repeat(change, answers_each, 0)
            # one symbol after another, not a reduction over them: XLA makes a single loop over the examples
            # of this
            moved = [
                against[symbol] + each_change * (writes[:, symbol, None] - own)
                for symbol in range(len(against))
            ]
            most = functools.reduce(jnp.maximum, moved)
            return self.damage(_Scored(most + jnp.log(sum(jnp.exp(x - most) for x in moved)), most >= 0))

        return jax.lax.map(without, (change, writes))


def _last_attention(config, params, tokens, read, rate):
    """What the last block's attention leaves at the positions that are read, and what each of its heads has
    added to it.
    """
    results: dict[str, Array] = {}
    last, place = config.num_layers - 1, np.arange(tokens.shape[1])
    p, record = params["blocks"][last], lambda name, x: results.setdefault(name, x)
    with jax.default_matmul_precision("float32"):
        if last:
            stream = activations.cached(config, params, tokens, attention_rate=rate)[1][
                f"blocks.{last}.resid_pre"
            ]
        else:
            stream = transformer.embed(config, params, tokens, 0, untouched)
        if last or config.layer_norm:
            project = transformer.normalized(config, p, "ln1", stream, untouched)
        else:
            project = transformer.table_projection(config, params, tokens, 0)
        out = transformer.attend(config, p, project, (read, place), rate, record)
    return stream[:, read] + out, results["attn.result"]


def _from_mid(config, params, stream):
    """Logits of what the last block's attention leaves."""
    p = params["blocks"][-1]
    with jax.default_matmul_precision("float32"):
        if config.mlp and not config.layer_norm:
            return transformer.folded(config, p, params, stream)
        if config.mlp:
            stream = stream + transformer.mlp(
                config, p, transformer.normalized(config, p, "ln2", stream, untouched), untouched
            )
        return transformer.unembed(config, params, stream, untouched)
