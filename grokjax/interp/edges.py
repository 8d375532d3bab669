"""The edges between components: what each one reads of each earlier one, patched one by one (path patching),
ranked, and pruned.

A sender (token and position embedding, head, MLP) adds to the residual stream; a receiver (the q, k or v
input of a head, an MLP, the logits) reads the sum of all senders before it. An edge is one term of that sum.
`mask` [R, U] (receivers, senders), or [R, U, P] by the receiver's position, says for each edge how far the
term is replaced by its value on `source`: 0 not at all, 1 fully.
Path patching: Goldowsky-Dill et al., arXiv:2304.05969; edges as a circuit: Conmy et al., arXiv:2304.14997.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention, positions, transformer
from grokjax.tap import untouched

Score = Callable[[Array], Array]


class Minimal(NamedTuple):
    """Which edges are left when no other can go, and the score with these alone."""

    kept: Bool[Array, "R U"]
    score: Float[Array, ""]


def senders(config: ModelConfig) -> tuple[str, ...]:
    """The names of what adds to the residual stream, in order: embed, pos_embed, 0.head.0, ..., 0.mlp, ..."""
    added = ("embed", "pos_embed") if config.positions in positions.ADDED else ("embed",)
    blocks = [
        [*(f"{layer}.head.{head}" for head in range(config.num_heads)), *[f"{layer}.mlp"] * config.mlp]
        for layer in range(config.num_layers)
    ]
    return (*added, *(name for block in blocks for name in block))


def receivers(config: ModelConfig) -> tuple[str, ...]:
    """The names of what reads it, in order: 0.head.0.q, ..., 0.head.0.k, ..., 0.head.0.v, ..., 0.mlp, ...,
    logits.
    """
    blocks = [
        [
            *(f"{layer}.head.{head}.{part}" for part in _parts(config) for head in range(config.num_heads)),
            *[f"{layer}.mlp"] * config.mlp,
        ]
        for layer in range(config.num_layers)
    ]
    return (*(name for block in blocks for name in block), "logits")


def exist(config: ModelConfig) -> np.ndarray:
    """[R, U]: whether the sender comes before the receiver."""
    order = {name: place for place, name in enumerate(senders(config))}
    first = lambda receiver: (
        len(order)
        if receiver == "logits"
        else order[f"{receiver.split('.')[0]}.{'mlp' if receiver.endswith('mlp') else 'head.0'}"]
    )
    return np.array([[place < first(receiver) for place in order.values()] for receiver in receivers(config)])


def forward(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    mask: Float[Array, "R U *P"],
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "B P V"]:
    """Logits on `tokens` with every edge replaced, as far as `mask` says, by its value on `source`. Edges
    that do not exist are ignored.
    """
    return _replaced(config, params, tokens, source, attention_rate)(mask)[0]


def patterns(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    mask: Float[Array, "R U *P"],
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "L B H q p"]:
    """Every head's attention pattern there: what an edge into queries and keys changes first."""
    return jnp.stack(_replaced(config, params, tokens, source, attention_rate)(mask)[2])


def effects(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "R U"]:
    """Path patching: the rise of `score(logits)` when one edge alone is replaced, what comes after it
    computed anew; NaN for no edge.
    """
    there = exist(config)
    scored = _scored(config, params, tokens, source, score, attention_rate)
    alone = lambda edge: scored(jnp.zeros(there.shape).at[edge[0], edge[1]].set(1.0))
    found = jax.lax.map(alone, jnp.argwhere(there, size=int(there.sum())))
    return jnp.full(there.shape, jnp.nan).at[np.nonzero(there)].set(found - scored(jnp.zeros(there.shape)))


def attributions(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    *,
    steps: int = 1,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "R U"]:
    """The effects to first order, all in one backward pass: edge attribution patching (Syed et al.,
    arXiv:2310.10348).

    With more `steps` the mean of the gradients on the way from no edge to all edges replaced. NaN for no
    edge.
    """
    there = exist(config)
    slope = jax.grad(_scored(config, params, tokens, source, score, attention_rate))
    found = jax.lax.map(lambda share: slope(jnp.full(there.shape, share)), jnp.arange(steps) / steps).mean(0)
    return jnp.where(there, found, jnp.nan)


def minimal(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    score: Score,
    limit: Array | float,
    *,
    passes: int = 2,
    attention_rate: Array | float = 1.0,
) -> Minimal:
    """A set of edges that keeps the score (a loss) at most `limit` when all others are replaced, and from
    which none can be taken.

    Edges are tried from the least attribution on, and replaced for good wherever the limit allows; `passes`
    over those that are left make sure of the second half. Without any replaced the score may be above the
    limit: then all edges are kept.
    """
    there = exist(config)
    places = jnp.argwhere(there, size=int(there.sum()))
    size = jnp.abs(
        attributions(config, params, tokens, source, score, steps=4, attention_rate=attention_rate)
    )[places[:, 0], places[:, 1]]
    order = places[jnp.argsort(size)]
    scored = _scored(config, params, tokens, source, score, attention_rate)

    def tried(state, edge):
        mask, held = state
        without = mask.at[edge[0], edge[1]].set(1.0)
        found = scored(without)
        gone = found <= limit
        return (jnp.where(gone, without, mask), jnp.where(gone, found, held)), None

    start = jnp.zeros(there.shape)
    mask, held = jax.lax.scan(tried, (start, scored(start)), jnp.tile(order, (passes, 1)))[0]
    return Minimal((mask == 0) & there, held)


def _parts(config):
    return ("q", "k", "v") if config.attention == "live" else ("v",)


def _scored(config, params, tokens, source, score, rate):
    run = _replaced(config, params, tokens, source, rate)
    return lambda mask: score(run(mask)[0])


def _replaced(config, params, tokens, source, rate):
    """What `_run` gives for a mask; the run on `source` is made once, for all masks."""
    with jax.default_matmul_precision("float32"):
        others = _run(config, params, source, None, None, rate)[1]

    def run(mask):
        with jax.default_matmul_precision("float32"):
            return _run(config, params, tokens, others, mask[:, :, None] if mask.ndim == 2 else mask, rate)

    return run


def _run(config, params, tokens, others, mask, rate):
    """(logits, what every sender adds, every layer's pattern): each receiver reads its own sum."""
    sent, seen, row, place = [], [], 0, np.arange(tokens.shape[1])

    def embedded(name, x):
        sent.append(x)
        return x

    def received(count):
        """The sums that the next `count` receivers read, [B, P, count, D]."""
        nonlocal row
        rows, row = slice(row, row + count), row + count
        total = jnp.broadcast_to(sum(sent)[:, :, None], (*sent[0].shape[:2], count, sent[0].shape[2]))
        if mask is None:
            return total
        change = jnp.stack([other - own for own, other in zip(sent, others, strict=False)])
        weights = jnp.broadcast_to(mask[rows, : len(sent)], (count, len(sent), len(place)))
        return total + jnp.einsum("rup,ubpd->bprd", weights, change)

    transformer.embed(config, params, tokens, 0, embedded)
    for p in params["blocks"]:
        project = {
            part: jnp.einsum(
                "bphd,dhk->bphk",
                _normed(config, p, "ln1", received(config.num_heads)),
                p[f"W_{part.upper()}"],
            )
            for part in _parts(config)
        }
        seen.append(_pattern(config, p, project, place, rate))
        z = jnp.einsum("bhqp,bphk->bqhk", seen[-1], project["v"])
        sent.extend(jnp.einsum("bphk,hkd->hbpd", z, p["W_O"]))
        if config.mlp:
            stream = _normed(config, p, "ln2", received(1)[:, :, 0])
            sent.append(
                transformer.mlp(config, p, functools.partial(jnp.tensordot, stream, axes=1), untouched)
            )
    return transformer.unembed(config, params, received(1)[:, :, 0], untouched), sent, seen


def _normed(config, p, name, x):
    return transformer.layer_norm(p[name], x, untouched) if config.layer_norm else x


def _pattern(config, p, project, place, rate):
    if config.attention == "live":
        pattern = jax.nn.softmax(attention.scores(config, p, project["q"], project["k"], (place, place)))
    else:
        pattern = attention.frozen_pattern(config, p, place, place)
        pattern = jnp.broadcast_to(pattern, (len(project["v"]), *pattern.shape))
    return attention.mixed(pattern, attention.visible(config, place, place), rate)
